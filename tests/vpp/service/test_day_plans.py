"""Several days planned at once follow one another."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from vpp.park import load_park
from vpp.service.day_plans import plan_days, state_after

PARK = load_park("small10")


@pytest.fixture(scope="module")
def days():
    return list(plan_days(PARK, date(2026, 3, 17), 2))


def test_a_day_starts_where_the_one_before_ends(days):
    first, second = days
    assert second.start == first.start + timedelta(days=1)
    assert second.initial == state_after(PARK, first)
    for name, point in (("BESS1", "e_mwh"), ("CAES1", "e_mwh"), ("H2S", "h2_kg")):
        assert second.initial.resources[name][point] == first.series[name][point][-1]
        assert second.initial.resources[name][point] != first.initial.resources[name][point]
    assert second.certificate.ok


def test_what_counts_by_the_day_begins_anew_and_the_months_peak_stays(days):
    after = days[1].initial
    assert after.resources["H2S"]["delivered_kg"] == 0.0
    assert after.resources["CAES1"]["starts_turbine"] == 0.0
    assert after.calls["LD_ZN"]["calls_left"] == PARK.loads["LD_ZN"].max_calls_per_day
    assert after.month_peak_mw >= days[0].series["tie"]["import_mw"].max()


def test_a_mode_and_a_call_that_last_to_the_end_are_carried_with_their_length(days):
    first = days[0]
    code, blocks = np.zeros(first.steps), np.zeros(first.steps)
    code[-5:], blocks[-3:] = 1.0, 2.0
    series = {
        **first.series,
        "CAES1": {**first.series["CAES1"], "mode_code": code},
        "LD_ZN": {**first.series["LD_ZN"], "open_blocks": blocks},
    }
    after = state_after(PARK, replace(first, series=series))
    assert after.resources["CAES1"]["mode_code"] == 1.0
    assert after.resources["CAES1"]["mode_min"] == 75.0
    assert (after.calls["LD_ZN"]["open_blocks"], after.calls["LD_ZN"]["running_min"]) == (2.0, 45.0)
