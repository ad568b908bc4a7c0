import numpy as np
import pytest

from network.model import commands_q, q_mvar
from network.powerflow import Oracle
from network.security import cuts, sensitivities, sensitivities_all, violations, voltage_limits


def by_rule(park, oracle, p):
    return np.column_stack([q_mvar(park, e, p[:, i]) for i, e in enumerate(oracle.elements)])


def moved_q(park, oracle, q, step):
    """Loads and devices without a choice follow their rule, commanded Q stays."""
    follows = np.array([not commands_q(park, e) for e in oracle.elements])
    return q + by_rule(park, oracle, step) * follows


def row(oracle, **p_mw):
    return np.array([[p_mw.get(e, 0.0) for e in oracle.elements]])


@pytest.fixture(scope="module")
def overload(points):
    point = points["max_export"]
    oracle = Oracle(point.park)
    p, _ = point.rows(oracle)
    return point.park, oracle, p, by_rule(point.park, oracle, p)


def test_the_overloaded_transformers_and_the_export_are_found_by_name(overload):
    park, oracle, p, q = overload
    found = {(v.rule, v.resource): v for v in violations(park, oracle.solve(p, q))}
    assert ("loading", "T_MAIN_1") in found
    assert ("loading", "T_MAIN_2") in found
    assert ("tie_limit", "tie") in found
    assert found["loading", "T_MAIN_1"].found > 100
    assert "T_MAIN_1" in found["loading", "T_MAIN_1"].text


def test_voltages_are_judged_by_the_band_of_their_level(park, oracle):
    limits = voltage_limits(park)
    heavy = row(oracle, LD_PUB=-50.0, LD_SME=-12.0, LD_ESS=-5.0)
    q = by_rule(park, oracle, heavy)
    states = oracle.solve(heavy, q)
    low = {v.resource: v for v in violations(park, states) if v.rule == "voltage"}
    assert "FDR10" in low
    assert low["FDR10"].found < low["FDR10"].allowed == limits["FDR10"][0]


def test_a_state_inside_all_limits_has_no_violation(points):
    point = points["calm_no_storage"]
    oracle = Oracle(point.park)
    assert violations(point.park, oracle.solve(*point.rows(oracle))) == ()


def test_divergence_is_a_violation(park, oracle):
    p = np.full((1, len(oracle.elements)), -5000.0)
    (only,) = violations(park, oracle.solve(p, np.zeros_like(p)))
    assert only.rule == "power_flow"
    model = sensitivities(oracle, p, np.zeros_like(p), 0)
    assert model.rows == {}
    assert model.loss_mw_per_mw == {}
    assert cuts([model], oracle.elements) == ()


def test_sensitivities_predict_a_small_redispatch_within_a_few_percent(overload):
    park, oracle, p, q = overload
    model = sensitivities(oracle, p, q, 0)
    for change in ({"CAES1": -6.0}, {"WF": -5.0, "BESS1": -4.0}, {"LD_PUB": 3.0, "PV": -6.0}):
        step = row(oracle, **change)
        moved = p + step
        states = oracle.solve(moved, moved_q(park, oracle, q, step))
        before = oracle.solve(p, q)
        column = states.branches.index("T_MAIN_1")
        true = states.loading_percent[0, column] - before.loading_percent[0, column]
        foreseen = sum(model.rows["branch:T_MAIN_1"][e] * mw for e, mw in change.items())
        assert foreseen == pytest.approx(true, rel=0.03)
        lost = states.losses_mw[0] - before.losses_mw[0]
        assert sum(model.loss_mw_per_mw[e] * mw for e, mw in change.items()) == pytest.approx(lost, rel=0.1)


def test_a_redispatch_that_keeps_the_cuts_cures_the_overload(overload):
    park, oracle, p, q = overload
    p_now, q_now = p.copy(), q.copy()
    movable = ("WF", "PV", "CAES1")
    for _ in range(3):
        rows = cuts(sensitivities_all(oracle, p_now, q_now), movable)
        if not rows:
            break
        # the least common reduction of the movable ones that satisfies every row
        at = {e: p_now[0, oracle.elements.index(e)] for e in movable}
        down = max(
            (sum(c.coeff[e] * at[e] for e in movable) - c.upper) / sum(c.coeff[e] for e in movable)
            for c in rows
        )
        assert down > 0
        step = row(oracle, **dict.fromkeys(movable, -down))
        p_now, q_now = p_now + step, moved_q(park, oracle, q_now, step)
    left = [v for v in violations(park, oracle.solve(p_now, q_now)) if v.rule == "loading"]
    assert left == []
    assert (p - p_now).max() < 15, "the cuts ask for no more than is needed"


def test_low_voltage_gives_a_cut_that_asks_for_less_load_at_the_feeder(park, oracle):
    heavy = row(oracle, LD_PUB=-50.0, LD_SME=-12.0, LD_ESS=-5.0)
    q = by_rule(park, oracle, heavy)
    model = sensitivities(oracle, heavy, q, 0)
    found = {c.name: c for c in cuts([model], ("DPV", "LD_SME", "WF"))}
    cut = found["voltage_min:FDR10"]
    assert cut.coeff["DPV"] < 0
    assert cut.coeff["LD_SME"] < 0
    assert abs(cut.coeff["WF"]) < abs(cut.coeff["DPV"])
    assert max(abs(x) for x in cut.coeff.values()) == pytest.approx(1.0)
    now = sum(cut.coeff[e] * heavy[0, oracle.elements.index(e)] for e in cut.coeff)
    assert now > cut.upper, "the present point breaks its own cut"


def test_only_limits_that_are_near_or_asked_for_get_a_row(points):
    point = points["noon_surplus_charging"]
    oracle = Oracle(point.park)
    p, q = point.rows(oracle)
    plain = sensitivities(oracle, p, q, 0)
    assert "branch:T_H2" in plain.rows
    assert "branch:C10_FDR_1" not in plain.rows
    asked = sensitivities(oracle, p, q, 0, requested=("branch:C10_FDR_1",))
    assert asked.rows.keys() == plain.rows.keys() | {"branch:C10_FDR_1"}


def test_many_steps_at_once_equal_one_by_one(points):
    names = ("evening_peak", "max_export")
    oracle = Oracle(points["max_export"].park)
    p = np.vstack([points[n].rows(oracle)[0] for n in names])
    q = np.vstack([points[n].rows(oracle)[1] for n in names])
    together = sensitivities_all(oracle, p, q)
    for step in range(2):
        alone = sensitivities(oracle, p, q, step)
        assert alone.step == together[step].step == step
        assert alone.rows.keys() == together[step].rows.keys()
        for name, coeff in alone.rows.items():
            assert coeff == pytest.approx(together[step].rows[name], abs=1e-9)


def test_a_limit_that_nobody_moves_yields_no_cut(overload):
    _, oracle, p, q = overload
    assert cuts(sensitivities_all(oracle, p, q), ()) == ()
