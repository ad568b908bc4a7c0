"""Network faults N1 to N11 of docs/faults.md: real sockets, a bad line, what control makes of it."""

import asyncio
import socket
from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from itertools import count, pairwise
from math import ceil

import pytest
import pytest_asyncio

from hil.line import CUT, DEAF, GOOD, Line, Way
from vpp.types import LinkState, Outcome, Quality, ShedOrder, ShedReport, Snapshot

pytestmark = pytest.mark.asyncio(loop_scope="module")
LINES = ("WF", "PV", "DPV", "CAES1", "BESS1", "ALK1", "H2S", "LD_ZN", "LD_PUB", "LD_ESS", "LD_SME")
"""Each test harms others, since the pauses between two tries grow with each failure."""
DEVICE = "BESS1"
OTHERS = ("WF", "DPV", "ALK1", "TIE", "LD_ZN")


NUMBER = count(1)


async def drilled(here, times: int) -> list[ShedReport]:
    """Return the reports of so many test sheds of 15 MW, a cycle apart."""
    reports = []
    for _ in range(times):
        await here.cycles(1)
        expiry = here.clock.plant_now() + timedelta(seconds=60)
        order = ShedOrder(id=f"s{next(NUMBER)}", mw=15.0, drill=True, expires_at=expiry)
        reports.append(await here.control.take(order))
    return reports


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def near(site):
    """One site for all that a line can do; a command is trusted for 2 s and held for 2 more."""
    async with site(LINES, setpoint_ttl_s=2, reversion_s=2) as here:
        yield here


@pytest_asyncio.fixture(loop_scope="module")
async def here(near):
    """Hand over the site, healthy; heal it afterwards."""
    near.next_s = near.clock.true_s()
    await near.cycles(1)
    near.log.clear()
    yield near
    for proxy in near.proxies.values():
        await proxy.set(GOOD)


def healthy(snapshot: Snapshot, names: Collection[str]) -> bool:
    return all(
        snapshot.links[name].state is LinkState.CLOSED and snapshot.readings[name].quality is Quality.GOOD
        for name in names
    )


async def test_n2_a_line_slower_than_the_time_out_is_no_fresh_value_and_slows_nobody_else(here):
    await here.proxies["PV"].set(Line.both(Way(delay_s=0.25, jitter_s=0.1)))
    await here.until(lambda s: here.alarm("silent:PV"))
    assert "no answer in time" in here.seen[-1].links["PV"].reason
    assert all(here.quality(name) is Quality.GOOD for name in OTHERS)
    (report,) = await drilled(here, 1)
    assert report.ok
    assert report.last_ack_ms < 500


async def test_n2_a_late_value_carries_the_time_at_which_it_came(here):
    await here.proxies["DPV"].set(Line(answers=Way(delay_s=0.03)))
    await here.until(lambda s: healthy(s, ["DPV"]) and s.readings["DPV"].age_s > 0.0)
    reading, at = here.seen[-1].readings["DPV"], here.seen[-1].at
    assert reading.quality is Quality.GOOD
    assert reading.age_s == pytest.approx((at - reading.read_at).total_seconds())
    assert reading.age_s > 0.0


def told_anew(here, name: str, by_mw: float):
    """Return another setpoint than the last one, as control would send it."""
    last = here.control.snapshot.setpoints[name]
    return replace(last, p_mw=last.p_mw + by_mw, sequence=last.sequence + 1)


async def test_n4_lost_answers_leave_a_command_unknown_until_it_is_read_back(here):
    told = told_anew(here, "WF", -1.0)
    await here.proxies["WF"].set(DEAF)
    ack = (await here.field.write([told]))["WF"]
    assert ack.outcome is Outcome.UNKNOWN
    writes = [row for row in here.events("WF", "write") if row["sequence"] == told.sequence]
    assert len(writes) == 1, "it was carried out, once"
    assert writes[0]["values"]["setpoint_mw"] == pytest.approx(told.p_mw, abs=0.01)
    healed = here.clock.plant_now()
    await here.proxies["WF"].set(GOOD)
    async with asyncio.timeout(10):
        while (reading := (await here.field.look(["WF"]))["WF"]).read_at < healed:
            await here.clock.sleep_true(0.01)
    shown = reading.values
    assert shown["setpoint_mw"] == pytest.approx(told.p_mw, abs=0.01)
    counted = here.rig.image("WF")["energy_out_mwh"]
    assert shown["energy_out_mwh"] == pytest.approx(counted, abs=0.02), "energy is the device's own count"
    await here.until(lambda s: healthy(s, ["WF"]) and not here.alarm("write:WF"))


