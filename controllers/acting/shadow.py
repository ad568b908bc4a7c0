"""Every device's expected state beside its meter, and what to believe when the two differ."""

from controllers.acting import conditions, expectation
from controllers.acting.core import Core
from vpp.types import Quality, Reading

SETTLE_S = 900.0
"""Plant seconds for which a state that had to be guessed accuses nobody: the longest start and ramp
of a CAES plant; assumption."""
SLOW_KINDS = ("caes", "electrolyzer", "ammonia", "chp")
"""Kinds that take minutes to start or to move."""
STARTING = 2.0
"""Code of point `status` (docs/architecture.md)."""


def follow(core: Core, dt_s: float) -> None:
    """Move every device's expected state by one cycle and compare it with its meter.

    A state is guessed from the reading at control's start, and again when a device comes back from
    silence, a fault, a reversion or local control and is not where its commands would have it. A
    guess knows no phase of a start: until it meets the meter where the command is, it is on probation.
    """
    for name, device in core.park.devices.items():
        reading, state = core.readings[name], core.expected.get(name)
        rating = max(device.resource.p_max_mw, -device.resource.p_min_mw)
        if state is not None:
            flow = expectation.drive(core.park, name, core.readings)
            state = expectation.advance(device, state, core.setpoints.get(name), flow, dt_s)
        own_will = reading.quality is Quality.BAD or reading.values.get("status") in conditions.STATUS_WORDS
        own_will |= name in core.intruders
        back = name in core.astray and not own_will
        (core.astray.add if own_will else core.astray.discard)(name)
        if reading.quality is not Quality.BAD and (
            state is None or (back and conditions.is_away(state.p_mw, reading, rating))
        ):
            state = guess(core, name)
        if state is None:
            continue
        if reading.quality is Quality.GOOD:
            state = expectation.measured(state, reading)
        core.expected[name] = state
        away = conditions.is_away(state.p_mw, reading, rating)
        if own_will or _on_probation(core, name, away or not _arrived(core, name), dt_s):
            core.deviations[name] = conditions.Deviation()
        else:
            last = core.deviations.get(name, conditions.Deviation())
            core.deviations[name] = conditions.deviation(last, state.p_mw, reading, rating, dt_s)


def guess(core: Core, name: str) -> expectation.State:
    """Take a device for what its meter shows, on probation; returns its state."""
    core.expected[name] = expectation.first(core.park.devices[name], core.readings[name])
    core.probation[name] = SETTLE_S
    return core.expected[name]


def _arrived(core: Core, name: str) -> bool:
    """Return whether a device should have done what it was told; one at rest has yet to start."""
    sent, kind = core.setpoints.get(name), core.park.resources[name].kind
    if sent is None or kind not in SLOW_KINDS:
        return True
    return bool(abs(core.expected[name].p_mw - sent.p_mw) <= conditions.DEVIATION_MW)


def _on_probation(core: Core, name: str, away: bool, dt_s: float) -> bool:
    """Return whether a difference is forgiven; a device that says it is starting is given its time."""
    if name not in core.probation:
        return False
    if core.readings[name].values.get("status") != STARTING:
        core.probation[name] -= dt_s
    if away and core.probation[name] > 0.0:
        return True
    del core.probation[name]
    return False


def believed_mw(core: Core, name: str) -> float | None:
    """Return the output that balances count on; None where nothing is known.

    As metered where the expected state is a guess, else as commands would have it, so that others
    make up for a device that fails.
    """
    reading: Reading = core.readings[name]
    if name in core.probation and reading.quality is not Quality.BAD:
        return reading.values.get("p_mw")
    state = core.expected.get(name)
    return None if state is None else float(state.p_mw)
