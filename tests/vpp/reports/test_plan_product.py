"""A real day explained, compared, approved: what planners read of it and put into force."""

import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pytest

import vpp
from vpp.errors import InvalidInput
from vpp.park.pins import read_pins
from vpp.reports import compare, explain, read_plan, write_plan
from vpp.reports.approval import approve, day_plan, day_plans, in_force
from vpp.reports.compare_text import comparison_to_html, comparison_to_text
from vpp.reports.explain_words import REASONS, SENTENCES
from vpp.reports.plan_compare import comparison_to_json
from vpp.reports.plan_explain import text
from vpp.reports.plan_file import plan_from_json, plan_to_csv, plan_to_json
from vpp.reports.plan_numbers import step_hours
from vpp.reports.plan_report import plan_to_html
from vpp.reports.plan_spells import runs
from vpp.service.day_plans import plan_days
from vpp.types import Relaxation

DAY = date(2026, 3, 17)


@pytest.fixture(scope="module")
def free(park):
    (plan,) = plan_days(park, DAY, 1)
    return plan


@pytest.fixture(scope="module")
def pinned(park):
    pins = read_pins(park, ["BESS1@17:00-19:00=off", "BESS1@10:00-11:00=-20"], DAY)
    (plan,) = plan_days(park, DAY, 1, pins)
    return plan


def test_every_charge_and_discharge_is_told_once_with_its_energy(park, free):
    told = explain(park, free).spells
    for name in ("BESS1", "CAES1"):
        for key, sign in (("charge_mw", "charges"), ("discharge_mw", "discharges")):
            moved = free.series[name][key]
            mine = [s for s in told if s.resource == name and key.startswith(s.said[0].code.split("_")[0])]
            assert len(mine) == len(runs(np.where(moved > 0.05, moved, 0.0))), sign
            known = sum(float(s.said[0].values["mwh"]) for s in mine)
            assert known == pytest.approx(float(moved[moved > 0.05].sum()) * 0.25, abs=0.01)


def test_a_battery_buys_cheaper_than_it_sells(park, free):
    battery = [s for s in explain(park, free).spells if s.resource == "BESS1"]
    later = [s.said[0].values for s in battery if s.said[0].code == "charge_later"]
    assert later
    for values in later:
        assert values["cost"] < values["worth"]
        assert re.fullmatch(r"\d\d:\d\d", str(values["later"]))


def test_a_spell_names_the_pin_that_holds_it(park, pinned):
    (held,) = [s for s in explain(park, pinned).spells if s.resource == "BESS1" and s.first <= 41 <= s.last]
    assert held.said[1].code == "pinned"
    assert held.said[1].values["pin"] == "BESS1@2026-03-17T10:00-11:00=-20"


def test_a_spell_that_prices_alone_do_not_pay_has_another_reason(park, free):
    found = [spell for spell in explain(park, free).spells if spell.resource in ("BESS1", "CAES1")]
    for spell in found:
        values = spell.said[0].values
        gain = values["worth"] - values["cost"] if "cost" in values else values["earned"] - values["worth"]
        assert (gain > -2.0) == (len(spell.said) == 1)
        if len(spell.said) > 1:
            assert spell.said[1].code in ("against_tie", "committed", "pinned")
    machine = [spell for spell in found if spell.resource == "CAES1" and len(spell.said) > 1]
    assert machine, "a machine's own power lowers the price of its hours"
    for spell in machine:
        assert spell.said[1].values["price"] > spell.said[0].values["price"]


def test_each_step_says_what_binds_and_what_it_is_worth(park, free):
    steps = explain(park, free).steps
    assert len(steps) == 96
    for name, values in free.shadow_prices.items():
        kind = name.partition(":")[0]
        if kind in ("energy", "bus", "store"):
            continue
        told = {
            s.step
            for s in steps
            for r in s.said
            if r.code == f"binds_{kind}" and name.endswith(str(r.values["name"]))
        }
        assert told >= set(np.flatnonzero(values > 1.0).tolist()), name