async def test_n4_an_answer_lost_once_is_made_good_by_reading_back(here):
    told = told_anew(here, "H2S", 0.0)
    writing = asyncio.create_task(here.field.write([told]))
    await here.proxies["H2S"].set(DEAF)
    while not any(row["sequence"] == told.sequence for row in here.events("H2S", "write")):
        await here.clock.sleep_true(0.002)
    await here.proxies["H2S"].set(GOOD)
    ack = (await writing)["H2S"]
    assert ack.outcome in (Outcome.ACKNOWLEDGED, Outcome.UNKNOWN)
    writes = [row for row in here.events("H2S", "write") if row["sequence"] == told.sequence]
    assert len(writes) == 1, "no blind repeat"
    await here.until(lambda s: healthy(s, ["H2S"]))


async def test_n5_a_peer_without_power_is_noticed_within_two_time_outs(here):
    await here.proxies["LD_PUB"].set(CUT)
    before = here.proxies["LD_PUB"].carried.connections
    cycles = await here.until(lambda s: s.links["LD_PUB"].state is not LinkState.CLOSED, 8)
    assert cycles <= 3, "the poll and its time-out, which is shorter than a cycle"
    link = here.field.links()["LD_PUB"]
    assert (link.reason, link.wrong, link.refused) == ("no answer in time", 0, 0)
    await here.cycles(8)
    tries = here.proxies["LD_PUB"].carried.connections - before
    assert 1 <= tries <= 10, "it is tried again, with pauses that grow"


async def test_n6_a_reset_fails_what_is_pending_at_once(here):
    await here.proxies["LD_ESS"].set(Line(answers=Way(delay_s=0.18)))
    reading = asyncio.create_task(here.field.look(["LD_ESS"]))
    await here.clock.sleep_true(0.02)
    before = here.field.links()["LD_ESS"]
    here.proxies["LD_ESS"].reset()
    await reading
    reason = here.field.links()["LD_ESS"].reason
    assert reason.startswith("the connection was closed"), "nobody waits for the time-out"
    await here.proxies["LD_ESS"].set(GOOD)
    await here.until(lambda s: healthy(s, ["LD_ESS"]), 16)
    assert here.field.links()["LD_ESS"].connects == before.connects + 1
    assert {row["kind"] for row in here.events("LD_ESS", "first_frame")} == {"read"}


async def test_n7_frames_in_small_slices_and_several_in_one_piece_are_read_right(here):
    names = ("BESS1", "CAES1", "LD_ZN")
    for name in names:
        await here.proxies[name].set(Line.both(Way(slice_bytes=4)))
    before = here.field.links()
    await here.cycles(5)
    (report,) = await drilled(here, 1)
    assert report.ok
    for name in names:
        link = here.field.links()[name]
        assert (link.connects, link.wrong) == (before[name].connects, before[name].wrong)
        assert here.quality(name) is Quality.GOOD


async def test_n8_doubled_answers_are_matched_by_their_transaction_alone(here):
    names = ("BESS1", "CAES1")
    for name in names:
        await here.proxies[name].set(Line(answers=Way(doubled=0.5)))
    before = here.field.links()
    await here.cycles(8)
    assert sum(here.proxies[name].carried.doubled for name in names) > 10
    for name in names:
        assert here.field.links()[name].wrong == before[name].wrong
        assert here.quality(name) is Quality.GOOD
        assert here.seen[-1].readings[name].values["p_mw"] == pytest.approx(
            here.rig.image(name)["p_mw"], abs=2.0
        )


async def test_n8_requests_that_arrive_twice_have_no_second_effect(here):
    await here.proxies["LD_ZN"].set(Line(asks=Way(doubled=1.0)))
    await here.cycles(3)
    (report,) = await drilled(here, 1)
    assert report.ok
    assert here.quality("LD_ZN") is Quality.GOOD
    assert here.rig.image("LD_ZN")["breakers"] == 0.0


