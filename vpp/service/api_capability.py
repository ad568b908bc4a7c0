"""Adjustable capability for the page and the API: believed states from every snapshot, told on demand."""

from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock

from controllers.acting.capability import believe, capability
from controllers.acting.expectation import State
from controllers.acting.offers import Capability
from vpp.errors import DeviceFailure
from vpp.link import PlanOffer
from vpp.park.model import Park
from vpp.types import Snapshot, wire


class Believer:
    """Follows the snapshots of control, so that starts under way and minimum times are known.

    `take` is called by the feed's task, `capability` by requests in threads: one lock between them.
    """

    def __init__(self, park: Park, read: Callable[[], PlanOffer | None]) -> None:
        self._park, self._read, self._lock = park, read, Lock()
        self._snapshot: Snapshot | None = None
        self._states: Mapping[str, State] = {}
        self._offer: PlanOffer | None = None
        self._told: tuple[tuple[int, int], Capability] | None = None

    def take(self, snapshot: Snapshot) -> None:
        """Move the believed states to a new snapshot."""
        with self._lock:
            before = self._snapshot
            restarted = before is not None and before.epoch != snapshot.epoch
            self._states = believe(
                self._park, None if restarted else before, {} if restarted else self._states, snapshot
            )
            self._snapshot = snapshot

    def capability(self) -> Capability:
        """Return the capability at the newest snapshot; DeviceFailure before the first."""
        with self._lock:
            snapshot, states = self._snapshot, self._states
        if snapshot is None:
            raise DeviceFailure("control has sent nothing yet")
        key = (snapshot.epoch, snapshot.cycle)
        if self._told is not None and self._told[0] == key:
            return self._told[1]
        if self._offer is None or self._offer.plan.id != snapshot.plan_id:
            self._offer = self._read()
        fits = self._offer is not None and self._offer.plan.id == snapshot.plan_id
        found = capability(self._park, snapshot, self._offer if fits else None, states)
        self._told = (key, found)
        return found


def read_offer(path: Path) -> PlanOffer | None:
    """Return the plan that control keeps on disk with its sensitivities; None where it cannot be read."""
    try:
        return wire.decode(path.read_bytes(), PlanOffer)
    except (OSError, ValueError):
        return None
