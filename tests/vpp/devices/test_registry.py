"""What holds for every device type under any commands."""

from dataclasses import fields, is_dataclass, replace
from itertools import pairwise
from math import isfinite

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vpp.devices import DEVICE_TYPES, Caes, Command, Initial
from vpp.park import load_park

PARKS = [load_park(name) for name in ("small10", "chifeng96")]
DEVICES = {f"{park.name}:{name}": d for park in PARKS for name, d in park.devices.items()}
ALIKE = {(d.resource.kind, d.resource.params_ref): name for name, d in reversed(DEVICES.items())}
"""One device of each set of parameters: small10's where both parks have it."""
NAMES = sorted(ALIKE.values())

commands = st.builds(
    Command,
    p_mw=st.one_of(st.floats(-150, 150), st.sampled_from([-80.0, -50.0, -0.6, -0.5, 0.0, 30.0, 99.4])),
    h2_kg_per_h=st.floats(0, 1500),
)
moves = st.lists(
    st.tuples(commands, st.sampled_from([0.1, 1.0, 10.0, 60.0, 900.0]), st.floats(0, 120)),
    min_size=1,
    max_size=30,
)
initials = st.builds(
    Initial,
    soc=st.floats(0, 1),
    mode=st.sampled_from(["off", "charge", "discharge"]),
    h2_kg=st.floats(0, 5000),
    p_mw=st.floats(-100, 100),
)


def kind(name):
    return DEVICE_TYPES[DEVICES[name].resource.kind]


def driven(name, drive):
    """Return MW of weather or kg/h of inflow as drawn, hydrogen on offer to a loop in the same proportion."""
    return 60 * drive if DEVICES[name].resource.kind == "ammonia" else drive


def of_kind(*kinds):
    return [name for name in NAMES if DEVICES[name].resource.kind in kinds]


def numbers(value):
    if is_dataclass(value):
        return [x for f in fields(value) for x in numbers(getattr(value, f.name))]
    if isinstance(value, tuple):
        return [x for part in value for x in numbers(part)]
    return [value] if isinstance(value, int | float) else []


def net_mwh(values):
    return values["energy_out_mwh"] - values["energy_in_mwh"]


def test_the_registry_names_itself_and_every_device_of_the_park_has_a_type():
    assert {name: t.kind for name, t in DEVICE_TYPES.items()} == {name: name for name in DEVICE_TYPES}
    assert {DEVICES[name].resource.kind for name in NAMES} == set(DEVICE_TYPES)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(start=initials, run=moves)
def test_no_command_breaks_ratings_stores_or_counters(name, start, run):
    device, of = DEVICES[name], kind(name)
    state = of.initial(device, start)
    plate, params = device.resource, device.params
    for command, dt_s, drive in run:
        before, state = of.measure(device, state), of.step(device, state, command, dt_s, driven(name, drive))
        after = of.measure(device, state)
        assert all(isfinite(x) for x in numbers(state))
        assert plate.kind == "h2_store" or plate.p_min_mw - 1e-6 <= state.p_mw <= plate.p_max_mw + 1e-6
        for counter in ("energy_out_mwh", "energy_in_mwh"):
            assert after[counter] >= before[counter]
        mean_mw = (net_mwh(after) - net_mwh(before)) * 3600 / dt_s
        assert plate.kind == "h2_store" or plate.p_min_mw - 1e-6 <= mean_mw <= plate.p_max_mw + 1e-6
        if "soc" in after:
            assert params.soc_min - 1e-9 <= after["soc"] <= params.soc_max + 1e-9
        if plate.kind == "h2_store":
            assert device.min_kg - 1e-6 <= after["h2_kg"] <= params.usable_kg + 1e-6
        if "available_mw" in after:
            assert 0 <= state.p_mw <= after["available_mw"] + 1e-9
        low, high = of.command_bounds(device, state, drive)
        assert low <= high


