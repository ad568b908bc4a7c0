"""The reactive plan on paper: who moves when, and the Mvar of the tie."""

import csv
import dataclasses
import io
import re

import numpy as np
import pytest

from vpp.reports.plan_file import plan_from_json, plan_to_csv, plan_to_json
from vpp.reports.plan_reactive import moves, sources_mvar
from vpp.reports.plan_report import plan_to_html


@pytest.fixture(scope="module")
def reactive(park, plan):
    """The made-up day with a bank that leaves in the morning, a tap that moves twice, Q at the tie."""
    steps = np.arange(plan.steps)
    courses = {
        "A_CAP66": np.where(steps < 24, 2.0, 1.0),
        "A_CAP_H2": np.full(plan.steps, 2.0),
        "A_T_MAIN_1": np.where(steps < 40, -1.0, np.where(steps < 60, 1.0, 0.0)),
        "A_T_MAIN_2": np.full(plan.steps, -1.0),
    }
    series = {**plan.series, **{name: {"position": at} for name, at in courses.items()}}
    series["tie"] = {**plan.series["tie"], "q_mvar": np.linspace(-5.0, 20.0, plan.steps)}
    series["WF"] = {**plan.series["WF"], "q_mvar": np.full(plan.steps, 7.0)}
    return dataclasses.replace(plan, series=series)


def test_every_move_is_listed_with_its_time(park, reactive):
    assert [(name, before, after) for _, name, before, after in moves(park, reactive)] == [
        ("A_CAP66", 2.0, 1.0),
        ("A_T_MAIN_1", -1.0, 1.0),
        ("A_T_MAIN_1", 1.0, 0.0),
    ]
    first = next(iter(moves(park, reactive)))[0]
    assert (first - reactive.start).total_seconds() == 24 * 900


def test_a_move_at_the_start_counts_from_where_it_stood(park, reactive):
    initial = dataclasses.replace(reactive.initial, positions={"A_CAP_H2": 1.0})
    found = list(moves(park, dataclasses.replace(reactive, initial=initial)))
    assert found[0] == (reactive.start, "A_CAP_H2", 1.0, 2.0)


def test_the_page_shows_reactive_power_and_moves(park, plan, reactive):
    page = plan_to_html(park, reactive)
    assert len(re.findall(r"<svg", page)) == len(re.findall(r"<svg", plan_to_html(park, plan))) + 1
    assert re.search(r"06:00</td><td>A_CAP66</td><td class=\"n\">2</td><td class=\"n\">1<", page)
    assert "None of 4 moves." in plan_to_html(park, plan)


def test_file_and_table_carry_positions_and_mvar(park, reactive):
    back = plan_from_json(plan_to_json(reactive), file="plan.json")
    assert (back.series["A_T_MAIN_1"]["position"] == reactive.series["A_T_MAIN_1"]["position"]).all()
    rows = list(csv.reader(io.StringIO(plan_to_csv(park, reactive))))
    columns = [cell.split(" ")[0] for cell in rows[0]]
    assert rows[41][columns.index("A_T_MAIN_1.position")] == "1"
    assert float(rows[1][columns.index("tie.q_mvar")]) == -5.0


def test_sources_count_devices_and_statcoms(park, reactive):
    assert sources_mvar(park, reactive) == pytest.approx(7.0)
