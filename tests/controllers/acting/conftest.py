"""A plant in memory that behaves as its name plates say, and a plan made by hand."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from controllers.acting.build import build_control
from controllers.acting.cycle import Control
from vpp.clock import SimulatedClock
from vpp.devices import DEVICE_TYPES, Command, Initial
from vpp.journal import Journal
from vpp.link import PlanOffer
from vpp.park import Park, load_park
from vpp.park.positions import position_at_rest
from vpp.state_dir import StateDir
from vpp.types import (
    Ack,
    Certificate,
    Link,
    Move,
    Outcome,
    Plan,
    PlanLabel,
    PlantState,
    Quality,
    Reading,
    Setpoint,
    Source,
    Trim,
)

START = datetime(2026, 3, 17, 4, 0, tzinfo=timezone.utc)


class Plant:
    """Implements `Field`; what is in `silent` neither answers nor obeys."""

    def __init__(self, park: Park, clock: SimulatedClock) -> None:
        self.park, self.clock, self.at = park, clock, clock.plant_now()
        self.available = {"WF": 50.0, "PV": 20.0, "DPV": 2.0}
        self.demand = {"LD_ZN": 55.0, "LD_PUB": 20.0, "LD_ESS": 3.0, "LD_SME": 6.0}
        self.masks: dict[str, int] = {}
        self.trips: list[Mapping[str, int]] = []
        self.stuck: dict[str, int] = {}
        self.positions = {name: position_at_rest(park, name) for name in park.actuators}
        self.moves: list[Move] = []
        self.trims: list[Trim] = []
        self.trimmed: dict[str, float] = {}
        self.tests: list[Mapping[str, int]] = []
        self.silent: set[str] = set()
        self.frozen: set[str] = set()
        self.deaf: set[str] = set()
        self.written: list[Setpoint] = []
        self.commands: dict[str, Command] = {}
        self.last: dict[str, Reading] = {}
        self.beats: dict[str, float] = {}
        self.states = {
            name: DEVICE_TYPES[device.resource.kind].initial(
                device,
                Initial(soc=0.5, h2_kg=2500.0, p_mw=self.available.get(name, -30.0 if name == "ALK1" else 0)),
            )
            for name, device in park.devices.items()
        }

    def advance(self) -> None:
        dt_s = (self.clock.plant_now() - self.at).total_seconds()
        self.at = self.clock.plant_now()
        for name, device in self.park.devices.items() if dt_s > 0 else ():
            command = self.commands.get(name, Command(p_mw=self.states[name].p_mw))
            kind = DEVICE_TYPES[device.resource.kind]
            drive = self.available.get(name, 0.0)
            if name == "H2S":
                drive = self.states["ALK1"].h2_kg_per_h
            self.states[name] = kind.step(device, self.states[name], command, dt_s, drive)

    def connected_mw(self, name: str) -> float:
        load = self.park.loads[name]
        still = self.masks.get(name, 0) & ~self.stuck.get(name, 0)
        cut = load.interruptible_share * still.bit_count() / load.blocks if load.blocks else 0.0
        return self.demand[name] * (1 - cut) - self.trimmed.get(name, 0.0)

    async def read(self) -> Mapping[str, Reading]:
        self.advance()
        now, values, total = self.clock.plant_now(), {}, 0.0
        for name, device in self.park.devices.items():
            values[name] = DEVICE_TYPES[device.resource.kind].measure(device, self.states[name])
        for name in self.park.loads:
            values[name] = {
                "p_mw": -self.connected_mw(name),
                "breakers": float(self.masks.get(name, 0)),
                "trimmed_mw": self.trimmed.get(name, 0.0),
            }
        total = sum(row["p_mw"] for row in values.values())
        for name in self.park.meters:
            values[name] = {"p_mw": 1.0 - total, "frequency_hz": 50.0}
        for name, position in self.positions.items():
            values[name] = {"position": position, "status": 1.0}
        for name, row in values.items():
            if name not in self.silent:
                if name not in self.frozen:
                    self.beats[name] = now.timestamp()
                row["heartbeat"] = self.beats.get(name, 0.0)
                self.last[name] = Reading(values=row, quality=Quality.GOOD, read_at=now, age_s=0.0)
        nothing = Reading(values={}, quality=Quality.BAD, read_at=None, age_s=float("inf"))
        return {name: self.last.get(name, nothing) for name in values}

    async def look(self, names: Collection[str]) -> Mapping[str, Reading]:
        readings = await self.read()
        return {name: readings[name] for name in names}

    def ack(self, name: str, outcome: Outcome = Outcome.ACKNOWLEDGED) -> Ack:
        outcome = Outcome.UNKNOWN if name in self.silent else outcome
        true_s = self.clock.true_s()
        return Ack(device=name, outcome=outcome, detail="", sent_true_s=true_s, done_true_s=true_s)

    def links(self) -> Mapping[str, Link]:
        return {}

    async def write(self, setpoints: Sequence[Setpoint | Move | Trim]) -> Mapping[str, Ack]:
        for setpoint in setpoints:
            if isinstance(setpoint, Move):
                self.moves.append(setpoint)
                if setpoint.device not in self.silent | self.deaf:
                    self.positions[setpoint.device] = setpoint.position
                continue
            if isinstance(setpoint, Trim):
                self.trims.append(setpoint)
                if setpoint.device not in self.silent | self.deaf:
                    self.trimmed[setpoint.device] = setpoint.trim_mw
                continue
            self.written.append(setpoint)
            if setpoint.device not in self.silent | self.deaf:
                self.commands[setpoint.device] = Command(p_mw=setpoint.p_mw, h2_kg_per_h=setpoint.h2_kg_per_h)
        return {setpoint.device: self.ack(setpoint.device) for setpoint in setpoints}

    async def trip(
        self, masks: Mapping[str, int], drill: bool, heard: Callable[[Ack], None] = lambda _ack: None
    ) -> Mapping[str, Ack]:
        if drill:
            self.tests.append(dict(masks))
        else:
            self.trips.append(dict(masks))
            self.masks |= {name: mask for name, mask in masks.items() if name not in self.silent}
        acks = {name: self.ack(name) for name in masks}
        for ack in acks.values():
            heard(ack)
        return acks


@pytest.fixture(scope="session")
def park() -> Park:
    return load_park("small10")


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(START)


@pytest.fixture
def plant(park: Park, clock: SimulatedClock) -> Plant:
    return Plant(park, clock)


@pytest.fixture
def journal(tmp_path: Path, clock: SimulatedClock) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal", clock)
    yield journal
    journal.close()


@pytest.fixture
def control(park: Park, plant: Plant, clock: SimulatedClock, journal: Journal) -> Control:
    return build_control(park, plant, clock, journal, epoch=7)


@pytest.fixture(scope="session")
def setpoint() -> Callable[..., Setpoint]:
    """Return a command to a device, by default of epoch 7, the first, and trusted for a minute."""

    def told(device: str = "BESS1", p_mw: float = 1.0, **other: float) -> Setpoint:
        first = Setpoint(
            device=device,
            p_mw=p_mw,
            q_mvar=0.0,
            h2_kg_per_h=0.0,
            p_min_mw=-40.0,
            p_max_mw=40.0,
            epoch=7,
            sequence=1,
            issued_at=START,
            ttl_s=60.0,
            reversion_mw=0.0,
            reversion_s=60.0,
            source=Source.PLAN,
        )
        return replace(first, **other)

    return told


@pytest.fixture
def started(park: Park, plant: Plant, tmp_path: Path) -> Callable[[SimulatedClock], Control]:
    """Start control on one state folder, again and again, as after a kill."""
    state = StateDir(tmp_path / "state")
    state.prepare()

    def start(clock: SimulatedClock) -> Control:
        journal = Journal(state.journal, clock)
        return build_control(park, plant, clock, journal, epoch=1, state=state)

    start.state = state
    return start


@pytest.fixture
def offer() -> Callable[..., PlanOffer]:
    """Make an offer of a constant plan whose tie fits the plant's own demand."""

    def make(steps: int = 8, made_at: datetime = START, **p_mw: float) -> PlanOffer:
        power = {"WF": 50.0, "PV": 20.0, "DPV": 2.0, "CAES1": -0.6, "BESS1": 0.0, "ALK1": -30.0, "H2S": -0.5}
        power |= p_mw
        one, zero = np.ones(steps), np.zeros(steps)
        series = {name: {"p_mw": p * one, "q_mvar": zero} for name, p in power.items()}
        for name in ("WF", "PV", "DPV"):
            series[name] |= {"available_mw": series[name]["p_mw"], "curtailed_mw": zero}
        series["H2S"]["delivery_kg_per_h"] = 400.0 * one
        tie = 84.0 + 1.0 - sum(power.values())
        series["tie"] = {"import_mw": max(tie, 0.0) * one, "export_mw": max(-tie, 0.0) * one}
        certificate = Certificate(
            ok=True,
            violations=(),
            checked_rules=("finite",),
            max_vm_pu=1.0,
            min_vm_pu=1.0,
            max_loading_percent=50.0,
            max_balance_error_mw=0.0,
            cut_rounds=1,
        )
        plan = Plan(
            id=f"plan-{made_at:%H%M}",
            park="small10",
            made_at=made_at,
            start=made_at - timedelta(seconds=made_at.timestamp() % 900),
            step_min=15,
            steps=steps,
            valid_until=made_at + timedelta(days=1),
            label=PlanLabel.OPTIMAL,
            status="optimal",
            gap=0.0,
            cost_cny=0.0,
            cost_breakdown_cny={},
            series=series,
            initial=PlantState(at=made_at, resources={}, calls={}, month_peak_mw=0.0),
            curtailment_cause={},
            vm_pu={},
            loading_percent={},
            relaxations=(),
            certificate=certificate,
            solve_s=0.0,
        )
        true_s = (made_at - START).total_seconds()
        return PlanOffer(plan=plan, sensitivities=(), started_true_s=true_s, deadline_s=4.0)

    return make


@pytest.fixture
def run(control: Control, clock: SimulatedClock) -> Callable:
    """Run so many cycles, one plant second each, and return the last snapshot."""

    async def cycles(count: int, dt_s: float = 1.0):
        for _ in range(count):
            clock.advance(dt_s)
            snapshot = await control.cycle()
        return snapshot

    return cycles
