"""A made-up day whose every figure is known by hand, and what text, JSON and page say of it."""

import dataclasses
import json
import math
from datetime import date, timedelta
from itertools import islice

import numpy as np
import pytest

from vpp.clock import SimulatedClock
from vpp.errors import InvalidInput
from vpp.journal import Journal, SnapshotLog, snapshots
from vpp.park import load_park
from vpp.reports.day_cost import day_costs, energy_by_period
from vpp.reports.day_flows import Flows, planned_flows
from vpp.reports.day_meter import DayMeter, cut_mw
from vpp.reports.day_mix import THERMAL_KG_PER_KWH, mix
from vpp.reports.day_report import day_bounds, day_report, last_day
from vpp.reports.day_text import to_text, write_day_report
from vpp.reports.metered_limits import feed_mva
from vpp.types import Following, Mode, ParkMode, Quality, Reading, Setpoint, Snapshot, Source

DAY = date(2026, 3, 15)
TICK_S = 60
COLD = 390
"""CNY per MW of a cold start."""


def setpoint(device, p_mw, at):
    return Setpoint(
        device=device, p_mw=p_mw, q_mvar=0.0, h2_kg_per_h=0.0, p_min_mw=0.0, p_max_mw=100.0, epoch=1,
        sequence=1, issued_at=at, ttl_s=60.0, reversion_mw=0.0, reversion_s=60.0, source=Source.PLAN,
    )  # fmt: skip


def values_at(hours):
    """What the plant meters at an hour of the day.

    Import 100 MW, 130 in the quarter hour from 3:00. Wind 40 of 50 available. Battery: 10 MW of the
    converter out from 6:00 to 8:00, 10 MW in from 12:00 to 14:00. One of four breakers of the zinc smelter
    open from 9:00 to 10:00, 4 MW of it trimmed from 11:00 to 12:00. The electrolyser has a second stack on
    from 2:00, from standby, and a third from 15:00, from cold. 100 kg/h of hydrogen made and delivered.
    """
    battery = 10.0 if 6 <= hours < 8 else -10.0 if 12 <= hours < 14 else 0.0
    held = 40.0 - 10.58 * min(max(hours - 6, 0), 2) + 9.45 * min(max(hours - 12, 0), 2)
    on, warm = (3.0, 3.0) if hours >= 15 else (2.0 if hours >= 2 else 1.0, 2.0)
    zinc = {"p_mw": -50.0, "breakers": 0.0, "trimmed_mw": 0.0}
    if 9 <= hours < 10:
        zinc |= {"p_mw": -42.5, "breakers": 1.0}
    if 11 <= hours < 12:
        zinc |= {"p_mw": -46.0, "trimmed_mw": 4.0}
    return {
        "WF": {"p_mw": 40.0, "available_mw": 50.0, "status": 1.0},
        "PV": {"p_mw": 0.0, "available_mw": 0.0, "status": 1.0},
        "DPV": {"p_mw": 0.0, "available_mw": 0.0, "status": 3.0 if hours < 6 else 1.0},
        "CAES1": {"p_mw": -0.6, "e_mwh": 200.0, "starts_turbine": 1.0 if hours >= 7 else 0.0, "trains": 0.0},
        "BESS1": {"p_mw": battery - 0.32, "e_mwh": held},
        "ALK1": {"p_mw": -5.0, "h2_kg_per_h": 100.0, "on_stacks": on, "warm_stacks": warm},
        "H2S": {"p_mw": -0.1, "h2_kg": 2500.0, "delivered_kg": 100.0 * hours},
        "LD_ZN": zinc,
        "FDR": {"p_mw": 16.0 if 10 <= hours < 11 else 8.0, "q_mvar": 0.0, "vm_pu": 1.0},
        "TIE": {"p_mw": 130.0 if 3 <= hours < 3.25 else 100.0, "vm_pu": 1.12 if 5 <= hours < 5.2 else 1.03},
    }  # fmt: skip


