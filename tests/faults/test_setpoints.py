"""Device faults D6, D7, D11 to D13, D15, D16, D18 to D21: what becomes of a setpoint and its device."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from controllers.acting.build import build_control
from controllers.acting.cycle import Control
from hil import faults
from hil.loopback import LoopbackField
from hil.rig import Rig
from hil.scenario import QUIET
from vpp.clock import SimulatedClock
from vpp.journal import Journal, read
from vpp.link import PlanOffer
from vpp.types import Certificate, Mode, ModeOrder, Plan, PlanLabel, PlantState, Quality, Snapshot

START = datetime(2026, 3, 17, 4, 0, tzinfo=timezone.utc)
SPELL = {"at_min": 0.5, "for_min": 0.5}
FAULT_S, OVER_S = 30, 60


class Plant:
    """A rig in memory under one fault, and control that follows a plan of one battery power."""

    def __init__(self, park, journal, clock, *events) -> None:
        self.park, self.clock, self.log = park, clock, []
        scenario = replace(QUIET, events=events)
        note = lambda at, record: self.log.append({"at": at, **record})  # noqa: E731
        self.rig = Rig(park, START, 3, scenario, note=note)
        self.control: Control = build_control(park, LoopbackField(self.rig, clock), clock, journal, epoch=7)
        self.journal = journal

    async def follow(self, p_mw: float) -> None:
        assert (await self.control.take(offer(self.park, self.clock.plant_now(), p_mw))).accepted

    async def until(self, second: int, dt_s: float = 1.0) -> Snapshot:
        while self.clock.true_s() < second:
            self.clock.advance(dt_s)
            snapshot = await self.control.cycle()
        return snapshot

    def life(self, folder, device="BESS1") -> list[str]:
        """Every stage that the journal holds of a device, in order."""
        self.journal.sync()
        rows = [row for record in read(folder) if record.kind == "setpoint" for row in record.value]
        return [stage for row in rows if row[0] == device for stage in row[3]]

    def writes(self, since: int) -> list[Mapping[str, object]]:
        own = [row for row in self.log if row.get("device") == "BESS1" and row["event"] == "write"]
        return [w for w in own if w["at"] >= START + timedelta(seconds=since) and w["epoch"] == 7]


def offer(park, now, battery_mw):
    power = {
        "WF": 100.0,
        "PV": 60.0,
        "DPV": 6.0,
        "CAES1": -0.6,
        "BESS1": battery_mw,
        "ALK1": -30.0,
        "H2S": -0.5,
    }
    one, zero = np.ones(8), np.zeros(8)
    series = {name: {"p_mw": p * one, "q_mvar": zero} for name, p in power.items()}
    for name in ("WF", "PV", "DPV"):
        series[name] |= {"available_mw": series[name]["p_mw"], "curtailed_mw": zero}
    series["BESS1"]["reversion_mw"] = 2.5 * one
    series["H2S"]["delivery_kg_per_h"] = zero
    series["tie"] = {"import_mw": 40.0 * one, "export_mw": zero}
    certificate = Certificate(
        ok=True, violations=(), checked_rules=(), max_vm_pu=1.0, min_vm_pu=1.0, max_loading_percent=50.0,
        max_balance_error_mw=0.0, cut_rounds=1,
    )  # fmt: skip
    plan = Plan(
        id=f"plan-{now:%H%M%S}", park="small10", made_at=now, start=START, step_min=15, steps=8,
        valid_until=now + timedelta(hours=2), label=PlanLabel.OPTIMAL, status="", gap=0.0, cost_cny=0.0,
        cost_breakdown_cny={}, series=series, curtailment_cause={}, vm_pu={}, loading_percent={},
        initial=PlantState(at=now, resources={}, calls={}, month_peak_mw=0.0), relaxations=(),
        certificate=certificate, solve_s=0.0,
    )  # fmt: skip
    true_s = (now - START).total_seconds()
    return PlanOffer(plan=plan, sensitivities=(), started_true_s=true_s, deadline_s=4.0)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "journal"


@pytest.fixture
def plant(park, folder):
    journals = []

    def made(*events) -> Plant:
        clock = SimulatedClock(START)
        journals.append(Journal(folder, clock))
        return Plant(park, journals[-1], clock, *events)

    yield made
    for journal in journals:
        journal.close()


def alarms(snapshot):
    return {alarm.id: alarm.text for alarm in snapshot.alarms}


async def test_a_value_that_is_done_is_told_once_from_created_to_metered(plant, folder):
    here = plant()
    await here.follow(20.0)
    snapshot = await here.until(30)
    assert snapshot.setpoints["BESS1"].reversion_mw == 2.5, "the plan says where it reverts to"
    stages = here.life(folder)
    assert {"created", "sent", "acknowledged", "read_back", "metered", "superseded"} >= set(stages)
    assert "metered" in stages
    created = stages.count("created")
    assert stages.count("sent") == created
    assert stages.count("acknowledged") == created


@pytest.mark.parametrize("code", [1, 6])
async def test_d6_d7_a_refused_command_has_failed_with_its_code_and_is_metered_once_it_is_taken(
    plant, folder, code
):
    here = plant(faults.Refuses(endpoint="BESS1", code=code, **SPELL))
    await here.follow(20.0)
    await here.until(FAULT_S - 1)
    await here.follow(-10.0)
    during = await here.until(OVER_S - 1)
    assert "refused its command" in alarms(during)["write:BESS1"]
    assert here.writes(FAULT_S) == []
    assert "failed" in here.life(folder)
    after = await here.until(OVER_S + 20)
    assert "write:BESS1" not in alarms(after)
    assert here.writes(OVER_S)
    assert "metered" in here.life(folder)[-20:]


async def test_d11_who_acknowledges_and_does_nothing_is_found_out_within_three_cycles(plant):
    here = plant(faults.Deaf(resource="BESS1", **SPELL))
    await here.follow(0.0)
    await here.until(FAULT_S + 2)
    await here.follow(-30.0)
    cycles = 3
    seen_s = 2  # the command goes out in the next cycle, the meter can show it in the one after
    found = await here.until(FAULT_S + 2 + seen_s + cycles)
    assert "BESS1 does not follow" in alarms(found)["not_following:BESS1"]
    assert found.derated["BESS1"][0] > 10.0, "the next plan asks it for no more"
    assert found.setpoints["BESS1"].p_mw > 10.0, "nor does control"


async def test_d12_who_gives_less_is_asked_for_that_and_then_for_more_again(plant):
    here = plant(faults.Clips(resource="BESS1", high_mw=8.0, at_min=0.5, for_min=3.0))
    await here.follow(30.0)
    found = await here.until(FAULT_S + 25)
    low, high = found.derated["BESS1"]
    assert high == pytest.approx(8.0, abs=1.0)
    assert low == here.park.resources["BESS1"].p_min_mw, "charging is another matter"
    assert found.setpoints["BESS1"].p_mw == pytest.approx(8.0, abs=1.0)
    assert "not_following:BESS1" in alarms(found)
    later = await here.until(FAULT_S + 1590, dt_s=30.0)
    assert later.setpoints["BESS1"].p_mw == pytest.approx(30.0, abs=3.0), "the limit has opened"
    last = await here.until(FAULT_S + 2190, dt_s=30.0)
    assert "BESS1" not in last.derated
    assert "not_following:BESS1" not in alarms(last), "it follows again"


async def test_an_operator_who_puts_a_device_to_auto_has_looked_at_it(plant):
    here = plant(faults.Clips(resource="BESS1", high_mw=8.0, **SPELL))
    await here.follow(30.0)
    assert "BESS1" in (await here.until(FAULT_S + 25)).derated
    await here.until(OVER_S + 1)
    order = ModeOrder(
        id="m1", device="BESS1", mode=Mode.AUTO, expires_at=here.clock.plant_now() + timedelta(minutes=1)
    )
    assert (await here.control.take(order)).accepted
    after = await here.until(OVER_S + 20)
    assert after.derated == {}
    assert after.setpoints["BESS1"].p_mw > 15.0


async def test_d19_a_device_in_local_control_gets_no_writes_and_the_plan_takes_it_as_it_stands(plant):
    here = plant(faults.Local(resource="BESS1", **SPELL))
    await here.follow(20.0)
    found = await here.until(FAULT_S + 25)
    assert here.writes(FAULT_S + 2) == []
    assert "local control" in alarms(found)["status:BESS1"]
    low, high = found.derated["BESS1"]
    assert low == high == pytest.approx(found.readings["BESS1"].values["p_mw"])
    await here.until(OVER_S + 10)
    assert here.writes(OVER_S)


async def test_d20_a_restarted_device_is_commanded_anew_from_where_it_stands(plant, folder):
    here = plant(faults.Restart(resource="BESS1", at_min=0.5, for_min=0.05))
    await here.follow(20.0)
    after = await here.until(FAULT_S + 40)
    assert "lost" in here.life(folder)
    assert "metered" in here.life(folder)[-20:]
    assert after.readings["BESS1"].values["p_mw"] == pytest.approx(20.0, abs=3.0)


async def test_d21_another_masters_value_is_alarmed_and_control_lets_go_until_it_is_over(plant, folder):
    here = plant(faults.Foreign(resource="BESS1", p_mw=-15.0, every_s=10.0, **SPELL))
    await here.follow(20.0)
    found = await here.until(FAULT_S + 25)
    assert "another master" in alarms(found)["foreign:BESS1"]
    assert len(here.writes(FAULT_S + 3)) == 0, "two masters do not fight"
    assert "foreign" in here.life(folder)
    assert found.derated["BESS1"][0] == found.derated["BESS1"][1]
    # its timer runs out once nobody writes any more; then control takes it back
    after = await here.until(OVER_S + 200, dt_s=4.0)
    assert "foreign:BESS1" not in alarms(after)
    assert here.writes(OVER_S)
    assert after.readings["BESS1"].values["p_mw"] == pytest.approx(20.0, abs=3.0)


async def test_d13_d15_d16_what_cannot_be_true_is_bad_and_its_device_gets_no_command(plant):
    void = faults.Void(endpoint="BESS1", points=("p_mw",), **SPELL)
    scale = faults.Rescaled(endpoint="WF", points=("p_mw",), exponent=2, **SPELL)
    still = faults.Frozen(endpoint="PV", **SPELL)
    here = plant(void, scale, still)
    await here.follow(20.0)
    found = await here.until(FAULT_S + 20)
    told = alarms(found)
    assert "shows no number" in told["silent:BESS1"]
    assert "scale" in told["silent:WF"]
    assert "heartbeat stands still" in told["silent:PV"]
    assert {found.readings[name].quality for name in ("BESS1", "WF", "PV")} == {Quality.BAD}
    assert here.writes(FAULT_S + 2) == []
    after = await here.until(OVER_S + 10)
    assert not {"silent:BESS1", "silent:WF", "silent:PV"} & set(alarms(after))


async def test_d18_a_store_whose_charge_jumps_is_not_discharged(plant):
    here = plant(faults.SocShown(resource="BESS1", soc_pct=12.0, **SPELL))
    await here.follow(20.0)
    found = await here.until(FAULT_S + 15)
    assert "has jumped" in alarms(found)["charge:BESS1"]
    assert found.setpoints["BESS1"].p_mw <= 0.0
    assert found.derated["BESS1"][1] == 0.0, "nor does the next plan discharge it"
    later = await here.until(OVER_S + 1200, dt_s=20.0)
    assert later.derated == {}


async def test_d14_values_that_are_frozen_are_belied_by_the_energy_counter(plant):
    here = plant(faults.Frozen(endpoint="BESS1", heartbeat=True, at_min=0.5, for_min=4.0))
    await here.follow(20.0)
    await here.until(FAULT_S - 1)
    await here.follow(-20.0)
    found = await here.until(FAULT_S + 120)
    assert "are frozen" in alarms(found)["silent:BESS1"]
    assert found.readings["BESS1"].quality is Quality.BAD
    assert here.writes(FAULT_S + 110) == []
    after = await here.until(FAULT_S + 260)
    assert "silent:BESS1" not in alarms(after)
    assert here.writes(FAULT_S + 240)


async def test_d17_a_power_of_the_wrong_sign_or_beyond_the_name_plate_gets_no_command(plant):
    here = plant(faults.Inverted(endpoint="WF", at_min=0.0, for_min=60.0))
    await here.follow(20.0)
    found = await here.until(15)
    assert f"shows p_mw = {found.readings['WF'].values['p_mw']:.6g}" in alarms(found)["silent:WF"]
    written = {row["device"] for row in here.log if row["event"] == "write"}
    assert "PV" in written
    assert "WF" not in written


async def test_d17_a_device_that_goes_the_other_way_is_taken_out_until_somebody_has_looked(plant):
    here = plant(faults.Inverted(endpoint="BESS1", at_min=0.0, for_min=1.0))
    await here.follow(20.0)
    found = await here.until(OVER_S - 10)
    assert "the sign of p_mw" in alarms(found)["silent:BESS1"]
    assert here.writes(OVER_S - 30) == []
    later = await here.until(OVER_S + 30)
    assert "silent:BESS1" in alarms(later)
    order = ModeOrder(
        id="m1", device="BESS1", mode=Mode.AUTO, expires_at=here.clock.plant_now() + timedelta(minutes=1)
    )
    assert (await here.control.take(order)).accepted
    after = await here.until(OVER_S + 60)
    assert "silent:BESS1" not in alarms(after)
    assert after.readings["BESS1"].values["p_mw"] == pytest.approx(20.0, abs=3.0)