def test_curtailed_energy_is_told_whole_by_its_causes(park, free):
    curtailed = np.full(96, 2.0)
    causes = ("surplus",) * 40 + ("branch:T_MAIN_1",) * 40 + ("voltage:PUB10",) * 16
    series = {**free.series, "WF": {**free.series["WF"], "curtailed_mw": curtailed}}
    plan = replace(free, series=series, curtailment_cause={**free.curtailment_cause, "WF": causes})
    told = [said for said in explain(park, plan).curtailed if said.values["name"] == "WF"]
    assert {said.code for said in told} == {"curtailed_surplus", "curtailed_branch", "curtailed_voltage"}
    assert sum(float(said.values["mwh"]) for said in told) == pytest.approx(48.0)


def test_a_limit_that_gave_is_told_once_with_its_worst(park, free):
    gave = tuple(
        Relaxation(limit="tie_import", step=k, amount=float(k), unit="MW", reason="too little")
        for k in (3, 4, 5)
    )
    (said,) = explain(park, replace(free, relaxations=gave)).gave
    assert (said.values["count"], said.values["amount"]) == (3.0, 5.0)


def test_both_languages_have_every_word_and_the_same_values(park, pinned):
    for english, chinese in (*SENTENCES.values(), *REASONS.values()):
        assert set(re.findall(r"\{(\w+)", english)) == set(re.findall(r"\{(\w+)", chinese))
        assert re.search("[\u4e00-\u9fff]", chinese)
        assert not re.search("[\u4e00-\u9fff]", english)
    reasons = explain(park, pinned)
    assert len(text(reasons, "en")) == len(text(reasons, "zh"))


def test_one_step_is_told_alone(park, free):
    lines = text(explain(park, free), "en", step=72)
    assert all(line.startswith(("18:00", "17:", "16:", "15:", "14:")) for line in lines)
    assert any("one MWh more of demand" in line for line in lines)


def test_a_plan_without_prices_is_explained_by_tariff_and_says_so(park, free):
    plain = replace(free, shadow_prices={}, cost_by_owner_cny={}, cost_by_step_cny={})
    reasons = explain(park, plain)
    assert reasons.summary[1].code == "no_prices"
    assert text(reasons, "zh")


def test_prices_costs_and_pins_come_back_from_the_file_unchanged(pinned, park):
    again = plan_from_json(plan_to_json(pinned), file="plan.json")
    assert again.cost_by_owner_cny == pinned.cost_by_owner_cny
    assert again.pins == pinned.pins
    for name, values in pinned.shadow_prices.items():
        assert (again.shadow_prices[name] == values).all()
    head = plan_to_csv(park, pinned).splitlines()[0]
    assert "shadow energy [CNY/MWh]" in head
    assert "shadow store:H2S [CNY/kg]" in head
    assert "cost energy [CNY]" in head


def test_a_file_whose_parts_do_not_belong_together_is_refused(free):
    body = json.loads(plan_to_json(free))
    for change in (
        {"steps": 95},
        {"steps": 0},
        {"start": "2026-03-17T00:00:00"},
        {"vm_pu": {"B": [1.0]}},
        {"series": {}},
    ):
        document = json.dumps({**body, "plan": {**body["plan"], **change}})
        with pytest.raises(InvalidInput, match=r"x\.json"):
            plan_from_json(document.encode(), file="x.json")


def test_the_report_shows_prices_owners_reasons_and_pins(park, pinned):
    page = plan_to_html(park, pinned)
    for word in (
        "What a MWh more costs",
        "Whose cost it is",
        "Why <small",
        "Held by pins",
        "BESS1@2026-03-17",
    ):
        assert word in page


