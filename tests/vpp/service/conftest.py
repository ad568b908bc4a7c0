"""A snapshot as control would send it, for tests of what people see."""

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from vpp.park import Park, endpoints, load_park
from vpp.types import Alarm, Following, Mode, ParkMode, Quality, Reading, Setpoint, Severity, Snapshot, Source

AT = datetime(2026, 3, 17, 7, 23, tzinfo=timezone.utc)


def setpoint(device: str, p_mw: float) -> Setpoint:
    return Setpoint(
        device=device,
        p_mw=p_mw,
        q_mvar=0.0,
        h2_kg_per_h=0.0,
        p_min_mw=-100.0,
        p_max_mw=100.0,
        epoch=1,
        sequence=7,
        issued_at=AT,
        ttl_s=60.0,
        reversion_mw=0.0,
        reversion_s=60.0,
        source=Source.PLAN,
    )


def snapshot_of(park: Park, *, silent: tuple[str, ...] = (), alarms: int = 0) -> Snapshot:
    values = {"p_mw": 12.5, "soc": 0.5, "e_mwh": 10.0, "frequency_hz": 50.01}
    good = Reading(values=values, quality=Quality.GOOD, read_at=AT, age_s=0.0)
    plain = replace(good, values={"p_mw": 12.5})
    dead = Reading(values={}, quality=Quality.BAD, read_at=None, age_s=math.inf)
    return Snapshot(
        cycle=42,
        at=AT,
        true_s=100.0,
        rate=60.0,
        epoch=1,
        readings={
            id_: dead if id_ in silent else plain if id_ in park.loads else good for id_ in endpoints(park)
        },
        setpoints={id_: setpoint(id_, 10.0) for id_ in park.resources},
        modes=dict.fromkeys(park.resources, Mode.AUTO),
        park_mode=ParkMode.CONNECTED,
        following=Following.PLAN,
        plan_id="small10-2026-03-17T15:00+0800-r3",
        plan_made_at=AT,
        next_replan_at=AT + timedelta(minutes=7, seconds=30),
        tie_mean_mw=60.0,
        tie_limit_mw=150.0,
        orders=(),
        open_blocks={next(iter(park.loads)): 0b101},
        calls={},
        starts={},
        month_peak_mw=100.0,
        alarms=tuple(
            Alarm(id=f"a{k}", severity=Severity.ALARM, source="test", text=f"alarm {k}", since=AT)
            for k in range(alarms)
        ),
        missed_ticks=0,
        dropped_plans=0,
    )


@pytest.fixture(scope="session")
def small10() -> Park:
    return load_park("small10")


@pytest.fixture(scope="session")
def make_snapshot() -> Callable[..., Snapshot]:
    return snapshot_of
