"""Devices added, removed and moved while control runs: the folder is read again, whole or not at all.

Two phases: the folder is read and judged in a thread while cycles go on, refused whole where anything
is faulty or beyond what may change; between two cycles what was accepted takes the old one's place.
"""

import asyncio
from dataclasses import fields
from typing import Protocol, runtime_checkable

from controllers.acting.core import Core
from controllers.acting.setpoints import turns
from controllers.acting.tracking import Tracker
from vpp.errors import InvalidInput
from vpp.park import endpoints, load_park, with_port_base
from vpp.park.model import Park
from vpp.state_dir import StateDir
from vpp.types import Mode

STILL = ("name", "site", "horizon", "grid", "contracts", "tariff", "voltage_bands")
"""What only a restart changes: plans in force and the metered quarter hour rest on it."""
FAULTS_TOLD = 5
"""Faults that a refusal names; the others are counted."""


@runtime_checkable
class Changing(Protocol):
    """A field whose endpoints can change while it runs."""

    def change(self, park: Park) -> None:
        """Connect to what is new or elsewhere, let go of what is gone, leave the rest as it is."""


async def reload(core: Core) -> tuple[bool, str]:
    """Read the park folder again; (accepted, what changes or why not). It takes effect between cycles."""
    if not isinstance(core.field, Changing):
        return False, "the field of this run cannot change"
    try:
        park = await asyncio.to_thread(_read, core)
    except InvalidInput as faulty:
        words = [str(fault) for fault in faulty.faults]
        more = f" and {len(words) - FAULTS_TOLD} more" if len(words) > FAULTS_TOLD else ""
        return False, "; ".join(words[:FAULTS_TOLD]) + more
    except ValueError as ports:
        return False, str(ports)
    reason = refusal(core.park, park)
    if reason:
        return False, reason
    core.coming = park
    return True, changes(core.park, park)


def _read(core: Core) -> Park:
    if core.memory_file is None:
        return load_park(core.park.folder)
    settings = StateDir(core.memory_file.parent).read_settings()
    park = load_park(settings.park)
    if settings.port_base is None:
        return park
    if list(endpoints(park)) != list(endpoints(core.park)):
        raise ValueError("ports of this run follow the order of endpoints: none can be added or removed")
    return with_port_base(park, settings.port_base)


def refusal(old: Park, new: Park) -> str:
    """Return why a park cannot take the place of the one in force; empty where it can."""
    stiff = [name for name in STILL if getattr(old, name) != getattr(new, name)]
    if stiff:
        return f"{', '.join(stiff)} of the park changed: that needs a restart"
    kinds = [n for n, r in new.resources.items() if n in old.resources and old.resources[n].kind != r.kind]
    if kinds:
        return f"{', '.join(kinds)} became another kind of device: give it another id"
    return ""


def changes(old: Park, new: Park) -> str:
    """Return what a reload changes, in words."""
    before, after = endpoints(old), endpoints(new)
    rows = {
        "added": [name for name in after if name not in before],
        "removed": [name for name in before if name not in after],
        "moved": [name for name in after if name in before and after[name] != before[name]],
        "changed": [
            name for name in after if after[name] == before.get(name) and _row(new, name) != _row(old, name)
        ],
    }
    told = [f"{word} {', '.join(names)}" for word, names in rows.items() if names]
    return "; ".join(told) or "no device is added, removed, moved or changed"


def _row(park: Park, name: str) -> object:
    """Return all that a park says of a device, load, meter or actuator."""
    kinds = (park.devices, park.loads, park.meters, park.actuators)
    return next(rows[name] for rows in kinds if name in rows)


def settle(core: Core) -> None:
    """Let an accepted park take effect: between two cycles, and not while a shed is under way.

    A device that is new begins in advisory mode: somebody puts it to auto. Nothing is remembered of
    one that is gone or stands elsewhere but its mode and a load's ledger.
    """
    if core.coming is None or core.shedding.locked() or not isinstance(core.field, Changing):
        return
    old, new, core.coming = core.park, core.coming, None
    before, after = endpoints(old), endpoints(new)
    left = {name for name in before if after.get(name) != before[name]}
    gone = {name for name in before if name not in after}
    kept = {"modes", "mode_ends", "ledger", "answers", "notes"}
    for name in (item.name for item in fields(core)):
        held = getattr(core, name)
        forget = gone if name in kept else left
        if isinstance(held, dict):
            setattr(core, name, {key: value for key, value in held.items() if key not in forget})
        elif isinstance(held, set):
            held -= forget
    core.closing = [item for item in core.closing if item[0] not in gone]
    core.park = new
    kinds = {name: resource.kind for name, resource in new.resources.items()}
    core.tracker, core.turns = Tracker(tuple(new.resources), kinds), turns(kinds)
    core.modes = {name: core.modes.get(name, Mode.ADVISORY) for name in new.resources}
    core.field.change(new)
    core.journal.append("reload", {"changes": changes(old, new)})
    core.remember()