@pytest.fixture(scope="module")
def journal(park, plan, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "journal"
    clock = SimulatedClock(plan.start)
    journal = Journal(folder, clock)
    log = SnapshotLog(journal)
    journal.append("start", {"park": park.name, "epoch": 1})
    journal.append("plan", plan)
    for n in range(24 * 60 + 1):
        hours, now = n * TICK_S / 3600, clock.plant_now()
        silent = "CAES1" if 20 <= hours < 23 else ""
        readings = {
            name: Reading(
                values=row, quality=Quality.BAD if name == silent else Quality.GOOD, read_at=now, age_s=0.0
            )
            for name, row in values_at(hours).items()
        }
        log.append(
            Snapshot(
                cycle=n, at=now, true_s=clock.true_s(), rate=1.0, epoch=1, readings=readings,
                setpoints={"WF": setpoint("WF", 40.0, now)}, modes={"WF": Mode.AUTO},
                park_mode=ParkMode.CONNECTED, following=Following.PLAN, plan_id=plan.id,
                plan_made_at=plan.made_at, next_replan_at=None, tie_mean_mw=100.0, tie_limit_mw=120.0,
                orders=(), open_blocks={}, calls={}, starts={}, alarms=(),
                month_peak_mw=95.0 if hours < 3.25 else 130.0, missed_ticks=0, dropped_plans=0,
            )
        )  # fmt: skip
        clock.advance(TICK_S)
    journal.close()
    return folder


@pytest.fixture(scope="module")
def made(park, journal):
    return day_report(park, journal, DAY)


@pytest.fixture(scope="module")
def report(made):
    return made.report


def cost(report, name):
    return next(item.metered_cny for item in report.costs if item.name == name)


def test_import_is_billed_by_the_period_of_its_hour(report):
    """March: valley 8 h at 301, peak 8 h at 711, flat 8 h at 479; 7.5 MWh more in the valley."""
    by_name = {p.name: p for p in report.periods}
    assert by_name["valley"].metered_mwh == pytest.approx(807.5)
    assert by_name["peak"].metered_mwh == by_name["flat"].metered_mwh == pytest.approx(800.0)
    assert cost(report, "energy") == pytest.approx(807.5 * 301 + 800 * 711 + 800 * 479)


def test_the_demand_charge_is_what_the_day_adds_to_the_peak_of_the_month(report):
    """130 MW against the 100 that the contract expects: 30 MW x 31.2 CNY/kW."""
    assert report.tie.peak_mean_mw == pytest.approx(130.0)
    assert cost(report, "demand_charge") == pytest.approx(30 * 31.2 * 1000)
    assert report.month_peak_mw == pytest.approx(130.0)


def test_what_leaves_the_band_around_the_declared_curve_is_paid_for(park, report, plan):
    """Declared 100 MW, band 5 %: 130 MW for a quarter hour is 25 MW outside, at half the price."""
    assert report.outside_mwh == pytest.approx(25.0 / 4)
    assert cost(report, "deviation") == pytest.approx(25.0 / 4 * 301 * 0.5)
    off = np.abs(plan.series["tie"]["import_mw"] - 100.0)
    assert report.planned_outside_mwh == pytest.approx(float(np.maximum(0.0, off - 5.0).sum()) / 4)
    assert "declared curve: 6.25 MWh" in " ".join(to_text(report).split())


def test_carbon_wear_starts_and_curtailment_by_hand(report):
    assert cost(report, "carbon") == pytest.approx(2407.5 * 0.6849 * 80)
    assert cost(report, "degradation") == pytest.approx(20 * 110)
    # a turbine, a stack of 5 MW from standby, one from cold
    assert cost(report, "starts") == pytest.approx(6000 + 40 * 5 + COLD * 5)
    assert cost(report, "curtailment") == pytest.approx(240 * 270)


def test_a_machine_that_spins_for_voltage_wears(park):
    """An hour as synchronous condenser, as the plan bills it."""
    spun = flows(condenser_h={"CAES1": [0.25] * 4}, discharge={"CAES1": [0.0] * 4})
    wear = park.devices["CAES1"].params.condenser.wear_cny_per_h
    assert day_costs(park, spun, math.nan, 95.0, np.zeros(4))["degradation"] == pytest.approx(wear)


def test_hydrogen_sold_and_owed(report):
    """2,400 kg of the 6,000 owed."""
    assert report.hydrogen_made_kg == pytest.approx(2400)
    assert report.hydrogen_delivered_kg == pytest.approx(2400)
    assert cost(report, "hydrogen") == pytest.approx(3600 * 40 - 2400 * 16)


def test_stores_cost_what_it_takes_to_put_back_what_they_lost(report):
    """40 MWh at the begin, 40 - 21.16 + 18.9 at the end; cheapest hours 301 + 0.6849 x 80, / 0.945."""
    assert cost(report, "stores") == pytest.approx(2.26 * (301 + 0.6849 * 80) / 0.945, rel=1e-4)


def test_each_curtailed_mwh_has_one_cause(report):
    """Of 240 MWh the plan curtails three quarter hours for a branch, control the rest."""
    found = {c.cause: c.metered_mwh for c in report.curtailed}
    assert sum(found.values()) == pytest.approx(240)
    assert found["branch:T_MAIN_1"] == pytest.approx(7.5)
    assert found["control"] == pytest.approx(232.5)


def test_cycles_count_the_energy_taken_from_the_store(report):
    battery = next(s for s in report.storage if s.id == "BESS1")
    assert (battery.charged_mwh, battery.discharged_mwh) == pytest.approx((20, 20))
    assert battery.cycles == pytest.approx(20 / 0.945 / 80)


def test_limits_are_counted_by_their_own_rule(report):
    """The tie by the quarter hour's mean, 10 MW over 120; 220 kV for 12 min 0.02 pu over its band."""
    found = {b.limit: b for b in report.breaches}
    tie, volts = found["tie_import"], found["voltage:GRID220"]
    assert (tie.count, tie.depth, tie.duration_s) == (1, pytest.approx(10.0), 900)
    assert (volts.count, volts.depth, volts.duration_s) == (1, pytest.approx(0.02, abs=1e-6), 720)
    assert found["tie_export"].count == 0


def test_a_feeder_is_judged_by_the_current_of_what_feeds_it(park, report):
    """Two cables of 0.416 kA at 10 kV carry 14.41 MVA; 16 MVA for an hour is 111 %."""
    assert feed_mva(park, "FDR10") == pytest.approx(3**0.5 * 10 * 0.832)
    assert feed_mva(park, "PUB10") == pytest.approx(50.0)
    feed = next(b for b in report.breaches if b.limit == "feed:FDR10")
    assert (feed.count, feed.unit, feed.duration_s) == (1, "%", 3600)
    assert feed.depth == pytest.approx(16 / 14.4107 * 100 - 100, rel=1e-4)


def test_shed_energy_is_what_stood_behind_the_open_breakers_and_what_was_trimmed(park, report):
    """60 % in four blocks: 15 % of 50 MW for an hour, one block closes again; 4 MW trimmed for an hour."""
    assert report.shed_mwh == pytest.approx(11.5)
    assert report.trimmed_mwh == pytest.approx(4.0)
    assert cost(report, "interruption") == pytest.approx(11.5 * 1800 + 8100)
    assert cut_mw(park.loads["LD_ZN"], -38.5, 0b1, 4.0) == pytest.approx(11.5)
    assert cut_mw(park.loads["LD_ZN"], -42.5, 0b1) == pytest.approx(7.5)
    assert cut_mw(park.loads["LD_ESS"], -3.0, 0) == 0.0


def test_who_was_silent_or_did_not_obey_is_named_with_its_share(report):
    found = {a.id: a for a in report.availability}
    assert found["CAES1"].answered == pytest.approx(21 / 24)
    assert (found["DPV"].answered, found["DPV"].able) == pytest.approx((1.0, 0.75))
    assert found["WF"].able == pytest.approx(1.0)


def test_who_meters_no_power_is_known_to_answer_too(park, plan, journal):
    """A station's RTU tells of branches alone."""
    meter = DayMeter(park=park, plans={}, start=plan.start, bins=4)
    for cycle in islice(snapshots(journal), 2):
        meter.take(
            dataclasses.replace(cycle, values={"FDR": {"closed:L1": 1.0}}, quality={"FDR": Quality.GOOD})
        )
    assert meter.answered_s["FDR"] == meter.able_s["FDR"] == TICK_S


def test_the_plan_is_integrated_over_the_time_it_was_followed(report, plan, made):
    hours = 0.25
    assert made.planned.total("import") == pytest.approx(float(plan.series["tie"]["import_mw"].sum()) * hours)
    assert made.planned.total("made_kg") == pytest.approx(float(plan.series["ALK1"]["h2_kg"].sum()))
    wind = next(f for f in report.forecasts if f.kind == "wind")
    assert wind.bias_mw == pytest.approx(float(plan.series["WF"]["available_mw"].mean()) - 50.0)
    assert report.labels_s == {"relaxed": 86400.0}


def flows(bins=4, **series):
    known = {quantity: {n: np.array(v, float) for n, v in rows.items()} for quantity, rows in series.items()}
    return Flows(
        start=day_bounds(load_park("small10"), DAY)[0],
        bins=bins,
        seconds=np.full(bins, 900.0),
        series=known,
        content={"BESS1": (0.0, 0.0)},
        starts={},
    )


def test_a_store_gives_the_mix_it_was_charged_with(park):
    """10 MWh of wind and 10 of import, half of them stored; later the store gives 0.945^2 x 10 alone."""
    grid = park.contracts.carbon.grid_kg_per_kwh
    given = 10 * 0.945 * 0.945
    day = flows(
        fed={"WF": [10, 0, 0, 0], "BESS1": [0, 0, given, 0]},
        charge={"BESS1": [10, 0, 0, 0]},
        discharge={"BESS1": [0, 0, given, 0]},
        **{"import": {"tie": [10, 0, 0, 0]}},
    )
    found = mix(park, day)
    assert found.carbon_t == pytest.approx([5 * grid, 0, 5 * grid, 0])
    assert found.fossil_mwh == pytest.approx(
        [5 * grid / THERMAL_KG_PER_KWH, 0, 5 * grid / THERMAL_KG_PER_KWH, 0]
    )
    assert found.supplied_mwh == pytest.approx([10, 0, given, 0])
    assert found.direct_t == pytest.approx(float(found.carbon_t.sum()) + found.stock_t)
    share, carbon = found.hourly()
    assert carbon == pytest.approx([10 * grid])
    assert share == pytest.approx([1 - 10 * grid / THERMAL_KG_PER_KWH / (10 + given)])


def test_carbon_is_neither_lost_nor_made_in_a_store(made):
    assert made.mix.direct_t == pytest.approx(float(made.mix.carbon_t.sum()) + made.mix.stock_t)
    assert 0 < made.mix.share < 1


def test_what_is_unknown_costs_nothing_and_owes_nothing(park):
    """An hour known: the day's hydrogen is not judged by it, a mean that is nan adds no peak."""
    costs = day_costs(park, flows(), math.nan, 95.0, np.zeros(4))
    assert all(value == 0.0 for value in costs.values())
    assert sum(mwh for mwh, _ in energy_by_period(park, flows()).values()) == 0.0


def test_no_plan_in_force_gives_no_planned_flows(park):
    empty = planned_flows(park, {}, {}, day_bounds(park, DAY)[0], 96)
    assert empty.total("import") == 0.0
    assert empty.known_h == 0.0


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25)])
def test_a_day_is_as_long_as_its_zone_makes_it(park, day, hours):
    berlin = dataclasses.replace(park, site=dataclasses.replace(park.site, zone="Europe/Berlin"))
    start, end = day_bounds(berlin, day)
    assert end - start == timedelta(hours=hours)


