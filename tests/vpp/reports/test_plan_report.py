import dataclasses
import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from vpp.reports.plan_file import plan_from_json
from vpp.reports.plan_numbers import content_percent, curtailed_by_cause, loads_mw, supply_mw
from vpp.reports.plan_report import plan_to_html, write_plan
from vpp.types import PlanLabel


@pytest.fixture(scope="module")
def page(park, plan):
    return plan_to_html(park, plan)


def test_a_plan_is_written_as_three_files(park, plan, tmp_path):
    paths = write_plan(park, plan, tmp_path / "2026-03-15")
    assert sorted(p.name for p in (tmp_path / "2026-03-15").iterdir()) == [
        "plan.csv",
        "plan.json",
        "report.html",
    ]
    assert plan_from_json(paths.json.read_bytes(), file="plan.json").id == plan.id
    assert paths.csv.read_bytes().startswith(b"\xef\xbb\xbfstart_local")


def test_the_page_needs_nothing_from_outside(page):
    addresses = set(re.findall(r"https?://[^\s\"'<>]+", page))
    assert all(a.startswith("http://www.w3.org/") for a in addresses)
    assert not re.search(r"<script|<link|<img|@import", page)


def test_the_page_shows_every_plot_once(page):
    drawings = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    assert len(drawings) == 6
    for drawing in drawings:
        ET.fromstring(drawing)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(set(ids)) == len(ids)
    assert not re.search(r"(?:fill|stroke): #", "".join(drawings)), "a colour that knows no night"


def test_the_page_says_what_had_to_give_and_escapes_it(page):
    assert "evening peak &lt;CAES empty&gt;" in page
    assert "17:30" in page
    assert "a limit had to give" in page


def test_a_calm_plan_says_that_nothing_is_curtailed(park, plan):
    calm = dataclasses.replace(
        plan,
        label=PlanLabel.OPTIMAL,
        gap=0.0012,
        relaxations=(),
        curtailment_cause=dict.fromkeys(plan.curtailment_cause, ("",) * plan.steps),
        vm_pu={},
        loading_percent={},
        certificate=None,
    )
    page = plan_to_html(park, calm)
    assert "Nothing is curtailed." in page
    assert "The plan carries no AC check." in page
    assert "gap to the best: 0.12%" in page
    assert "What had to give" not in page


def test_supply_and_curtailment_keep_every_megawatt(park, plan):
    fed = sum(np.maximum(plan.series[n]["p_mw"], 0) for n in park.resources) + plan.series["tie"]["import_mw"]
    np.testing.assert_allclose(sum(supply_mw(park, plan).values()), fed)
    curtailed = sum(plan.series[n]["curtailed_mw"] for n in plan.curtailment_cause)
    np.testing.assert_allclose(sum(curtailed_by_cause(plan).values()), curtailed)
    np.testing.assert_allclose(loads_mw(park, plan), sum(plan.series[n]["load_mw"] for n in park.loads))


def test_every_store_is_shown_against_what_it_holds_when_full(park, plan):
    caes, battery = park.devices["CAES1"], park.devices["BESS1"]
    half = {
        "CAES1": {**plan.series["CAES1"], "e_mwh": np.full(plan.steps, 0.5 * caes.e_air_mwh)},
        "BESS1": {**plan.series["BESS1"], "e_mwh": np.full(plan.steps, 0.5 * battery.e_full_mwh)},
        "H2S": {
            **plan.series["H2S"],
            "h2_kg": np.full(plan.steps, 0.5 * park.devices["H2S"].params.usable_kg),
        },
    }
    shown = dataclasses.replace(plan, series={**plan.series, **half})
    for name in half:
        np.testing.assert_allclose(content_percent(park, shown, name), 50.0)
    assert content_percent(park, shown, "WF") is None
