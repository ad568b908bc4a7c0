"""Hydrogen in the simulated plant of chifeng96: made, stored, used by the loop, never used twice."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from hil import rig as rig_module
from hil.grid import Grid
from hil.rig import Rig
from vpp.clock import UTC
from vpp.park import Park, load_park

START = datetime(2026, 3, 16, 16, tzinfo=UTC)
MAKERS = ("ALK1", "ALK2", "ALK3", "ALK4", "PEM1")


@pytest.fixture(scope="module")
def chifeng() -> Iterator[Park]:
    park = load_park("chifeng96")
    shared, patch = Grid(park), pytest.MonkeyPatch()
    patch.setattr(rig_module, "Grid", lambda _park: shared)
    yield park
    patch.undo()


def with_kg(park: Park, kg: float) -> Park:
    hydrogen = park.contracts.hydrogen
    assert hydrogen is not None
    return replace(park, contracts=replace(park.contracts, hydrogen=replace(hydrogen, initial_kg=kg)))


def order(rig: Rig, name: str, p_mw: float, **more: float) -> None:
    timers = {"epoch": 1.0, "sequence": 1.0, "ttl_s": 1e5, "reversion_s": 1e5, "reversion_mw": 0.0}
    rig.command(name, {"setpoint_mw": p_mw, "setpoint_mvar": 0.0, **timers, **more}, rig.now)


def test_what_is_made_is_stored_used_by_the_loop_or_delivered(chifeng: Park) -> None:
    rig = Rig(chifeng, START, 7, step_s=10)
    for name in MAKERS:
        order(rig, name, -18.0, setpoint_stacks=10.0)
    order(rig, "NH3", -18.0)
    order(rig, "H2S", 0.0, setpoint_h2_kg_per_h=900.0)
    before_kg, balance_kg = rig.image("H2S")["h2_kg"], 0.0
    for _ in range(120):
        rig.advance(rig.now + timedelta(seconds=10))
        made = sum(rig.image(name)["h2_kg_per_h"] for name in MAKERS)
        balance_kg += (made - rig.image("NH3")["h2_kg_per_h"]) / 360
    image = rig.image("H2S")
    assert image["delivered_kg"] == pytest.approx(300.0, rel=0.02)
    assert image["h2_kg"] - before_kg == pytest.approx(balance_kg - image["delivered_kg"], abs=2.0)
    assert rig.image("NH3")["nh3_t"] > 4.0


def test_a_loop_whose_store_is_empty_trips_to_hot_idle_and_waits_for_its_restart(chifeng: Park) -> None:
    store, loop = chifeng.devices["H2S"], chifeng.devices["NH3"]
    rig = Rig(with_kg(chifeng, store.min_kg + 300.0), START, 7, step_s=10)
    for name in MAKERS:
        order(rig, name, 0.0, setpoint_stacks=0.0)
    order(rig, "NH3", -15.0)
    for _ in range(30):
        rig.advance(rig.now + timedelta(minutes=1))
        assert rig.image("H2S")["h2_kg"] >= store.min_kg - 1e-6
    idle = rig.image("NH3")
    assert idle["p_mw"] == pytest.approx(-loop.idle_mw, rel=0.01)
    assert (idle["status"], idle["h2_kg_per_h"], idle["nh3_t_per_h"]) == (2.0, 0.0, 0.0)
    assert 11 * 60 < idle["restart_min"] < 12 * 60
    assert all(rig.image(name)["warm_stacks"] == 0 for name in MAKERS)


def test_a_nearly_empty_store_feeds_the_loop_once_the_electrolysers_make_what_it_uses(chifeng: Park) -> None:
    rig = Rig(with_kg(chifeng, chifeng.devices["H2S"].min_kg + 250.0), START, 7, step_s=10)
    for name in MAKERS:
        order(rig, name, -30.0, setpoint_stacks=10.0)
    order(rig, "NH3", -15.0)
    rig.advance(rig.now + timedelta(minutes=30))
    assert rig.image("NH3")["status"] == 1.0
    assert rig.image("NH3")["nh3_t"] == pytest.approx(15.0 / 1.1 / 2, rel=0.03)


def test_stacks_that_are_let_go_cold_heat_again_when_they_are_asked_for(chifeng: Park) -> None:
    rig = Rig(chifeng, START, 7, step_s=10)
    order(rig, "PEM1", -1.0, setpoint_stacks=4.0)
    rig.advance(rig.now + timedelta(minutes=2))
    assert rig.image("PEM1")["warm_stacks"] == 4
    order(rig, "PEM1", -18.0, setpoint_stacks=20.0)
    rig.advance(rig.now + timedelta(seconds=30))
    heating = rig.image("PEM1")
    assert (heating["warm_stacks"], heating["heating_stacks"]) == (4, 16)
    assert heating["p_mw"] >= -4 * 1.2 - 16 * 0.015 - 0.05
    rig.advance(rig.now + timedelta(minutes=2))
    assert rig.image("PEM1")["warm_stacks"] == 20
    assert rig.image("PEM1")["p_mw"] == pytest.approx(-18.0, rel=0.01)
