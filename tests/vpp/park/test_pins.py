"""Pins as text: what is meant, and every fault at once."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpp.errors import InvalidInput
from vpp.park import load_park
from vpp.park.pin_store import store_pins, stored_pins, with_pins, without_pins
from vpp.park.pins import read_pins, window_faults
from vpp.types import Hold

DAY = date(2026, 3, 17)
PARK = load_park("small10")
MIDNIGHT = datetime(2026, 3, 16, 16, tzinfo=UTC)


def one(text):
    (pin,) = read_pins(PARK, [text], DAY)
    return pin


def test_a_power_is_held_for_a_span_of_plant_time():
    pin = one("BESS1@10:00-12:00=-20")
    assert (pin.element, pin.hold, pin.p_mw) == ("BESS1", Hold.POWER, -20.0)
    assert (pin.start, pin.end) == (MIDNIGHT + timedelta(hours=10), MIDNIGHT + timedelta(hours=12))


def test_a_time_alone_is_one_step_and_24_00_is_the_days_end():
    assert one("WF@10:00=off").end - one("WF@10:00=off").start == timedelta(minutes=15)
    assert one("CAES1@22:00-24:00=discharge").end == MIDNIGHT + timedelta(hours=24)


def test_a_machine_asked_for_nothing_is_held_off():
    assert one("CAES1@10:00=0").hold is Hold.OFF
    assert one("BESS1@10:00=0").hold is Hold.POWER


def test_every_fault_is_told_at_once():
    wrong = {
        "nonsense": "HH:MM",
        "BESS1@25:00=1": "HH:MM from 00:00",
        "BESS1@10:00-09:00=off": "behind 10:00",
        "XX@10:00=1": "a device or load",
        "H2S@10:00=1": "set by itself",
        "BESS1@10:00=-200": "-40 to 40",
        "CAES1@11:00=5": "least load",
        "WF@10:00=charge": "MW, off",
        "LD_ZN@10:00=5": "serve",
        "BESS1@11:00=nan": "MW, off",
        "*@10:00=5": "plan",
        "BESS1@12:00=plan": "--from",
        "*@10:00=plan": "--from",
    }
    with pytest.raises(InvalidInput) as refused:
        read_pins(PARK, list(wrong), DAY)
    assert len(refused.value.faults) == len(wrong)
    for fault, expected in zip(refused.value.faults, wrong.values(), strict=True):
        assert expected in fault.expected


def test_an_element_whose_name_holds_a_dot_can_be_pinned():
    dotted = replace(PARK, loads={"LD_10.5": PARK.loads["LD_ZN"]})
    (pin,) = read_pins(dotted, ["LD_10.5@10:00=serve"], DAY)
    assert (pin.element, pin.hold) == ("LD_10.5", Hold.SERVE)


def test_two_pins_cannot_hold_one_element_at_a_time():
    with pytest.raises(InvalidInput, match="is held by"):
        read_pins(PARK, ["BESS1@10:00-12:00=5", "BESS1@11:45=off"], DAY)
    assert len(read_pins(PARK, ["BESS1@10:00-12:00=5", "BESS1@12:00=off"], DAY)) == 2


def test_a_pin_outside_the_planned_window_is_a_fault():
    pins = read_pins(PARK, ["BESS1@2026-03-19T10:00=off", "BESS1@10:00=off"], DAY)
    (fault,) = window_faults(pins, MIDNIGHT, MIDNIGHT + timedelta(days=1))
    assert "2026-03-19" in str(fault)


@given(
    element=st.sampled_from(["BESS1", "WF", "ALK1", "CAES1"]),
    step=st.integers(0, 95),
    steps=st.integers(1, 8),
    value=st.sampled_from(["off", "30"]),
)
def test_the_id_of_a_pin_reads_back_to_the_same_pin(element, step, steps, value):
    value = {"ALK1": "-30"}.get(element, value) if value == "30" else value
    first, last = (timedelta(minutes=15 * k) for k in (step, min(96, step + steps)))
    clock = [
        f"{int(t.total_seconds()) // 3600:02d}:{int(t.total_seconds()) // 60 % 60:02d}" for t in (first, last)
    ]
    pin = one(f"{element}@{clock[0]}-{clock[1]}={value}")
    assert one(pin.id) == pin


def test_a_step_is_held_as_an_earlier_plan_has_it(tmp_path):
    from vpp.types import Plan

    plan = object.__new__(Plan)
    series = {n: {"p_mw": np.full(96, 7.5)} for n in ("WF", "PV", "DPV", "ALK1")}
    for name in ("BESS1", "CAES1"):
        series[name] = {"p_mw": np.full(96, -0.3), "charge_mw": np.zeros(96), "discharge_mw": np.zeros(96)}
    for field, value in {"series": series, "start": MIDNIGHT, "step_min": 15, "steps": 96}.items():
        object.__setattr__(plan, field, value)
    pins = read_pins(PARK, ["*@10:00-10:30=plan"], DAY, base=plan)
    assert {pin.element for pin in pins} == {"WF", "PV", "DPV", "CAES1", "BESS1", "ALK1"}
    assert {pin.hold for pin in pins if pin.element == "BESS1"} == {Hold.OFF}
    assert {pin.p_mw for pin in pins if pin.element == "WF"} == {7.5}


def test_pins_of_a_run_are_kept_in_one_file(tmp_path):
    file = tmp_path / "pins.json"
    assert stored_pins(file) == ()
    first, second = one("BESS1@10:00=5"), one("WF@11:00=off")
    store_pins(file, with_pins([first], [second]))
    assert stored_pins(file) == (first, second)
    assert without_pins(stored_pins(file), [first.id]) == (second,)
    with pytest.raises(InvalidInput, match="no such pin"):
        without_pins([first], ["x"])
    with pytest.raises(InvalidInput, match="is held by"):
        with_pins([first], [one("BESS1@09:00-11:00=off")])
    file.write_text("{")
    with pytest.raises(InvalidInput, match=r"pins\.json"):
        stored_pins(file)