@pytest.mark.parametrize("name", of_kind("bess", "caes"))
@settings(max_examples=60, deadline=None, derandomize=True)
@given(start=initials, run=moves)
def test_a_store_never_gives_more_than_it_took(name, start, run):
    device, of, params = DEVICES[name], kind(name), DEVICES[name].params
    state = of.initial(device, start)
    e0_mwh, t_s = state.e_mwh, 0.0
    for command, dt_s, drive in run:
        state, t_s = of.step(device, state, command, dt_s, driven(name, drive)), t_s + dt_s
    caes = isinstance(device, Caes)
    aux_mw = params.standby_aux_mw if caes else device.aux_mw
    eta_ch, eta_dis = (params.eta_charge, params.eta_discharge) if caes else (params.eta_ch, params.eta_dis)
    given_mwh = net_mwh(of.measure(device, state)) + aux_mw * t_s / 3600
    best_mwh = e0_mwh - (given_mwh / eta_dis if given_mwh > 0 else given_mwh * eta_ch)
    assert state.e_mwh <= best_mwh + 1e-6


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=12, deadline=None, derandomize=True)
@given(start=initials, run=st.lists(st.tuples(commands, st.floats(0, 120)), min_size=1, max_size=8))
def test_one_step_of_ten_seconds_is_ten_steps_of_one(name, start, run):
    """Away from a CAES store's edges, where a trip counts from the end of its step."""
    device, of = DEVICES[name], kind(name)
    inside = replace(start, soc=0.3 + 0.4 * start.soc)
    coarse = fine = of.initial(device, inside)
    for command, drive in run:
        for _ in range(30):
            coarse = of.step(device, coarse, command, 10.0, driven(name, drive))
            for _ in range(10):
                fine = of.step(device, fine, command, 1.0, driven(name, drive))
    for counter in ("energy_out_mwh", "energy_in_mwh"):
        a, b = (of.measure(device, s)[counter] for s in (coarse, fine))
        assert a == pytest.approx(b, rel=1e-3, abs=0.005)
    for store in ("e_mwh", "h2_kg"):
        if hasattr(fine, store):
            assert getattr(coarse, store) == pytest.approx(getattr(fine, store), rel=1e-3, abs=0.2)


@pytest.mark.parametrize("name", NAMES)
@given(start=initials, command=commands)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_a_short_step_moves_little(name, start, command):
    device, of = DEVICES[name], kind(name)
    drive = driven(name, 40.0)
    state = of.initial(device, Initial(soc=0.5, mode=start.mode, h2_kg=2000, p_mw=start.p_mw))
    settled = of.step(device, state, Command(p_mw=state.p_mw, h2_kg_per_h=300), 1e-6, drive)
    moved = of.step(device, settled, command, 1e-6, drive)
    assert moved.p_mw == pytest.approx(settled.p_mw, abs=1e-3)


@pytest.mark.parametrize("name", of_kind("wind", "pv", "bess", "electrolyzer", "chp"))
@given(start=initials, wanted=st.floats(0, 1))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_power_moves_to_a_command_without_turning_back(name, start, wanted):
    device, of = DEVICES[name], kind(name)
    state = of.initial(device, Initial(soc=0.5, p_mw=start.p_mw))
    state = of.step(device, state, Command(p_mw=state.p_mw), 1.0, 60.0)
    low, high = of.command_bounds(device, state, 60.0)
    command = Command(p_mw=low + wanted * (high - low))
    path = [state.p_mw]
    for _ in range(60):
        state = of.step(device, state, command, 0.5, 60.0)
        path.append(state.p_mw)
    rises = [b - a for a, b in pairwise(path)]
    assert min(rises) >= -1e-9 or max(rises) <= 1e-9


@pytest.mark.parametrize("name", of_kind("wind", "pv", "bess", "electrolyzer", "caes", "chp"))
@pytest.mark.parametrize("side", [0, 1])
def test_the_ends_of_the_command_bounds_are_reached(name, side):
    device, of = DEVICES[name], kind(name)
    state = of.initial(device, Initial(soc=0.4))
    nearest = float("inf")
    # 75 minutes: a cold start of the electrolyser and its ramp; the battery is full or empty before
    for _ in range(75):
        asked = of.command_bounds(device, state, 30.0)[side]
        state = of.step(device, state, Command(p_mw=asked), 60.0, 30.0)
        nearest = min(nearest, abs(state.p_mw - asked))
    assert nearest < 0.1


@pytest.mark.parametrize("name", NAMES)
def test_the_counters_of_the_day_begin_again(name):
    device, of = DEVICES[name], kind(name)
    state = of.initial(device, Initial(soc=0.5, h2_kg=2000, p_mw=-15.0))
    asked = Command(p_mw=-20.0 if device.resource.kind == "ammonia" else 50.0, h2_kg_per_h=400)
    for _ in range(60):
        state = of.step(device, state, asked, 60.0, driven(name, 100.0))
    daily = {"starts_turbine", "starts_compressor", "delivered_kg", "nh3_t"}
    before, after = of.measure(device, state), of.measure(device, of.new_day(state))
    assert {k: v for k, v in after.items() if k not in daily} == {
        k: v for k, v in before.items() if k not in daily
    }
    assert all(after[k] == 0 for k in daily & after.keys())
    if "starts_turbine" in after:
        assert before["starts_turbine"] == 1
    for made in {"delivered_kg", "nh3_t"} & after.keys():
        assert before[made] > 0
