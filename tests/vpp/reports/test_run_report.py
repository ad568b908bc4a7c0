import dataclasses
import json
import math
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from vpp.clock import SimulatedClock
from vpp.errors import InvalidInput
from vpp.journal import Journal, LoggedSnapshot, SnapshotLog
from vpp.reports.run_report import run_report
from vpp.reports.run_text import to_text, write_run_report
from vpp.reports.tally import planned_mw
from vpp.reports.unforeseen import Ordered, unforeseen_mw
from vpp.types import (
    Alarm,
    Following,
    ParkMode,
    Quality,
    Reading,
    Severity,
    ShedReport,
    Snapshot,
)

HOURS, TICK_S = 2, 60


def cycle(park, plan, clock, n, energies, *, following=Following.PLAN, import_mw=100.0):
    def reading(values):
        return Reading(values=values, quality=Quality.GOOD, read_at=clock.plant_now(), age_s=0.0)

    names = [*park.resources, *park.loads, "TIE"]
    readings = {
        name: reading(
            {
                "p_mw": import_mw if name == "TIE" else 1.0,
                "energy_out_mwh": energies.get((name, "out"), 0.0),
                "energy_in_mwh": energies.get((name, "in"), 0.0),
            }
        )
        for name in names
    }
    return Snapshot(
        cycle=n,
        at=clock.plant_now(),
        true_s=clock.true_s(),
        rate=1.0,
        epoch=1,
        readings=readings,
        setpoints={},
        modes={},
        park_mode=ParkMode.CONNECTED,
        following=following,
        plan_id=plan.id,
        plan_made_at=plan.made_at,
        next_replan_at=None,
        tie_mean_mw=import_mw,
        tie_limit_mw=120.0,
        orders=(),
        open_blocks={},
        calls={},
        starts={},
        month_peak_mw=95.0,
        alarms=(),
        missed_ticks=n // 50,
        dropped_plans=0,
    )


