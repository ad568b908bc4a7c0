"""Two control processes on one simulated plant: one acts, the other waits; killed, stopped, cut off."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from controllers.acting.modbus_field import ModbusField
from controllers.acting.replay import replay
from vpp.clock import RealClock, monotonic_s
from vpp.errors import DeviceFailure, TimedOut
from vpp.journal import read, verify
from vpp.link import LinkClient
from vpp.park import copy_park, endpoints, load_park, with_port_base
from vpp.seeds import generator
from vpp.service.ready import free_base
from vpp.state_dir import StateDir
from vpp.types import DispatchOrder, Reply, RestoreOrder, Setpoint, ShedOrder, ShedReport, Snapshot, Source

Plant = Controls = Any
"""`conftest.BarePlant` and `conftest.Controls`; fixtures bring them, since tests are no package."""
COUNT = len(endpoints(load_park("small10")))
UP_S, FIRST = 40.0, asyncio.FIRST_COMPLETED
KILLS = int(os.environ.get("CRASHES", "1000"))


def is_passive(snapshot: Snapshot) -> bool:
    return "passive" in {alarm.id for alarm in snapshot.alarms}


def acts(snapshot: Snapshot) -> bool:
    return bool(snapshot.setpoints) and not is_passive(snapshot)


def standby_socket(state: StateDir) -> Path:
    return state.standby / "control.sock"


def dispatch(plant: Plant, id_: str) -> DispatchOrder:
    now, hour = plant.now(), timedelta(hours=1)
    return DispatchOrder(
        id=id_, import_max_mw=90, export_max_mw=None, start=now, end=now + hour, expires_at=now + hour
    )


async def ask(socket: Path, message: Any) -> Any:
    async with await LinkClient.connect(socket, "cli", 1.0) as client:
        return await client.request(message, 5.0)


def ttl_true_s(plant: Plant) -> float:
    """small10 trusts a setpoint for 60 plant seconds."""
    return 60.0 / plant.settings.schedule.segments[0][1]


def check_one_after_the_other(plant: Plant, since_s: float) -> None:
    """No device took or was sent a command of an epoch after one of a higher epoch."""
    highest: dict[str, int] = {}
    rows = [row for row in plant.log("write", "fenced", since_s=since_s) if row.get("epoch")]
    assert rows
    for row in rows:
        assert row["event"] == "write", row
        assert row["epoch"] >= highest.get(row["device"], 0), row
        highest[row["device"]] = row["epoch"]


async def test_the_second_waits_passively_and_takes_over_when_the_first_is_killed(
    plant: Plant, controls: Controls, folder: Callable[..., StateDir]
) -> None:
    state, begun_s = folder(plant, "kill"), monotonic_s()
    first = controls.start(state)
    before = await controls.until(state.socket, acts, UP_S)
    controls.start(state, "--standby")
    waiting = await controls.until(standby_socket(state), is_passive, UP_S)
    assert waiting.setpoints == {}
    assert {reading.quality for reading in waiting.readings.values()} == {"good"}
    order = dispatch(plant, "o1")
    refused = await ask(standby_socket(state), order)
    assert not refused.accepted
    assert "passive" in refused.reason
    assert (await ask(state.socket, order)).accepted
    killed_s = monotonic_s()
    os.kill(first, signal.SIGKILL)
    after = await controls.until(state.socket, lambda s: acts(s) and s.epoch > before.epoch, 20)
    assert after.epoch == before.epoch + 1
    assert [held.id for held in after.orders] == ["o1"], "it goes on with what the first was told"
    taken = [row for row in plant.log("write") if row.get("epoch") == after.epoch]
    assert taken[0]["true_s"] - killed_s < ttl_true_s(plant) / 2
    assert len({row["device"] for row in taken}) >= len(before.setpoints) - 1
    check_one_after_the_other(plant, begun_s)
    assert verify(state.journal).ok
    waited = await replay(load_park(plant.settings.park), state.standby / "journal")
    assert (waited.difference, waited.setpoints) == ("", 0)


async def test_one_that_was_stopped_sends_nothing_when_it_wakes_and_becomes_the_spare(
    plant: Plant, controls: Controls, folder: Callable[..., StateDir]
) -> None:
    state, begun_s = folder(plant, "stop"), monotonic_s()
    # a folder of its own, as after a lost disk: the epochs of what ran before stand in the registers
    earlier = max((int(row["epoch"]) for row in plant.log("write") if row.get("epoch")), default=0)
    first = controls.start(state)
    before = await controls.until(state.socket, acts, UP_S)
    assert before.epoch > earlier
    second = controls.start(state, "--standby")
    await controls.until(standby_socket(state), is_passive, UP_S)
    os.kill(first, signal.SIGSTOP)
    stopped_s = monotonic_s()
    after = await controls.until(state.socket, lambda s: acts(s) and s.epoch > before.epoch, 20)
    taken = [row for row in plant.log("write") if row.get("epoch") == after.epoch]
    assert taken[0]["true_s"] - stopped_s < ttl_true_s(plant) / 2
    os.kill(first, signal.SIGCONT)
    woken_s = monotonic_s()
    woken = await controls.until(standby_socket(state), is_passive, 10)
    assert any(alarm.severity == "alarm" and alarm.id == "passive" for alarm in woken.alarms)
    await controls.until(state.socket, lambda s: s.cycle > after.cycle + 3, 20)
    late = plant.log("write", "fenced", since_s=woken_s)
    assert late
    assert {row["epoch"] for row in late if row.get("epoch")} == {after.epoch}
    check_one_after_the_other(plant, begun_s)
    assert verify(state.journal).ok
    # and the spare takes over in turn
    os.kill(second, signal.SIGKILL)
    await controls.until(state.socket, lambda s: acts(s) and s.epoch > after.epoch, 20)
    assert verify(state.journal).ok


async def test_on_two_machines_the_registers_alone_decide(
    plant: Plant, controls: Controls, folder: Callable[..., StateDir], lines: Any
) -> None:
    begun_s, base = monotonic_s(), free_base("127.0.0.1", COUNT, plant.settings.port_base + COUNT)
    async with lines(base, plant.settings.port_base, COUNT) as cut:
        here, there = folder(plant, "here", port_base=base), folder(plant, "there")
        controls.start(here)
        before = await controls.until(here.socket, acts, UP_S)
        controls.start(there, "--standby")
        await controls.until(there.socket, is_passive, UP_S)
        before = await controls.until(here.socket, lambda s: s.cycle > before.cycle + 5, 20)
        assert acts(before)
        cut()
        cut_s = monotonic_s()
        after = await controls.until(there.socket, lambda s: acts(s) and s.epoch > before.epoch, 20)
        taken = [row for row in plant.log("write") if row.get("epoch") == after.epoch]
        assert taken[0]["true_s"] - cut_s < ttl_true_s(plant) / 2
    async with lines(base, plant.settings.port_base, COUNT):
        healed = await controls.until(here.socket, is_passive, 20)
        assert any(f"epoch {after.epoch}" in alarm.text for alarm in healed.alarms)
        await controls.until(there.socket, lambda s: s.cycle > after.cycle + 5, 20)
        check_one_after_the_other(plant, begun_s)
        for state in (here, there):
            assert verify(state.journal).ok


def told(plant: Plant, device: str, epoch: int, p_mw: float) -> Setpoint:
    still = {"q_mvar": 0.0, "h2_kg_per_h": 0.0, "p_min_mw": -1.0, "p_max_mw": 1.0, "reversion_mw": 0.0}
    trust = {"issued_at": plant.now(), "ttl_s": 60.0, "reversion_s": 60.0, "source": Source.PLAN}
    return Setpoint(device=device, epoch=epoch, sequence=1, p_mw=p_mw, **still, **trust)


async def test_every_device_fences_a_stale_controller_off_even_one_that_looks_at_nothing(
    plant: Plant,
) -> None:
    park = with_port_base(load_park("small10"), plant.settings.port_base)
    clock, begun_s = RealClock(plant.settings.schedule), monotonic_s()
    async with ModbusField(park, clock) as field:
        for _ in range(100):
            readings = await field.read()
            if all(readings[name].quality == "good" for name in park.resources):
                break
            await clock.sleep_true(0.05)
        above = int(max(readings[name].values["epoch"] for name in park.resources)) + 1
        acks = await field.write([told(plant, name, above, -0.5) for name in park.resources])
        assert {ack.outcome for ack in acks.values()} == {"acknowledged"}
        stale = await field.write([told(plant, name, above - 1, 0.5) for name in park.resources])
        assert "acknowledged" not in {ack.outcome for ack in stale.values()}
        readings = await field.read()
        for name in park.resources:
            values = readings[name].values
            assert (values["epoch"], values["setpoint_mw"]) == (above, pytest.approx(-0.5, abs=0.01)), name
    assert {row["device"] for row in plant.log("fenced", since_s=begun_s)} == set(park.resources)


PASSIVE = "this control is passive"


def turned_away(answer: Any, why: str) -> bool:
    return isinstance(answer, Reply) and not answer.accepted and why in answer.reason


class Crashes:
    """Kills control at random moments while orders are given, and remembers every answer."""

    def __init__(self, plant: Plant, controls: Controls, state: StateDir) -> None:
        self.plant, self.controls, self.state = plant, controls, state
        self.dice, self.begun_s = generator(7, "crash"), monotonic_s()
        self.given: dict[str, Any] = {}
        self.answers: dict[str, Any] = {}
        self.repeated = self.alive = 0

    async def kill(self, life_s: float) -> None:
        """Start control and kill it after a random part of `life_s`, every other time one that acts."""
        pid, acting = self.controls.start(self.state), asyncio.Event()
        talk = asyncio.create_task(self.talk(acting))
        if self.dice.integers(0, 2):
            await asyncio.wait({talk, asyncio.ensure_future(acting.wait())}, timeout=20.0, return_when=FIRST)
        await asyncio.wait({talk}, timeout=float(self.dice.uniform(0.0, life_s)))
        await self.controls.kill(pid)
        if talk.done():
            talk.result()
        talk.cancel()

    def told(self) -> str:
        """Return what has been done so far, in words."""
        after_s = monotonic_s() - self.begun_s
        given = f"{len(self.answers)} answers, {self.repeated} repeated"
        return f"{after_s:.0f} s, {self.alive} of a control that acted, {given}"

    async def talk(self, acting: asyncio.Event) -> None:
        while True:
            try:
                async with await LinkClient.connect(self.state.socket, "cli", 1.0) as client:
                    await self.orders(client, acting)
            except (DeviceFailure, TimedOut, OSError):
                await self.controls.clock.sleep_true(0.02)

    async def orders(self, client: LinkClient, acting: asyncio.Event) -> None:
        async for snapshot in client:
            if snapshot.setpoints:
                break
        self.alive += 1
        acting.set()
        held = {order.id for order in snapshot.orders}
        for id_, order in self.given.items():
            accepted = isinstance(self.answers.get(id_), Reply) and self.answers[id_].accepted
            # it may end while the cycle reads the field
            lasts = isinstance(order, DispatchOrder) and order.end > snapshot.at + timedelta(minutes=3)
            if lasts and accepted:
                assert id_ in held, "an accepted order outlives control"
        for id_ in [*self.given][-3:]:
            answer = await client.request(self.given[id_], 5.0)
            self.repeated += 1
            first = self.answers.setdefault(id_, answer)
            if turned_away(first, "journal") or turned_away(first, PASSIVE):
                self.answers[id_] = answer  # nothing was recorded of it
            else:
                assert answer == first, "a repeated order has its first answer"
        while True:
            order = self.order()
            self.given[order.id] = order
            self.answers[order.id] = await client.request(order, 5.0)

    def order(self) -> Any:
        id_, later = f"c{len(self.given)}", self.plant.now() + timedelta(minutes=20)
        match int(self.dice.integers(0, 5)):
            case 0 | 1:
                return ShedOrder(id=id_, mw=2.0, drill=bool(self.dice.integers(0, 2)), expires_at=later)
            case 2:
                return RestoreOrder(id=id_, loads=(), expires_at=later)
            case _:
                now = self.plant.now()
                return DispatchOrder(
                    id=id_, import_max_mw=140, export_max_mw=None, start=now, end=later, expires_at=later
                )

    def check(self) -> None:
        """Judge by journal and device log what all the kills have done."""
        assert verify(self.state.journal).ok
        taken, answered = Counter[str](), Counter[str]()
        for record in read(self.state.journal):
            match record.kind:
                case "order":
                    taken[record.value["order"]["id"]] += 1
                case "shed_order" | "reply":
                    (taken if record.kind == "shed_order" else answered)[record.value["id"]] += 1
                case "shed":
                    answered[record.value["order_id"]] += 1
        assert set(taken.values()) == {1}, "no order was carried out twice"
        assert set(answered.values()) == {1}
        for id_, answer in self.answers.items():
            if turned_away(answer, PASSIVE):
                assert not taken[id_], "a control that missed its own deadline takes no orders"
                continue
            assert answered[id_], "every answer is in the journal"
            assert taken[id_] or not (isinstance(answer, ShedReport) or answer.accepted)
        check_one_after_the_other(self.plant, self.begun_s)
        frames = self.plant.log("first_frame", since_s=self.begun_s)
        assert {row["kind"] for row in frames} == {"read"}

    async def check_reversion(self, wait_s: float) -> int:
        """Leave the plant alone; every device reverts as its last command says. Return how many."""
        await self.controls.clock.sleep_true(wait_s)
        last: dict[str, Any] = {}
        for row in self.plant.log("write", since_s=self.begun_s):
            if row.get("epoch") and row["values"].keys() & {"setpoint_mw", "reversion_enable"}:
                values = last.get(row["device"], {}).get("values", {}) | row["values"]
                last[row["device"]] = row | {"values": values}
        reverted = {row["device"]: row for row in self.plant.log("reverted", since_s=self.begun_s)}
        for device, row in last.items():
            values = row["values"]
            trusted_s = values.get("reversion_total_s") or values["ttl_s"] + values["reversion_s"]
            at = datetime.fromisoformat(row["at"]) + timedelta(seconds=trusted_s)
            assert abs((datetime.fromisoformat(reverted[device]["at"]) - at).total_seconds()) <= 1.0, device
            assert reverted[device]["reversion_mw"] == pytest.approx(values["reversion_mw"])
        return len(last)


@pytest.fixture
def quick_park(tmp_path: Path) -> Path:
    """small10 with five cycles a second: more happens between two kills."""
    folder = copy_park("small10", tmp_path / "quick")
    text = (folder / "park.toml").read_text().replace("cycle_s = 1\n", "cycle_s = 0.2\n")
    (folder / "park.toml").write_text(text)
    assert load_park(folder).horizon.cycle_s == 0.2
    return folder


async def test_kills_at_twenty_random_moments_lose_and_repeat_nothing(
    plant: Plant, controls: Controls, folder: Callable[..., StateDir], quick_park: Path
) -> None:
    crashes = Crashes(plant, controls, folder(plant, "crash", park=str(quick_park)))
    for _ in range(20):
        await crashes.kill(0.8)
    crashes.check()
    assert crashes.alive >= 5
    assert crashes.repeated >= 5
    assert len(crashes.answers) >= 10


@pytest.mark.soak
async def test_crash_at_a_thousand_random_moments(
    fast_plant: Plant, controls: Controls, folder: Callable[..., StateDir], quick_park: Path
) -> None:
    crashes = Crashes(fast_plant, controls, folder(fast_plant, "crash", park=str(quick_park)))
    reverted, told_s = 0, crashes.begun_s
    for k in range(1, KILLS + 1):
        await crashes.kill(0.8)
        if k % 50 == 0 or k == KILLS:
            reverted += await crashes.check_reversion(4.0)
        if monotonic_s() >= told_s + 60 or k == KILLS:
            told_s = monotonic_s()
            print(f"{k} of {KILLS} kills: {crashes.told()}, {reverted} reversions", flush=True)
    crashes.check()
    print("no order lost or repeated, no old epoch after a new one, every device reverted in time")
    assert reverted > KILLS // 50
    assert crashes.alive > KILLS // 4
