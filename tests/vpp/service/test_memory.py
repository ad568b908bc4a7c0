"""Control, planner and plant in memory, on the simulated clock."""

from datetime import datetime, timezone
from pathlib import Path

from hil.scenario import Order, Scenario, Shed
from vpp import journal
from vpp.errors import NoPlan
from vpp.link import PlanOffer
from vpp.park import Park
from vpp.service.memory import RunOutcome, planner_of, run_in_memory
from vpp.types import Following, Plan, Reply, ShedReport, Snapshot

START = datetime(2026, 3, 17, 7, tzinfo=timezone.utc)
SCRIPT = Scenario(
    name="script",
    start_local=None,
    duration_min=30.0,
    rates=(),
    events=(Order(at_min=2, for_min=10, import_max_mw=90.0), Shed(at_min=5, mw=10.0)),
)


def no_planner(_snapshot: Snapshot, _previous: Plan | None) -> PlanOffer:
    raise NoPlan("planted")


def net_mwh(outcome: RunOutcome, ids: tuple[str, ...]) -> float:
    return sum(outcome.energies[id_].out_mwh - outcome.energies[id_].in_mwh for id_ in ids)


def test_without_a_plan_control_holds_and_the_run_goes_on(small10: Park) -> None:
    outcome = run_in_memory(small10, START, no_planner, duration_s=1800, tick_s=10, seed=1)
    assert outcome.failed == ("planted", "planted")
    assert outcome.last.following is Following.HOLD
    assert outcome.last.cycle == 181


def test_what_the_tie_imports_is_what_the_park_takes_and_loses(small10: Park) -> None:
    outcome = run_in_memory(small10, START, no_planner, duration_s=1800, tick_s=10, seed=1)
    taken = -net_mwh(outcome, (*small10.resources, *small10.loads))
    imported = outcome.energies["TIE"].in_mwh - outcome.energies["TIE"].out_mwh
    losses = imported - taken
    assert 0 < losses < 0.05 * sum(outcome.energies[id_].in_mwh for id_ in small10.loads)


def test_runs_with_one_seed_are_equal_and_with_another_are_not(small10: Park) -> None:
    first, same, other = (
        run_in_memory(small10, START, no_planner, duration_s=300, tick_s=10, seed=seed) for seed in (1, 1, 2)
    )
    assert first.energies == same.energies
    assert first.energies != other.energies


def test_scripted_orders_are_taken_and_the_journal_holds_the_run(small10: Park, tmp_path: Path) -> None:
    outcome = run_in_memory(
        small10,
        START,
        no_planner,
        duration_s=600,
        tick_s=10,
        seed=1,
        scenario=SCRIPT,
        journal_dir=tmp_path,
    )
    order, shed = outcome.answers
    assert isinstance(order, Reply)
    assert order.accepted
    assert outcome.last.tie_limit_mw == 90.0
    assert isinstance(shed, ShedReport)
    assert shed.ok
    assert shed.metered_cut_mw >= 10.0
    assert journal.verify(tmp_path).ok
    assert {record.kind for record in journal.read(tmp_path)} >= {"start", "snapshot", "shed"}


def test_the_planner_in_the_loop_is_followed_within_the_limits(small10: Park) -> None:
    outcome = run_in_memory(small10, START, planner_of(small10), duration_s=2400, tick_s=20, seed=1)
    assert outcome.failed == ()
    assert len(outcome.plans) == 3
    assert outcome.last.following is Following.PLAN
    assert outcome.last.plan_id == outcome.plans[-1].id
    assert outcome.last.tie_mean_mw <= outcome.last.tie_limit_mw