def test_a_day_without_a_cycle_is_refused_in_words(park, journal):
    with pytest.raises(InvalidInput, match="no cycle of 2026-03-20"):
        day_report(park, journal, date(2026, 3, 20))
    # its last cycle is the midnight that ends the day
    assert last_day(park, journal) == DAY + timedelta(days=1)


def test_text_json_and_page(park, journal, report, tmp_path):
    paths = write_day_report(park, journal, DAY, tmp_path / "out")
    text = paths.text.read_text()
    assert text == to_text(report) + "\n"
    assert max(map(len, text.splitlines())) <= 80
    # wind: fed 40 MW of 50 available, so its own deviation is told apart from the weather's
    (wind,) = (line for line in text.splitlines() if line.startswith("WF "))
    assert wind.endswith("%")
    for word in (
        "net: deviation without",
        "demand charge",
        "valley",
        "branch:T_MAIN_1 7.5",
        "voltage:GRID220: over once",
    ):
        assert word in text
    data = json.loads(paths.json.read_text())
    assert (data["format"], data["version"], data["date"]) == ("yuanwang.day", 1, "2026-03-15")
    page = paths.html.read_text()
    assert page.count("<svg") == 5
    assert "nan" not in page.replace("dominant", "").lower().split("<svg")[0]
    assert "http" not in page.replace("http://www.w3.org", "").replace("https://www.w3.org", "")


