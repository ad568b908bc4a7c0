"""Planned outages happen in the plant too: what is out gives nothing, and what it cuts off neither."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from hil.rig import Rig
from vpp.clock import UTC
from vpp.park.model import PlannedOutage

START = datetime(2026, 3, 10, 4, tzinfo=UTC)  # noon in the plant's zone
OVER = START + timedelta(seconds=40)


def rig_with(park, element, lost_mw=None, *, begin_s=20):
    """A plant with one planned outage from `begin_s` to 40 s after its start."""
    begin = START + timedelta(seconds=begin_s)
    return Rig(
        replace(park, outages=(PlannedOutage(element=element, start=begin, end=OVER, lost_mw=lost_mw),)),
        START,
        7,
    )


def shown(rig, element, seconds):
    rig.advance(START + timedelta(seconds=seconds))
    return rig.image(element)


def test_a_device_that_is_out_stands_and_comes_back(park):
    rig = rig_with(park, "WF")
    assert shown(rig, "WF", 19)["p_mw"] > 5.0
    assert (shown(rig, "WF", 25)["p_mw"], rig.image("WF")["status"]) == (0.0, 3.0)
    assert shown(rig, "WF", 300)["p_mw"] > 5.0


def test_a_device_that_is_out_when_the_plant_begins_is_out_at_once(park):
    rig = rig_with(park, "WF", begin_s=-3600)
    assert rig.image("WF")["p_mw"] == 0.0
    assert shown(rig, "WF", 5)["status"] == 3.0


def test_a_branch_that_is_out_takes_along_what_it_feeds(park):
    rig = rig_with(park, "T_PV")
    before = shown(rig, "TIE", 19)["p_mw"]
    given = rig.image("PV")["p_mw"]
    assert given > 5.0
    assert shown(rig, "PV", 25)["p_mw"] == 0.0
    assert rig.image("TIE")["p_mw"] - before == pytest.approx(given, rel=0.05)


def test_what_is_derated_does_so_much_less(park):
    most = park.resources["WF"].p_max_mw
    full = shown(rig_with(park, "LD_ESS"), "WF", 25)["p_mw"]
    part = shown(rig_with(park, "WF", most - full / 2, begin_s=-60), "WF", 30)["p_mw"]
    assert part == pytest.approx(full / 2, rel=0.02)


def test_a_load_that_is_out_draws_nothing(park):
    rig = rig_with(park, "LD_PUB")
    assert shown(rig, "LD_PUB", 19)["p_mw"] < -5.0
    assert shown(rig, "LD_PUB", 25)["p_mw"] == 0.0
    assert shown(rig, "LD_PUB", 45)["p_mw"] < -5.0
