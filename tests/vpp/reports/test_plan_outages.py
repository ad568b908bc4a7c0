import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from vpp.reports.plan_file import plan_from_json, plan_to_csv, plan_to_json
from vpp.reports.plan_outages import outage_rows
from vpp.reports.plan_report import plan_to_html
from vpp.types import OutageAction, OutageBreach, OutageClass


@pytest.fixture(scope="module")
def told(plan):
    """The plan with a corrective class that needs an action and has a limit beyond dispatch."""
    flat = np.full(plan.steps, 90.0)
    flat[3] = 125.0
    held = OutageBreach(outage="A", step=3, limit="branch:B", found=121.0, allowed=115.0, reason="")
    action = OutageAction(outage="C", step=3, moves_mw={"LD_ZN": 12.0}, at_once_mw={})
    corrective = OutageClass(
        kind="corrective",
        outages=("A", "C"),
        worst_percent=flat,
        worst=("D after C",) * plan.steps,
        vm_min_pu=np.full(plan.steps, 0.97),
        vm_max_pu=np.full(plan.steps, 1.04),
        lost_load_mw=np.zeros(plan.steps),
        lost_supply_mw=np.full(plan.steps, 80.0),
        left=(),
        held=(held,),
        actions=(action,),
    )
    none = np.empty(0)
    island = replace(
        corrective,
        kind="island",
        outages=("EG1",),
        worst_percent=none,
        worst=(),
        vm_min_pu=none,
        vm_max_pu=none,
        lost_load_mw=none,
        held=(),
        actions=(),
    )
    return replace(plan, contingencies=(corrective, island))


def test_outages_come_back_from_the_file_bit_for_bit(told):
    again = plan_from_json(plan_to_json(told), file="plan.json").contingencies
    assert [own.kind for own in again] == ["corrective", "island"]
    assert again[0].held == told.contingencies[0].held
    assert again[0].actions == told.contingencies[0].actions
    assert (again[0].worst_percent == told.contingencies[0].worst_percent).all()


def test_the_row_of_a_class_names_its_worst_its_held_limits_and_who_acts(told):
    corrective, island = outage_rows(told)
    assert corrective.worst == "125.0 %, D after C"
    assert corrective.held == ("B after A: 121",)
    assert corrective.actions == ("C: LD_ZN +12.0 MW at most, in 1 steps",)
    assert island.worst == ""
    assert island.lost == "80.0 MW of supply"


def test_table_and_page_show_the_outages(park, told):
    rows = list(csv.DictReader(io.StringIO(plan_to_csv(park, told))))
    assert rows[3]["outages corrective.worst_percent [%]"] == "125"
    assert rows[3]["outages corrective.worst"] == "D after C"
    page = plan_to_html(park, told)
    assert "D after C" in page
    assert "No dispatch cures B after A: 121" in page
    assert "Armed after C: LD_ZN +12.0 MW" in page