@pytest.fixture
def journal(park, plan, tmp_path):
    """Two plant hours from the plan's start: the wind farm meters 10 MW, the tie is high in one quarter."""
    clock = SimulatedClock(plan.start)
    journal = Journal(tmp_path / "journal", clock)
    log = SnapshotLog(journal)
    journal.append("start", {"park": park.name, "epoch": 1})
    journal.append("plan", plan)
    journal.append("plan_refused", {"id": "late", "reason": "it came 2.0 s after its deadline"})
    alarm = Alarm(
        id="silent:CAES1",
        severity=Severity.ALARM,
        source="CAES1",
        text="no answer",
        since=plan.start,
    )
    journal.append("alarm", alarm)
    for n in range(HOURS * 3600 // TICK_S + 1):
        hours = n * TICK_S / 3600
        high = 0.5 <= hours < 0.75
        energies = {
            ("WF", "out"): 10 * hours,
            ("TIE", "in"): 100 * hours + 30 * min(max(hours - 0.5, 0.0), 0.25),
        }
        log.append(cycle(park, plan, clock, n, energies, import_mw=130.0 if high else 100.0))
        if n == 30:
            journal.append("alarm_cleared", alarm)
        clock.advance(TICK_S)
    journal.append(
        "shed",
        ShedReport(
            order_id="s1",
            at=clock.plant_now(),
            rate=1.0,
            drill=False,
            ordered_mw=20.0,
            armed_mw=40.0,
            selected_mw=21.0,
            metered_cut_mw=20.5,
            over_cut_mw=0.5,
            targets=(),
            decision_ms=0.2,
            first_write_ms=1.0,
            last_ack_ms=5.0,
            metered_ms=math.inf,
            ok=False,
            text="cut <20.5> MW",
            breaker_open_ms=171.0,
        ),
    )
    over = {"order_id": "s1", "ordered_mw": 20.0, "masks": {}, "since": clock.plant_now()}
    journal.append("shed_over", {**over, "cut_mwh": 5.0, "over_mwh": 0.25, "under_mwh": 0.5})
    journal.close()
    return tmp_path / "journal"


def test_metered_energy_stands_beside_the_energy_of_the_plan_in_force(park, plan, journal):
    report = run_report(park, journal)
    wind = next(e for e in report.energies if e.id == "WF")
    assert wind.out_mwh == pytest.approx(20.0)
    steps = HOURS * 60 // plan.step_min
    assert wind.out_planned_mwh == pytest.approx(plan.series["WF"]["p_mw"][:steps].sum() * plan.step_min / 60)
    tie = next(e for e in report.energies if e.kind == "tie")
    assert tie.out_mwh == pytest.approx(207.5)
    assert tie.out_planned_mwh == pytest.approx(plan.series["tie"]["import_mw"][:steps].sum() / 4)
    load = next(e for e in report.energies if e.id == "LD_ZN")
    assert load.in_planned_mwh == pytest.approx(plan.series["LD_ZN"]["load_mw"][:steps].sum() / 4)


def test_a_quarter_hour_over_the_limit_is_counted_with_its_depth(park, plan, journal):
    tie = run_report(park, journal).tie
    assert (tie.quarters, tie.over) == (8, 1)
    assert tie.worst_over_mw == pytest.approx(10.0)
    assert tie.worst_at == plan.start + timedelta(minutes=30)
    assert tie.peak_mean_mw == pytest.approx(130.0)


def test_the_report_tells_rate_misses_refusals_and_alarms(park, plan, journal):
    report = run_report(park, journal)
    assert report.rates == {"1": HOURS * 3600}
    assert report.missed_ticks == 2
    assert [p.reason for p in report.plans if p.reason] == ["it came 2.0 s after its deadline"]
    (spell,) = report.alarms
    assert spell.cleared_at == plan.start + timedelta(minutes=30)
    assert report.without_plan_s == 0


def test_a_shed_is_told_stage_by_stage_with_what_it_cut_until_it_was_over(park, journal, tmp_path):
    paths = write_run_report(park, journal, tmp_path / "out")
    text = " ".join(paths.text.read_text().split())
    assert (
        "decided 0.2 ms, first write 1.0 ms, last answer 5.0 ms, breakers open 171 ms, metered never" in text
    )
    assert "over-cut +0.5 MW; 5.00 MWh cut, 0.25 over and 0.50 under the order" in text
    page = paths.html.read_text()
    assert "breakers open" in page
    assert "5.00 MWh cut" in page


def test_time_without_a_plan_is_told_and_left_out_of_the_plan(park, plan, tmp_path):
    clock = SimulatedClock(plan.start)
    journal = Journal(tmp_path / "j", clock)
    log = SnapshotLog(journal)
    journal.append("plan", plan)
    for n in range(61):
        following = Following.HOLD if n < 30 else Following.PLAN
        log.append(cycle(park, plan, clock, n, {("WF", "out"): n / 10}, following=following))
        clock.advance(60)
    journal.close()
    report = run_report(park, tmp_path / "j")
    assert report.without_plan_s == 1800
    wind = next(e for e in report.energies if e.id == "WF")
    assert wind.out_planned_mwh == pytest.approx(plan.series["WF"]["p_mw"][2:4].sum() / 4)
    assert (wind.out_mwh, wind.out_covered_mwh) == (pytest.approx(6.0), pytest.approx(3.0))


def test_a_journal_whose_plans_are_of_another_version_says_so(park, plan, tmp_path):
    clock = SimulatedClock(plan.start)
    journal = Journal(tmp_path / "journal", clock)
    journal.append("plan", {"id": plan.id, "steps": 96})
    log = SnapshotLog(journal)
    for n in range(3):
        log.append(cycle(park, plan, clock, n, {}))
        clock.advance(TICK_S)
    journal.close()
    report = run_report(park, tmp_path / "journal")
    assert report.unread_plans == 1
    assert report.without_plan_s == 2 * TICK_S
    assert "1 plans of another version of the product: not compared" in to_text(report)


def test_a_counter_that_goes_back_is_told_and_not_subtracted(park, plan, tmp_path):
    clock = SimulatedClock(plan.start)
    journal = Journal(tmp_path / "j", clock)
    log = SnapshotLog(journal)
    for n, counter in enumerate([5.0, 6.0, 0.0, 1.5]):
        log.append(cycle(park, plan, clock, n, {("WF", "out"): counter}))
        clock.advance(60)
    journal.close()
    report = run_report(park, tmp_path / "j")
    assert report.counter_resets == 1
    assert next(e for e in report.energies if e.id == "WF").out_mwh == pytest.approx(2.5)


def test_an_empty_journal_is_refused_in_words(park, tmp_path):
    with pytest.raises(InvalidInput, match="no cycle of control"):
        run_report(park, tmp_path)


def test_text_fits_80_columns_and_names_the_rate(park, journal):
    lines = to_text(run_report(park, journal)).splitlines()
    assert max(map(len, lines)) <= 80
    assert any("rate 1 for 2:00:00" in line for line in lines)
    assert "1 over the limit, the worst by 10.00 MW at 00:30:00" in " ".join(" ".join(lines).split())


def test_files_are_written_with_null_for_never_and_escaped_words(park, journal, tmp_path):
    paths = write_run_report(park, journal, tmp_path / "out")
    assert json.loads(paths.json.read_bytes())["sheds"][0]["metered_ms"] is None
    page = paths.html.read_text()
    assert "cut &lt;20.5&gt; MW" in page
    assert "http" not in page


def test_a_run_without_a_metered_tie_says_so(park, plan, journal):
    report = run_report(park, journal)
    silent = dataclasses.replace(report.tie, quarters=0, over=0)
    assert "tie: never metered" in to_text(dataclasses.replace(report, tie=silent))


def test_net_of_forecast_error_a_deviation_is_the_elements_own(park, plan):
    """Weather and demand are forgiven by their meters, batteries by what they were asked; the tie by all."""
    at = LoggedSnapshot(
        at=plan.start, rate=1.0, cycle=1, epoch=1, plan_id=plan.id, following="plan", tie_mean_mw=0.0,
        tie_limit_mw=0.0, month_peak_mw=0.0, missed_ticks=0, dropped_plans=0, quality={},
        values={
            "WF": {"available_mw": float(plan.series["WF"]["available_mw"][0]) + 7.0},
            "LD_ZN": {"p_mw": -float(plan.series["LD_ZN"]["load_mw"][0]) - 3.0},
        },
        setpoints={"BESS1": {"p_mw": float(plan.series["BESS1"]["p_mw"][0]) + 2.0}},
    )  # fmt: skip
    free = {
        **plan.series["WF"],
        "curtailed_mw": np.zeros(plan.steps),
        "p_mw": plan.series["WF"]["available_mw"],
    }
    calm = replace(plan, series={**plan.series, "WF": free})
    found = unforeseen_mw(park, calm, 0, at)
    assert found == pytest.approx({"WF": 7.0, "LD_ZN": -3.0, "BESS1": 2.0})
    shed = replace(at, values={"LD_ZN": {"p_mw": -1.0}})
    found = unforeseen_mw(park, calm, 0, shed, {"LD_ZN"})["LD_ZN"]
    assert planned_mw(plan.series["LD_ZN"], 0) + found == pytest.approx(-1.0)
    capped = {**free, "curtailed_mw": np.full(plan.steps, 5.0)}
    assert unforeseen_mw(park, replace(plan, series={**plan.series, "WF": capped}), 0, at)["WF"] == 0.0


def test_a_planned_cut_is_a_share_of_the_demand_that_comes(park, plan):
    """90 MW come where 100 were forecast: a trim cuts no more of them than its share, a breaker its part."""
    load = replace(
        park.loads["LD_ZN"],
        continuous_modulation_share=0.4,
        interruptible_share=0.4,
        blocks=4,
        rebound_share=0.0,
    )
    park = replace(park, loads={"LD_ZN": load}, resources={})
    at = LoggedSnapshot(
        at=plan.start, rate=1.0, cycle=1, epoch=1, plan_id=plan.id, following="plan", tie_mean_mw=0.0,
        tie_limit_mw=0.0, month_peak_mw=0.0, missed_ticks=0, dropped_plans=0, quality={}, setpoints={},
        values={"LD_ZN": {"p_mw": -54.0, "trimmed_mw": 36.0}},
    )  # fmt: skip
    steps = np.ones(plan.steps)
    trimmed = {"p_mw": -60 * steps, "load_mw": 100 * steps, "modulated_mw": 40 * steps, "shed_mw": 0 * steps}
    found = unforeseen_mw(park, replace(plan, series={"LD_ZN": trimmed}), 0, at)["LD_ZN"]
    assert found == pytest.approx(6.0), "all of the difference to -60 MW"
    opened = {"p_mw": -80 * steps, "load_mw": 100 * steps, "shed_mw": 20 * steps, "open_blocks": 2 * steps}
    at = replace(at, values={"LD_ZN": {"p_mw": -72.0, "breakers": 3.0}})
    assert unforeseen_mw(park, replace(plan, series={"LD_ZN": opened}), 0, at)["LD_ZN"] == pytest.approx(8.0)
    at = replace(at, values={"LD_ZN": {"p_mw": -90.0, "breakers": 0.0}})
    found = unforeseen_mw(park, replace(plan, series={"LD_ZN": opened}), 0, at)["LD_ZN"]
    assert found == pytest.approx(8.0), "a breaker that did not open is the load's own deviation"


def test_a_load_is_under_a_shed_until_a_plan_knows_that_it_is_back():
    t = [datetime(2026, 3, 17, 9, minute, tzinfo=timezone.utc) for minute in range(0, 60, 10)]
    ordered = Ordered()
    ordered.restored("LD_PUB", 1, t[0])
    ordered.shed("LD_ZN", 0b11, t[1])
    assert ordered.loads(t[0], t[0]) == set()
    assert ordered.loads(t[2], t[0]) == ordered.loads(t[5], t[4]) == {"LD_ZN"}
    ordered.restored("LD_ZN", 2, t[2])
    assert ordered.loads(t[5], t[4]) == {"LD_ZN"}
    ordered.restored("LD_ZN", 1, t[3])
    ordered.restored("LD_ZN", 1, t[5])
    assert ordered.loads(t[4], t[2]) == {"LD_ZN"}
    assert ordered.loads(t[5], t[4]) == set()
