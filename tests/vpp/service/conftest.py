"""A snapshot as control would send it, for tests of what people see."""

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, cast

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from vpp.clock import SimulatedClock
from vpp.park import Park, endpoints, load_park
from vpp.service.api import Parts, build_app
from vpp.service.api_feed import Feed
from vpp.state_dir import StateDir
from vpp.types import (
    Alarm,
    Following,
    Mode,
    ParkMode,
    Quality,
    Reading,
    Reply,
    Setpoint,
    Severity,
    Snapshot,
    Source,
)

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


class FakeControl:
    """Stands where the link is; remembers what it was sent."""

    def __init__(self) -> None:
        self.taken: list[Any] = []
        self.answer: Callable[[Any], Any] = lambda m: Reply(id=m.id, accepted=True, reason="")

    async def request(self, message: Any, timeout_s: float) -> Any:
        self.taken.append(message)
        answer = self.answer(message)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def feed(small10: Park, make_snapshot: Callable[..., Snapshot]) -> Feed:
    feed = Feed(lambda: None, "TIE")
    feed.take(make_snapshot(small10))
    return feed


@pytest.fixture
def control(feed: Feed) -> FakeControl:
    control = FakeControl()
    feed.attach(cast("Any", control))
    return control


@pytest.fixture
def page_clock() -> SimulatedClock:
    return SimulatedClock(AT)


@pytest.fixture
def app(feed: Feed, small10: Park, tmp_path: Path, page_clock: SimulatedClock) -> FastAPI:
    parts = Parts(
        state=StateDir(tmp_path),
        park=small10,
        feed=feed,
        clock=page_clock,
        token="a-token-of-this-test",
        simulated=True,
    )
    return build_app(parts)


@pytest.fixture
def web(app: FastAPI) -> TestClient:
    return TestClient(app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False)


@pytest.fixture(scope="session")
def make_snapshot() -> Callable[..., Snapshot]:
    return snapshot_of
