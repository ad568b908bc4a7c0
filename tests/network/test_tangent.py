"""Tangents of the power flow against differences of solved power flows."""

from dataclasses import replace

import numpy as np
import pytest

from network import security
from network.powerflow import Oracle
from network.security import sensitivities_all
from network.tangent import has_tangent, slopes
from vpp.park import load_park
from vpp.seeds import generator


@pytest.fixture(scope="module")
def chifeng(points):
    """The park in four moments, banks and taps elsewhere in two of them."""
    names = ("winter_evening", "spring_noon_charging", "windy_noon_surplus", "valley_night")
    oracle = Oracle(load_park("chifeng96"))
    rows = [points[name].rows(oracle) for name in names]
    positions = np.tile(oracle.at_rest, (4, 1))
    kinds = np.array([a.kind for a in oracle.park.actuators.values()])
    positions[1:3, kinds == "tap"] += 1
    positions[1:3, kinds == "shunt"] -= 1
    positions[:, kinds == "statcom"] = 5.0
    return oracle, np.vstack([p for p, _ in rows]), np.vstack([q for _, q in rows]), positions


def test_tangents_equal_differences_of_power_flows(chifeng, monkeypatch):
    oracle, p, q, positions = chifeng
    assert has_tangent(oracle)
    by_tangent = sensitivities_all(oracle, p, q, positions)
    monkeypatch.setattr(security, "has_tangent", lambda oracle: False)
    by_difference = sensitivities_all(oracle, p, q, positions)
    rows = 0
    for one, other in zip(by_tangent, by_difference, strict=True):
        assert one.rows.keys() == other.rows.keys()
        assert one.value == pytest.approx(other.value, abs=1e-9)
        assert one.loss_mw_per_mw == pytest.approx(other.loss_mw_per_mw, abs=1e-4)
        for name, coeff in one.rows.items():
            size = max(abs(x) for x in other.rows[name].values())
            assert coeff == pytest.approx(other.rows[name], abs=1e-3 * size), name
            rows += 1
    assert rows > 20


def test_a_step_without_solution_has_no_tangent_and_spoils_no_other(chifeng):
    oracle, p, q, positions = chifeng
    p = np.vstack([p[:2], np.full((1, p.shape[1]), -900.0)])
    q = np.vstack([q[:2], np.zeros((1, p.shape[1]))])
    found = slopes(oracle, p, q, positions[:3], q_per_p=np.zeros(p.shape[1]))
    assert np.isnan(found.losses[2]).all()
    assert np.isfinite(found.losses[:2]).all()
    assert np.isfinite(found.loading[:2]).all()


def test_one_mw_more_of_load_anywhere_costs_more_than_one_mw_at_the_tie(chifeng):
    oracle, p, q, positions = chifeng
    found = slopes(oracle, p, q, positions, q_per_p=np.zeros(p.shape[1]))
    loads = [k for k, e in enumerate(oracle.elements) if e in oracle.park.loads]
    assert (found.losses[0, loads] < 0).all(), "a MW less drawn on a winter evening saves losses"


@pytest.mark.parametrize("out", [["T220_A1"], ["T_WF1"], ["L500_DIRECT"], ["L220_AB", "L220_CD"]])
def test_tangents_hold_after_an_outage_and_nobody_cut_off_moves_anything(chifeng, monkeypatch, out):
    whole, p, q, positions = chifeng
    oracle = whole.without(out)
    assert has_tangent(oracle)
    asked = ("branch:T220_A2", "branch:T500_GPS_1", "voltage_min:PA_66_1")
    by_tangent = sensitivities_all(oracle, p, q, positions, requested=asked)
    monkeypatch.setattr(security, "has_tangent", lambda oracle: False)
    for one, other in zip(
        by_tangent, sensitivities_all(oracle, p, q, positions, requested=asked), strict=True
    ):
        assert one.rows.keys() == other.rows.keys()
        for name, coeff in one.rows.items():
            size = max(abs(x) for x in other.rows[name].values())
            assert coeff == pytest.approx(other.rows[name], abs=1e-3 * size), name
            if out == ["T_WF1"]:
                assert coeff["WF1"] == 0.0


def test_taps_on_the_low_side_fall_back_to_differences(park):
    assert has_tangent(Oracle(park))
    types = tuple(replace(t, tap_side="lv") for t in park.grid.trafo_types)
    oracle = Oracle(replace(park, grid=replace(park.grid, trafo_types=types)))
    assert not has_tangent(oracle)
    p = generator(3, "tangent").uniform(-10, 10, size=(2, len(oracle.elements)))
    models = sensitivities_all(oracle, p, 0 * p, requested=("branch:T_MAIN_1",))
    assert all("branch:T_MAIN_1" in model.rows for model in models)