def test_a_plan_compared_with_itself_differs_in_nothing(park, free):
    same = compare(free, free)
    assert same.differences == ()
    assert all(pair.difference == 0 for table in (same.costs, same.energies, same.peaks) for pair in table)
    assert "no element differs" in comparison_to_text(park, same)


def test_what_a_pin_changes_is_listed_step_by_step(park, free, pinned):
    found = compare(free, pinned, 5.0)
    held = {d.start for d in found.differences if d.element == "BESS1"}
    assert held
    for d in found.differences:
        assert abs(d.b_mw - d.a_mw) > 5.0
    total = (
        found.costs[-1]
        if found.costs[-1].name == "total"
        else next(p for p in found.costs if p.name == "total")
    )
    assert total.difference == pytest.approx(pinned.cost_cny - free.cost_cny)
    out = next(p for p in found.energies if p.name == "BESS1 out")
    assert out.b == pytest.approx(float(np.maximum(pinned.series["BESS1"]["p_mw"], 0) @ step_hours(pinned)))
    assert json.loads(comparison_to_json(found))["steps"] == 96
    page = comparison_to_html(park, found, free, pinned)
    assert page.count("<svg") >= 1
    assert not re.search(r"<script|<link|<img", page)


def test_what_a_plan_file_calls_its_elements_does_not_become_markup(park, free, pinned):
    name = '"><script>x</script>'
    a, b = (
        replace(plan, series={name if k == "BESS1" else k: v for k, v in plan.series.items()})
        for plan in (free, pinned)
    )
    page = comparison_to_html(park, compare(a, b, threshold_mw=10.0), a, b)
    assert "&lt;script&gt;" in page
    assert "<script" not in page


def test_plans_that_share_no_time_or_no_park_are_not_compared(free):
    with pytest.raises(InvalidInput, match="different elements"):
        compare(free, replace(free, park="other"))
    with pytest.raises(InvalidInput, match="no common step"):
        compare(free, replace(free, start=datetime(2027, 1, 1, tzinfo=UTC)))


def test_python_users_find_it_all_in_one_place(park, free, tmp_path):
    paths = write_plan(park, free, tmp_path)
    plan = vpp.read_plan(paths.json)
    assert vpp.explain(park, plan).plan_id == free.id
    assert vpp.compare(plan, plan).differences == ()
    with pytest.raises(InvalidInput, match="No such file"):
        read_plan(tmp_path / "none.json")


def put(folder, plan):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plan.json").write_bytes(plan_to_json(plan))


def test_a_plan_comes_into_force_by_itself_or_when_it_is_approved(park, free, tmp_path):
    folder = tmp_path / "plans" / "2026-03-17"
    manual = replace(park, approval=replace(park.approval, mode="manual"))
    assert day_plan(folder) is None
    put(folder, free)
    assert in_force(park, folder) is not None
    assert in_force(manual, folder) is None
    at = datetime(2026, 3, 16, 8, tzinfo=UTC)
    first = approve(folder, by="Li", at=at)
    assert in_force(manual, folder).approved == first
    assert approve(folder, by="Wang", at=at) == first, "a repeat changes nothing"
    assert [found.day for found in day_plans(tmp_path / "plans")] == [DAY]
    put(folder, replace(free, notes=("made again",)))
    assert in_force(manual, folder) is None, "another content needs another approval"
    assert in_force(replace(manual, name="other"), folder) is None


def test_only_what_was_selected_and_certified_is_approved(free, tmp_path):
    folder, at = tmp_path / "2026-03-17", datetime(2026, 3, 16, 8, tzinfo=UTC)
    with pytest.raises(InvalidInput, match=r"no plan\.json"):
        approve(folder, by="Li", at=at)
    put(folder, free)
    with pytest.raises(InvalidInput, match="changed since"):
        approve(folder, by="Li", at=at, sha256="0" * 64)
    put(folder, replace(free, certificate=None))
    with pytest.raises(InvalidInput, match="certificate"):
        approve(folder, by="Li", at=at)