def test_a_plan_of_another_version_is_counted_and_not_compared(park, plan, tmp_path):
    clock = SimulatedClock(plan.start)
    journal = Journal(tmp_path / "journal", clock)
    journal.append("plan", {"id": plan.id, "steps": 96})
    log = SnapshotLog(journal)
    for n in range(3):
        readings = {
            "TIE": Reading(values={"p_mw": 50.0}, quality=Quality.GOOD, read_at=plan.start, age_s=0.0)
        }
        log.append(
            Snapshot(
                cycle=n, at=clock.plant_now(), true_s=0.0, rate=1.0, epoch=1, readings=readings, setpoints={},
                modes={}, park_mode=ParkMode.CONNECTED, following=Following.PLAN, plan_id=plan.id,
                plan_made_at=plan.made_at, next_replan_at=None, tie_mean_mw=50.0, tie_limit_mw=120.0,
                orders=(), open_blocks={}, calls={}, starts={}, month_peak_mw=95.0, alarms=(),
                missed_ticks=0, dropped_plans=0,
            )
        )  # fmt: skip
        clock.advance(60)
    journal.close()
    found = day_report(park, tmp_path / "journal", DAY).report
    assert found.unread_plans == 1
    assert found.labels_s == {"none": 120.0}
    assert found.tie.peak_mean_mw == pytest.approx(50.0)
    assert "1 plans of another version" in to_text(found)
    assert max(map(len, to_text(found).splitlines())) <= 80
