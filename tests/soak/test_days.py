"""Many days: what holds of one must hold of a year's spread. Minutes long; only in `./run soak`."""

from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pandapower as pp
import pytest

from controllers.planning import plan_day
from network.model import inject, to_pandapower
from network.security import voltage_limits
from vpp.park import load_park
from vpp.reports import run_report
from vpp.service.memory import planner_of, run_in_memory
from vpp.types import PlanLabel

pytestmark = pytest.mark.soak
STORAGE_SHARE = 0.02
"""Energy of a store against the plans in force, net of forecast error."""


@pytest.mark.parametrize("days", range(5, 365, 15))
def test_any_day_of_the_year_is_released_clean_and_plain_runpp_agrees(days: int) -> None:
    park = load_park("small10")
    plan = plan_day(park, date(2026, 1, 1) + timedelta(days=days)).plan
    assert plan.label in (PlanLabel.OPTIMAL, PlanLabel.FEASIBLE)
    assert plan.certificate is not None
    assert plan.certificate.ok
    net, bands = to_pandapower(park), voltage_limits(park)
    for step in range(plan.steps):
        p, q = (
            {name: float(plan.series[name][kind][step]) for name in (*park.resources, *park.loads)}
            for kind in ("p_mw", "q_mvar")
        )
        inject(net, p, q)
        pp.runpp(net, numba=False, calculate_voltage_angles=True)
        for bus, vm_pu in zip(net.bus["name"], net.res_bus["vm_pu"], strict=True):
            low, high = bands[bus]
            assert low - 1e-4 <= vm_pu <= high + 1e-4, (bus, step)
        assert max(net.res_trafo["loading_percent"].max(), net.res_line["loading_percent"].max()) <= 100.1


@pytest.mark.parametrize(("month", "seed"), [(1, 1), (4, 2), (7, 3), (11, 4)])
def test_a_week_in_memory_keeps_its_plans_and_its_limits(month: int, seed: int, tmp_path: Path) -> None:
    park = load_park("small10")
    start = datetime(2026, month, 9, 16, tzinfo=timezone.utc)
    outcome = run_in_memory(
        park,
        start,
        planner_of(park),
        duration_s=7 * 86400,
        tick_s=10,
        seed=seed,
        journal_dir=tmp_path / "journal",
    )
    assert outcome.failed == ()
    assert not [
        id_ for id_ in outcome.alarms if id_.startswith(("silent:", "status:", "write:", "not_following:"))
    ]
    report = run_report(park, tmp_path / "journal")
    for energy in report.energies:
        if energy.id in ("CAES1", "BESS1", "ALK1"):
            for metered, expected in (
                (energy.out_covered_mwh, energy.out_expected_mwh),
                (energy.in_covered_mwh, energy.in_expected_mwh),
            ):
                assert metered == pytest.approx(expected, rel=STORAGE_SHARE, abs=1.0), energy
    assert report.tie.over == 0
