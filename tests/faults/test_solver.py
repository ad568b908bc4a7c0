"""Solver faults O3, O5, O6 of docs/faults.md: what a solver says is believed only where others agree."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import highspy
import numpy as np
import pytest

from controllers.acting.build import build_control
from controllers.planning import Planner, check, initial_state
from forecasts import outlook
from hil.loopback import LoopbackField
from hil.rig import Rig
from network.powerflow import Oracle
from vpp.clock import SimulatedClock
from vpp.errors import NoPlan
from vpp.journal import Journal
from vpp.link import PlanOffer
from vpp.types import Certificate, PlanLabel

START = datetime(2026, 3, 17, 4, 0, tzinfo=timezone.utc)
STEPS = 8


class Lying(highspy.Highs):
    """A solver that says 'optimal' and gives values that are not numbers, or break its rows."""

    spoil = staticmethod(lambda x: x)

    def getSolution(self):
        true = super().getSolution()
        told = highspy.HighsSolution()
        told.col_value = list(type(self).spoil(np.array(true.col_value)))
        told.row_dual, told.value_valid = list(true.row_dual), True
        return told


@pytest.fixture(scope="module")
def forecast(park):
    return outlook(park, START - timedelta(hours=1), START, STEPS)


@pytest.fixture(scope="module")
def honest(park, forecast):
    """Return a planner that nobody lies to, and its plan."""
    planner = Planner(park)
    return planner, planner.plan(initial_state(park, START), forecast, steps=STEPS, deadline_s=10.0).plan


def test_o3_values_that_are_no_numbers_are_never_a_plan(park, forecast, monkeypatch):
    monkeypatch.setattr("controllers.planning.solve.highspy.Highs", Lying)
    monkeypatch.setattr(
        Lying, "spoil", staticmethod(lambda x: np.where(np.arange(len(x)) % 7 == 0, np.nan, x))
    )
    planner = Planner(park)
    plan = planner.plan(initial_state(park, START), forecast, steps=STEPS, deadline_s=10.0).plan
    assert plan.label is PlanLabel.RULE
    assert check(park, plan, forecast, planner.oracle).ok


def test_o3_values_that_break_a_row_are_found_outside_the_solver(park, forecast, monkeypatch):
    monkeypatch.setattr("controllers.planning.solve.highspy.Highs", Lying)
    monkeypatch.setattr(Lying, "spoil", staticmethod(lambda x: x + 1.0))
    plan = Planner(park).plan(initial_state(park, START), forecast, steps=STEPS, deadline_s=10.0).plan
    assert plan.label is PlanLabel.RULE
    assert plan.certificate.ok


def test_o5_where_no_power_flow_converges_nothing_is_released(park, forecast, honest, monkeypatch):
    planner, whole = honest[0], Oracle.solve

    def diverged(self, *args, **kwargs):
        states = whole(self, *args, **kwargs)
        lost = {
            name: np.full_like(value, np.nan)
            for name in ("vm_pu", "p_tie_mw", "q_tie_mvar", "losses_mw", "loading_percent")
            if isinstance(value := getattr(states, name, None), np.ndarray)
        }
        return replace(states, converged=np.zeros_like(states.converged), **lost)

    monkeypatch.setattr(Oracle, "solve", diverged)
    with pytest.raises(NoPlan):
        planner.plan(initial_state(park, START), forecast, steps=STEPS, deadline_s=5.0)


async def test_o6_a_plan_beyond_the_envelope_is_cut_to_the_name_plates(park, honest, tmp_path):
    """A planted bug: certified, and asks a battery, a wind farm and a load for what they cannot do."""
    plan = honest[1]
    series = {name: dict(rows) for name, rows in plan.series.items()}
    for name in ("BESS1", "CAES1", "WF"):
        series[name]["p_mw"] = np.full(STEPS, 9999.0)
    certificate = plan.certificate
    assert isinstance(certificate, Certificate)
    wild = replace(plan, series=series)
    clock = SimulatedClock(START)
    rig = Rig(park, START, 1)
    journal = Journal(tmp_path, clock)
    control = build_control(park, LoopbackField(rig, clock), clock, journal, epoch=1)
    offer = PlanOffer(plan=wild, sensitivities=(), started_true_s=clock.true_s(), deadline_s=4.0)
    await control.take(offer)
    for _ in range(10):
        clock.advance(1.0)
        rig.advance(clock.plant_now())
        snapshot = await control.cycle()
    for name in ("BESS1", "CAES1", "WF"):
        sent, row = snapshot.setpoints[name], park.resources[name]
        assert row.p_min_mw <= sent.p_mw <= row.p_max_mw
        assert np.isfinite(sent.p_mw)
    journal.close()


def test_o6_the_checker_refuses_such_a_plan(park, forecast, honest):
    planner, plan = honest
    series = {name: dict(rows) for name, rows in plan.series.items()}
    series["BESS1"]["p_mw"] = np.full(STEPS, 9999.0)
    assert not check(park, replace(plan, series=series), forecast, planner.oracle).ok