async def test_n9_on_a_narrow_line_polls_degrade_and_the_shed_keeps_its_second(here):
    loads = ("LD_ZN", "LD_SME")
    for name in loads:
        await here.proxies[name].set(Line.both(Way(bit_per_s=64e3)))
    await here.cycles(4)
    reports = await drilled(here, 3)
    assert all(report.ok and report.last_ack_ms < 1000 for report in reports)
    assert all(here.quality(name) is Quality.GOOD for name in ("WF", "TIE"))


async def test_n3_a_second_of_partition_lets_nothing_revert(here):
    await here.proxies["WF"].set(CUT)
    await here.cycles(4)
    await here.proxies["WF"].set(GOOD)
    await here.until(lambda s: healthy(s, ["WF"]), 30)
    await here.cycles(3)
    assert here.events("WF", "reverted") == []


async def test_n3_a_site_cut_off_falls_to_its_own_values_and_is_taken_back_by_a_read_first(here):
    away = ("BESS1", "CAES1", "ALK1")
    for name in away:
        await here.proxies[name].set(CUT)
    await here.until(lambda s: all(here.alarm(f"silent:{name}") for name in away), 8)
    trusted_s = max(here.seen[-1].setpoints[n].ttl_s + here.seen[-1].setpoints[n].reversion_s for n in away)
    cycles = ceil(trusted_s / here.park.horizon.cycle_s)
    await here.until(lambda s: all(here.events(name, "reverted") for name in away), cycles + 8)
    assert all(here.quality(name) is Quality.GOOD for name in ("DPV", "TIE", "LD_ZN"))
    here.log.clear()
    for name in away:
        await here.proxies[name].set(GOOD)
    await here.until(lambda s: healthy(s, away), 60)
    await here.until(lambda s: not any(a.source in away for a in s.alarms), 20)
    for name in away:
        back = here.events(name, "write", "first_frame")
        assert back[0]["event"] == "first_frame"
        assert {row["kind"] for row in back if row["event"] == "first_frame"} == {"read"}
        assert [row for row in back if row["event"] == "write"], "it is commanded again"


async def test_n1_a_tenth_of_all_segments_lost_costs_no_command_its_trust_and_no_shed_its_second(here):
    lossy = ("DPV", "H2S", "LD_ZN", "LD_SME")
    for name in lossy:
        await here.proxies[name].set(Line.both(Way(loss=0.1, retry_s=0.05)))
    await here.cycles(10)
    reports = await drilled(here, 6)
    assert sum(here.proxies[name].carried.lost for name in lossy) > 20
    assert [row for row in here.log if row["event"] in ("reverted", "fenced")] == []
    assert all(report.ok and report.last_ack_ms < 1000 for report in reports)


async def test_n10_a_name_that_nobody_resolves_is_told_and_holds_nobody_up(site, monkeypatch):
    asked = []

    def unresolved(host, *args, **kwargs):
        asked.append(host)
        raise socket.gaierror(socket.EAI_AGAIN, "temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", unresolved)
    async with site(hosts={DEVICE: "battery.example"}, settle=False) as here:
        await here.until(lambda s: here.alarm(f"silent:{DEVICE}"), 20)
        assert "name resolution" in here.field.links()[DEVICE].reason
        assert set(asked) == {"battery.example"}, "addresses are not looked up"
        assert all(here.quality(name) is Quality.GOOD for name in OTHERS)


async def test_n11_a_peer_that_floods_is_cut_off_and_tried_once_a_second(site):
    """Frames that nobody asked for, as fast as they go."""
    connects = []

    async def flood(reader, writer):
        connects.append(here_clock.true_s())
        try:
            while True:
                writer.write(bytes.fromhex("0001000000050103020000") * 50)
                await writer.drain()
                await here_clock.sleep_true(0)
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(flood, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with site(absent={DEVICE: port}, settle=False) as here:
        here_clock = here.clock
        await here.until(lambda s: here.quality("TIE") is Quality.GOOD, 30)
        await here.cycles(14)
        gaps = [b - a for a, b in pairwise(connects)]
        assert len(connects) >= 2
        assert min(gaps) >= 0.99
        link = here.field.links()[DEVICE]
        assert link.state is not LinkState.CLOSED
        assert "was not asked" in link.reason
        assert all(here.quality(name) is Quality.GOOD for name in OTHERS)
        assert here.quality(DEVICE) is Quality.BAD
    server.close()
