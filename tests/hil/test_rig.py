"""The simulated plant: one world whatever the step, brains that revert, a grid that runpp confirms."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from hil.rig import Rig
from hil.scenario import Availability, Scenario, Silence, Slow, Trip
from vpp.clock import UTC
from vpp.park import Park

START = datetime(2026, 3, 10, 4, tzinfo=UTC)  # noon in the plant's zone


def scenario(*events: object) -> Scenario:
    return Scenario(name="test", start_local=None, duration_min=60, rates=(), events=events)  # type: ignore[arg-type]


class Log:
    """A device log in memory."""

    def __init__(self) -> None:
        self.lines: list[tuple[datetime, Mapping[str, object]]] = []

    def __call__(self, at: datetime, record: Mapping[str, object]) -> None:
        self.lines.append((at, record))

    def of(self, event: str) -> list[tuple[datetime, Mapping[str, object]]]:
        return [line for line in self.lines if line[1]["event"] == event]


def private(p_mw: float, *, epoch: int = 1, ttl_s: float = 60, reversion_s: float = 60) -> dict[str, float]:
    return {
        "setpoint_mw": p_mw,
        "setpoint_mvar": 0,
        "epoch": epoch,
        "sequence": 1,
        "ttl_s": ttl_s,
        "reversion_mw": 0,
        "reversion_s": reversion_s,
    }


SUNSPEC = {
    "setpoint_enable": 1.0,
    "setpoint_mode": 1.0,
    "setpoint_mw": 20.0,
    "reversion_mw": -5.0,
    "reversion_enable": 1.0,
    "reversion_total_s": 130.0,
}


def half_hour(park: Park, step_s: int, advance_s: int) -> Rig:
    """A half hour with every kind of command in it; commands fall on whole minutes."""
    rig = Rig(park, START, 7, step_s=step_s)
    commands: dict[int, dict[str, dict[str, float]]] = {
        0: {"CAES1": private(-70, ttl_s=3600), "ALK1": private(-40, ttl_s=3600)},
        5: {"BESS1": {**SUNSPEC, "reversion_total_s": 3600.0}, "WF": private(12, ttl_s=3600)},
        10: {"H2S": {**private(0, ttl_s=3600), "setpoint_h2_kg_per_h": 500.0}, "LD_ZN": {"block_1": 1.0}},
        20: {"BESS1": {**SUNSPEC, "setpoint_mw": -30.0, "reversion_total_s": 3600.0}},
    }
    for minute in range(30):
        for name, values in commands.get(minute, {}).items():
            rig.command(name, values, rig.now)
        end = rig.now + timedelta(minutes=1)
        while rig.now < end:
            rig.advance(rig.now + timedelta(seconds=advance_s))
    return rig


@pytest.fixture(scope="module")
def fine(park: Park) -> Rig:
    return half_hour(park, step_s=1, advance_s=60)


@pytest.mark.parametrize(("step_s", "advance_s"), [(10, 10), (10, 60), (60, 60)])
def test_energies_do_not_depend_on_the_step(park: Park, fine: Rig, step_s: int, advance_s: int) -> None:
    coarse = half_hour(park, step_s, advance_s)
    compared = 0
    for name in fine.endpoints:
        one, other = fine.image(name), coarse.image(name)
        for point in ("energy_in_mwh", "energy_out_mwh"):
            if one.get(point, 0.0) > 0.05:
                # a step of a minute cannot show a battery's reversal within it
                assert other[point] == pytest.approx(one[point], rel=0.003), (name, point)
                compared += 1
    assert compared > 10


def test_the_same_seed_gives_the_same_plant_and_another_seed_another(park: Park, fine: Rig) -> None:
    again = half_hour(park, step_s=1, advance_s=20)
    for name in fine.endpoints:
        assert again.image(name) == pytest.approx(fine.image(name), rel=1e-9)
    other = Rig(park, START, 8)
    same = Rig(park, START, 7)
    assert other.image("LD_ZN")["p_mw"] != same.image("LD_ZN")["p_mw"]


def test_the_grid_balances_at_the_tie(fine: Rig, park: Park) -> None:
    injected = sum(fine.image(name)["p_mw"] for name in (*park.resources, *park.loads))
    losses = fine.image("TIE")["p_mw"] + injected
    assert 0 < losses < 3


def test_plain_runpp_confirms_the_plant_once_per_plant_hour(park: Park) -> None:
    log = Log()
    rig = Rig(park, START, 7, step_s=60, note=log)
    rig.advance(START + timedelta(hours=3))
    assert [at for at, _ in log.of("runpp")] == [START + timedelta(hours=h) for h in range(4)]
    assert 0 < rig.cross_check_pu < 1e-6


def test_a_device_reverts_to_the_second_by_its_own_log(park: Park) -> None:
    log = Log()
    rig = Rig(park, START, 7, note=log)
    written = START + timedelta(seconds=17)
    rig.advance(START + timedelta(seconds=20))
    rig.command("BESS1", SUNSPEC, written)
    rig.command("ALK1", private(-30, ttl_s=60, reversion_s=45), written)
    rig.advance(written + timedelta(seconds=104))
    assert rig.image("BESS1")["p_mw"] == pytest.approx(20, abs=0.1)
    assert log.of("reverted") == []
    rig.advance(START + timedelta(minutes=5))
    reverted = {record["device"]: (at - written).total_seconds() for at, record in log.of("reverted")}
    assert reverted == {"ALK1": 105.0, "BESS1": 130.0}
    assert rig.image("BESS1")["p_mw"] == pytest.approx(-5, abs=0.1)
    assert rig.image("BESS1")["status"] == rig.image("ALK1")["status"] == 4


def test_a_repeated_command_keeps_a_device_from_reverting(park: Park) -> None:
    log = Log()
    rig = Rig(park, START, 7, note=log)
    for _ in range(10):
        rig.command("BESS1", SUNSPEC, rig.now)
        rig.advance(rig.now + timedelta(seconds=120))
    assert log.of("reverted") == []
    assert rig.image("BESS1")["status"] == 1


def test_an_order_of_q_alone_does_not_renew_the_trust_in_the_active_power(park: Park) -> None:
    log = Log()
    rig = Rig(park, START, 7, note=log)
    rig.command("BESS1", SUNSPEC, START)
    var = {"setpoint_var_enable": 1.0, "setpoint_var_mode": 4.0, "setpoint_var_priority": 1.0}
    rig.command("BESS1", {**var, "setpoint_mvar": 3.0}, START + timedelta(seconds=90))
    rig.advance(START + timedelta(minutes=3))
    assert [at - START for at, _ in log.of("reverted")] == [timedelta(seconds=130)]
    assert rig.image("BESS1")["q_mvar"] == pytest.approx(3.0, abs=0.1)


def test_a_new_command_ends_a_reversion(park: Park) -> None:
    rig = Rig(park, START, 7)
    rig.command("BESS1", SUNSPEC, rig.now)
    rig.advance(START + timedelta(minutes=5))
    rig.command("BESS1", SUNSPEC, rig.now)
    rig.advance(START + timedelta(minutes=6))
    assert rig.image("BESS1")["p_mw"] == pytest.approx(20, abs=0.1)


def test_an_older_epoch_is_fenced_off_and_logged(park: Park) -> None:
    log = Log()
    rig = Rig(park, START, 7, note=log)
    rig.command("WF", private(3, epoch=5, ttl_s=3600), START)
    rig.command("WF", private(9, epoch=4, ttl_s=3600), START)
    rig.advance(START + timedelta(minutes=2))
    assert rig.image("WF")["p_mw"] == pytest.approx(3, abs=0.05)
    assert (rig.image("WF")["epoch"], rig.image("WF")["setpoint_mw"]) == (5, 3)
    assert [record["epoch"] for _, record in log.of("fenced")] == [4]


@pytest.mark.parametrize(("endpoint", "point"), [("LD_ZN", "trim_mw"), ("A_CAP66", "setpoint_position")])
def test_a_trim_or_move_of_an_older_epoch_is_logged_as_fenced_off(
    park: Park, endpoint: str, point: str
) -> None:
    log = Log()
    rig = Rig(park, START, 7, note=log)
    for epoch, wanted in ((5, 1.0), (4, 0.0)):
        rig.command(endpoint, {point: wanted, "epoch": epoch, "sequence": 1, "ttl_s": 60}, START)
    assert rig.image(endpoint)[point] == 1.0
    rows = [(word, r["epoch"]) for word in ("write", "fenced") for _, r in log.of(word)]
    assert rows == [("write", 5), ("fenced", 4)]


def test_open_blocks_cut_their_part_after_the_breaker_s_time_and_the_tie_sees_it(park: Park) -> None:
    rig = Rig(park, START, 7)
    before, tie = rig.image("LD_ZN")["p_mw"], rig.image("TIE")["p_mw"]
    load = park.loads["LD_ZN"]
    rig.command("LD_ZN", {"block_1": 1.0, "block_2": 1.0}, START)
    rig.advance(START + timedelta(milliseconds=load.shed_time_ms - 1))
    assert (rig.image("LD_ZN")["p_mw"], rig.image("LD_ZN")["block_2"]) == (before, 1.0)
    rig.advance(START + timedelta(milliseconds=load.shed_time_ms))
    share = load.interruptible_share * 2 / load.blocks
    assert rig.image("LD_ZN")["p_mw"] == pytest.approx(before * (1 - share), rel=1e-9)
    assert rig.image("LD_ZN")["breakers"] == 0b11
    assert tie - rig.image("TIE")["p_mw"] == pytest.approx(-before * share, rel=0.05)


def test_drill_outputs_move_nothing(park: Park) -> None:
    rig = Rig(park, START, 7)
    before = rig.image("LD_ZN")["p_mw"]
    rig.command("LD_ZN", {"test_1": 1.0}, START)
    rig.advance(START + timedelta(seconds=0.9))
    assert rig.image("LD_ZN")["p_mw"] == before
    assert rig.image("LD_ZN")["test_1"] == 1.0
    assert rig.image("LD_ZN")["breakers"] == 0


def test_reclosed_blocks_come_back_with_a_rebound_that_ends(park: Park) -> None:
    rig = Rig(park, START, 7, step_s=10)
    calm = Rig(park, START, 7, step_s=10)
    rig.command("LD_ZN", {"block_1": 1.0}, START)
    for plant in (rig, calm):
        plant.advance(START + timedelta(minutes=5))
    rig.command("LD_ZN", {"block_1": 0.0}, rig.now)
    rig.advance(rig.now + timedelta(seconds=0.9))
    assert rig.image("LD_ZN")["p_mw"] < calm.image("LD_ZN")["p_mw"] < 0
    after = timedelta(minutes=6 + park.loads["LD_ZN"].restart_min)
    for plant in (rig, calm):
        plant.advance(START + after)
    assert rig.image("LD_ZN")["p_mw"] == calm.image("LD_ZN")["p_mw"]


def test_a_forecast_error_that_nobody_knew_comes_and_goes(park: Park) -> None:
    event = Availability(at_min=10, for_min=10, resource="WF", factor=0.5)
    changed, calm = Rig(park, START, 7, scenario(event), step_s=10), Rig(park, START, 7, step_s=10)
    ratio = {}
    for minute in (5, 15, 25):
        for rig in (changed, calm):
            rig.advance(START + timedelta(minutes=minute))
        ratio[minute] = changed.image("WF")["available_mw"] / calm.image("WF")["available_mw"]
    assert ratio == pytest.approx({5: 1.0, 15: 0.5, 25: 1.0})


def test_a_tripped_device_stands_at_zero_with_status_fault_until_it_is_ready(park: Park) -> None:
    log = Log()
    rig = Rig(park, START, 7, scenario(Trip(at_min=1, for_min=2, resource="PV")), note=log)
    rig.advance(START + timedelta(minutes=2))
    assert (rig.image("PV")["p_mw"], rig.image("PV")["status"]) == (0, 3)
    rig.advance(START + timedelta(minutes=4))
    assert rig.image("PV")["p_mw"] > 0
    assert [(at - START).total_seconds() for at, _ in (*log.of("trip"), *log.of("ready"))] == [60, 180]


def test_a_silent_endpoint_is_silent_for_its_minutes_only(park: Park) -> None:
    rig = Rig(park, START, 7, scenario(Silence(at_min=1, for_min=8, endpoint="CAES1")))
    seen = [rig.manner("CAES1", START + timedelta(seconds=s)).silence for s in (59, 60, 539, 540)]
    assert seen == [None, "mute", "mute", None]
    assert rig.manner("BESS1", START + timedelta(seconds=60)).silence is None


def test_a_rig_with_a_lead_lives_before_the_scenario_begins(park: Park) -> None:
    rig = Rig(park, START, 7, scenario(Silence(at_min=1, for_min=8, endpoint="CAES1")), lead_s=90.5)
    assert rig.now == START - timedelta(seconds=91)
    beats = []
    for ahead_s in (80, 40, 0):
        rig.advance(START - timedelta(seconds=ahead_s))
        beats.append(rig.image("WF")["heartbeat"])
    assert [b - a for a, b in pairwise(beats)] == [40, 40]
    assert rig.manner("CAES1", START).silence is None
    assert rig.manner("CAES1", START + timedelta(minutes=1)).silence == "mute"


def test_an_electrolyser_stands_warm_before_its_first_command(park: Park) -> None:
    rig = Rig(park, START, 7, step_s=10)
    rig.advance(START + timedelta(minutes=5))
    rig.command("ALK1", private(-40, ttl_s=9000), rig.now)
    rig.advance(START + timedelta(minutes=12))
    assert rig.image("ALK1")["on_stacks"] >= 1


def test_the_heartbeat_counts_plant_seconds(park: Park) -> None:
    rig = Rig(park, START, 7)
    beats = []
    for _ in range(3):
        rig.advance(rig.now + timedelta(seconds=5))
        beats.append(rig.image("TIE")["heartbeat"])
    assert [b - a for a, b in pairwise(beats)] == [5, 5]


def test_hydrogen_flows_from_the_electrolyser_through_the_store_to_the_pipeline(park: Park) -> None:
    rig = Rig(park, START, 7, step_s=10)
    rig.command("ALK1", private(-40, ttl_s=9000), START)
    rig.command("H2S", {**private(0, ttl_s=9000), "setpoint_h2_kg_per_h": 500.0}, START)
    rig.advance(START + timedelta(hours=2))
    store, electrolyser = rig.image("H2S"), rig.image("ALK1")
    assert electrolyser["h2_kg_per_h"] > 300
    assert store["delivered_kg"] == pytest.approx(1000, rel=0.01)
    made = store["h2_kg"] + store["delivered_kg"] - 2500
    assert made == pytest.approx(electrolyser["h2_made_kg"], rel=1e-6)
    assert store["energy_in_mwh"] > 0


def test_counters_of_today_start_again_at_local_midnight(park: Park) -> None:
    before_midnight = datetime(2026, 3, 10, 15, 50, tzinfo=UTC)
    rig = Rig(park, before_midnight, 7, step_s=10)
    rig.command("H2S", {**private(0, ttl_s=7200), "setpoint_h2_kg_per_h": 600.0}, before_midnight)
    rig.advance(before_midnight + timedelta(minutes=10))
    assert rig.image("H2S")["delivered_kg"] == pytest.approx(0, abs=2)
    rig.advance(before_midnight + timedelta(minutes=20))
    assert rig.image("H2S")["delivered_kg"] == pytest.approx(100, rel=0.02)


def test_a_slow_endpoint_is_slow_for_its_minutes_only(park: Park) -> None:
    rig = Rig(park, START, 7, scenario(Slow(at_min=1, for_min=1, endpoint="WF", latency_s=2)))
    seen = [rig.manner("WF", START + timedelta(seconds=s)).latency_s for s in (59, 60, 119, 120)]
    assert seen == [0, 2, 2, 0]
