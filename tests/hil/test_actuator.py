"""Banks, taps and Q of the plant: they take their time, may jam, and runpp sees them where they stand."""

from datetime import datetime, timedelta

import pytest

from hil import actuator
from hil.rig import Rig
from hil.scenario import Scenario, Stuck
from vpp.clock import UTC
from vpp.park import load_park

START = datetime(2026, 3, 10, 4, tzinfo=UTC)


def to(position, epoch=1, sequence=1):
    return {"setpoint_position": position, "epoch": epoch, "sequence": sequence}


def later(seconds):
    return START + timedelta(seconds=seconds)


def test_a_tap_changer_goes_step_by_step(park):
    state = actuator.command(actuator.at_rest(park, "A_T_MAIN_1", START), to(2.0), START)
    assert [actuator.position(state, later(s)) for s in (0, 5, 6, 13, 60)] == [-1, -1, 0, 1, 2]


def test_a_command_on_the_way_starts_from_where_it_stands(park):
    state = actuator.command(actuator.at_rest(park, "A_T_MAIN_1", START), to(5.0), START)
    turned = actuator.command(state, to(-1.0, sequence=2), later(13))
    assert actuator.position(turned, later(13)) == 1.0
    assert actuator.position(turned, later(60)) == -1.0


def test_positions_beyond_the_range_or_between_two_are_brought_to_one_of_it(park):
    rest = actuator.at_rest(park, "A_CAP66", START)
    for asked, stands in ((7.0, 2.0), (-1.0, 0.0), (1.2, 1.0)):
        state = actuator.command(rest, to(asked), START)
        assert actuator.position(state, later(60)) == stands


def test_an_older_epoch_is_fenced_off(park):
    state = actuator.command(actuator.at_rest(park, "A_CAP66", START), to(1.0, epoch=5), START)
    assert actuator.command(state, to(0.0, epoch=4), later(1)) is None


def test_a_statcom_answers_at_once():
    rest = actuator.at_rest(load_park("chifeng96"), "A_SVG_GPS", START)
    state = actuator.command(rest, to(-22.5), START)
    assert actuator.position(state, START) == -22.5


def test_the_tie_meter_sees_a_bank_and_runpp_confirms_it(park):
    rig = Rig(park, START, 1)
    rig.advance(later(60))
    before = rig.image("TIE")["q_mvar"]
    rig.command("A_CAP66", to(0.0), later(60))
    rig.advance(later(3700))
    assert rig.image("A_CAP66")["position"] == 0.0
    assert rig.image("TIE")["q_mvar"] - before == pytest.approx(30.0, abs=8.0)
    assert rig.cross_check_pu < 1e-6


def test_a_jammed_tap_stays_and_goes_on_when_it_is_free(park):
    stuck = Stuck(at_min=0.0, for_min=10.0, actuator="A_T_MAIN_2")
    rig = Rig(
        park, START, 1, Scenario(name="x", start_local=None, duration_min=60, rates=(), events=(stuck,))
    )
    rig.advance(later(1))
    rig.command("A_T_MAIN_2", to(3.0), later(1))
    rig.advance(later(300))
    assert rig.image("A_T_MAIN_2")["position"] == -1.0
    rig.advance(later(700))
    assert rig.image("A_T_MAIN_2")["position"] == 3.0


def private(p_mw, q_mvar):
    return {
        "setpoint_mw": p_mw,
        "setpoint_mvar": q_mvar,
        "epoch": 1,
        "sequence": 1,
        "ttl_s": 60,
        "reversion_mw": 0,
        "reversion_s": 60,
    }


def test_a_device_gives_the_q_it_is_told_inside_its_circle_and_holds_it_when_it_reverts(park):
    rig = Rig(park, START, 1)
    rig.advance(later(5))
    unled = rig.image("WF")
    assert unled["q_mvar"] == pytest.approx(-0.2 * unled["p_mw"], rel=0.01), "by its own rule before"
    rig.command("WF", private(100.0, 6.0), later(5))
    rig.advance(later(30))
    assert rig.image("WF")["q_mvar"] == pytest.approx(6.0, rel=0.01)
    rig.command("WF", private(100.0, 90.0), later(30))
    rig.advance(later(60))
    image = rig.image("WF")
    assert image["q_mvar"] == pytest.approx(image["p_mw"] * (1 / 0.95**2 - 1) ** 0.5, rel=0.01)
    sunspec = {"setpoint_enable": 1.0, "setpoint_mode": 1.0, "setpoint_mw": 10.0, "reversion_mw": 0.0}
    timer = {"reversion_enable": 1.0, "reversion_total_s": 20.0}
    rig.command("BESS1", sunspec | timer, later(60))
    rig.command("BESS1", {"setpoint_var_enable": 1.0, "setpoint_mvar": -12.0}, later(60))
    rig.advance(later(120))
    battery = rig.image("BESS1")
    assert abs(battery["p_mw"]) < 1.0, "it has reverted"
    assert battery["q_mvar"] == pytest.approx(-12.0, rel=0.01)
