import csv
import dataclasses
import io
import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpp.errors import InvalidInput
from vpp.reports.plan_file import plan_from_json, plan_to_csv, plan_to_json, safe_cell


def same(a, b):
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if dataclasses.is_dataclass(a):
        return type(a) is type(b) and all(
            same(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a)
        )
    return a == b or (isinstance(a, float) and math.isnan(a) and math.isnan(b))


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=8))
def test_a_plan_reads_back_bit_for_bit(plan, numbers):
    series = {**plan.series, "odd": {"p_mw": np.resize(np.array(numbers), plan.steps)}}
    plan = dataclasses.replace(plan, series=series, cost_cny=numbers[0])
    assert same(plan_from_json(plan_to_json(plan), file="plan.json"), plan)


def test_an_unproven_gap_is_null_in_the_file(plan):
    assert msgspec.json.decode(plan_to_json(plan))["plan"]["gap"] is None


def test_a_plan_with_a_non_finite_number_is_not_written(plan):
    broken = dataclasses.replace(plan, vm_pu={"B0": np.array([1.0, np.nan])})
    with pytest.raises(ValueError, match=r"plan\.vm_pu\.B0\[1\] is not a finite number"):
        plan_to_json(broken)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"format": "yuanwang.plan", "version": 2, "plan": {}}',
        b'{"format": "yuanwang.plan", "version": 1, "plan": {"id": 7}}',
        b'{"format": "yuanwang.plan", "version": 1, "plan": null}',
    ],
)
def test_a_foreign_file_is_refused_in_words(data):
    with pytest.raises(InvalidInput, match=r"some\.json: .*expected a plan file yuanwang\.plan version 1"):
        plan_from_json(data, file="some.json")


def test_a_series_with_null_is_refused(plan):
    document = msgspec.json.decode(plan_to_json(plan))
    document["plan"]["vm_pu"]["B0"][3] = None
    with pytest.raises(InvalidInput, match="finite"):
        plan_from_json(msgspec.json.encode(document), file="plan.json")


def test_csv_has_a_row_per_step_with_plant_time_and_units(park, plan):
    header, *rows = csv.reader(io.StringIO(plan_to_csv(park, plan)))
    assert len(rows) == plan.steps
    assert rows[0][:2] == ["2026-03-15T00:00+08:00", "2026-03-14T16:00+00:00"]
    tie = header.index("tie.price_cny_per_mwh [CNY/MWh]")
    assert [float(row[tie]) for row in rows] == plan.series["tie"]["price_cny_per_mwh"].tolist()
    assert len({*header}) == len(header)
    assert {"CAES1.e_mwh [MWh air]", "BESS1.e_mwh [MWh DC]"} < {*header}


def test_csv_holds_no_formula(park, plan):
    causes = dict.fromkeys(plan.curtailment_cause, ("=cmd|calc",) * plan.steps)
    text = plan_to_csv(park, dataclasses.replace(plan, curtailment_cause=causes))
    cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
    assert "'=cmd|calc" in cells
    assert not [c for c in cells if c.startswith(("=", "@", "+"))]


@given(st.text())
def test_a_safe_cell_never_starts_a_formula_and_keeps_its_text(text):
    assert not safe_cell(text).startswith(("=", "+", "-", "@", "\t", "\r"))
    assert safe_cell(text).endswith(text)
