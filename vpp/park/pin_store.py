"""The pins of a run: one file in its state folder, written whole or not at all."""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from vpp.errors import Fault, InvalidInput
from vpp.types import Pin

MAX_PINS = 500
"""More are an error of whoever writes them (assumption)."""


def stored_pins(file: Path) -> tuple[Pin, ...]:
    """Return the pins of a run, none where the file is missing; InvalidInput where it cannot be read."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=tuple[Pin, ...])
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.DecodeError, msgspec.ValidationError) as error:
        raise InvalidInput((Fault(file=str(file), wrong=str(error), expected="pins"),)) from error


def with_pins(old: Iterable[Pin], new: Iterable[Pin]) -> tuple[Pin, ...]:
    """Return old and new pins together; one pin at a time holds an element.

    InvalidInput where a new pin meets another in time, or where there are too many.
    """
    kept, faults = {pin.id: pin for pin in old}, []
    for pin in new:
        for other in kept.values():
            meets = other.element == pin.element and other.start < pin.end and pin.start < other.end
            if meets and other.id != pin.id:
                wrong = f"{pin.element} is held by {other.id} too"
                faults.append(Fault(file="pins", field=pin.id, wrong=wrong, expected="one pin at a time"))
        kept[pin.id] = pin
    if len(kept) > MAX_PINS:
        faults.append(Fault(file="pins", wrong=f"{len(kept)} pins", expected=f"at most {MAX_PINS}"))
    if faults:
        raise InvalidInput(tuple(faults))
    return tuple(sorted(kept.values(), key=lambda pin: (pin.start, pin.element)))


def without_pins(old: Iterable[Pin], ids: Iterable[str]) -> tuple[Pin, ...]:
    """Return the pins without those named; InvalidInput for an id that there is not."""
    kept = {pin.id: pin for pin in old}
    unknown = [id_ for id_ in ids if id_ not in kept]
    if unknown:
        raise InvalidInput(
            tuple(
                Fault(file="pins", field=i, wrong="no such pin", expected="an id of the list")
                for i in unknown
            )
        )
    return tuple(pin for pin in kept.values() if pin.id not in set(ids))


def store_pins(file: Path, pins: Iterable[Pin]) -> None:
    """Write the pins of a run."""
    beside = file.with_suffix(".part")
    beside.write_bytes(msgspec.json.encode(tuple(pins)))
    beside.chmod(0o600)
    beside.replace(file)
