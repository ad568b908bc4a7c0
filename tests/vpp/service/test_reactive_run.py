"""Planned against measured reactive power: what the plan says of the tie is what its meter reads."""

from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from network.security import tie_q_max_mvar
from vpp.clock import UTC
from vpp.journal import snapshots
from vpp.park import load_park
from vpp.service.memory import planner_of, run_in_memory

START = datetime(2026, 3, 17, tzinfo=ZoneInfo("Asia/Shanghai")).astimezone(UTC)
QUARTER = timedelta(minutes=15)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory):
    folder: Path = tmp_path_factory.mktemp("run") / "journal"
    park = load_park("small10")
    outcome = run_in_memory(
        park, START, planner_of(park), duration_s=3600, tick_s=60, seed=1, journal_dir=folder
    )
    return park, outcome, list(snapshots(folder))


def quarters(ran):
    """(plan in force, its step, metered MW, metered Mvar) of each quarter hour but the first."""
    _, outcome, logged = ran
    for k in range(1, 4):
        begin = START + k * QUARTER
        plan = next(p for p in reversed(outcome.plans) if p.start <= begin)
        rows = [s.values["TIE"] for s in logged if begin + timedelta(minutes=2) < s.at <= begin + QUARTER]
        assert len(rows) > 10
        yield (
            plan,
            round((begin - plan.start) / QUARTER),
            np.mean([row["p_mw"] for row in rows]),
            np.mean([row["q_mvar"] for row in rows]),
        )


def test_the_tie_carries_the_mvar_that_were_planned(ran):
    found = list(quarters(ran))
    assert len(found) == 3
    for plan, step, _, mvar in found:
        assert mvar == pytest.approx(plan.series["tie"]["q_mvar"][step], abs=1.0)


def test_the_metered_quarter_hours_keep_the_contracts_power_factor(ran):
    for _, _, mw, mvar in quarters(ran):
        assert abs(mvar) <= tie_q_max_mvar(ran[0], np.array([mw]))[0]


def test_nothing_of_it_is_an_alarm(ran):
    assert not [id_ for id_ in ran[1].alarms if id_.startswith(("not_moving", "not_following", "write"))]
