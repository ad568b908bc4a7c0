"""The seat of a state folder: one control holds it, by a locked file whose number is its epoch."""

import fcntl
import os
import struct
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from controllers.acting.lease import Lease, Terms, commands, may_claim, sight, terms, watch
from controllers.acting.setpoints import trusted_s
from vpp.clock import Clock
from vpp.park.endpoints import endpoints
from vpp.park.model import Park
from vpp.types import Reading

_BEAT = struct.Struct("<d")


class Seat:
    """A control's hold on its state folder and its right to act in the field.

    The file `lease/NUMBER` is made in one step, locked and with a beat in it. The kernel frees the
    lock of a dead process; a stopped one keeps its lock, but its beat stands still. Whoever finds
    either takes the next number, and the one before sees a higher one when it wakes.
    """

    def __init__(self, folder: Path, park: Park, clock: Clock, *, standby: bool) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder, self._park, self._clock, self._standby = folder, park, clock, standby
        maps = {name: commands(park.register_maps[e.register_map]) for name, e in endpoints(park).items()}
        self._watched = {name: points for name, points in maps.items() if points}
        self._fd = -1
        self._beat_s = clock.true_s()
        self._since: datetime | None = None
        """Plant time of the last lapse: what was read before it shows nothing."""
        self.due = False
        """True where this control would act, but must begin anew for it."""
        waits = "it has not read the field yet"
        self.lease = Lease(active=False, number=0, highest=0, since_s=clock.true_s(), text=waits)

    @property
    def holds(self) -> bool:
        """True while this process holds the folder."""
        return self._fd >= 0

    @property
    def active(self) -> bool:
        """True while this control may act."""
        return self.holds and self.lease.active

    @property
    def fresh(self) -> bool:
        """True while the hold on the folder was renewed lately: nobody else has taken it meanwhile."""
        return self.holds and self._clock.true_s() - self._beat_s <= self.terms().hold_s

    def owns(self) -> bool:
        """Return whether the folder is still this process's to write: no successor has a number in it."""
        return self.fresh or (self.holds and self._newest()[0] == self.lease.number)

    @property
    def may_send(self) -> bool:
        """True while a command may go out: this control acts and has renewed its lease lately."""
        return self.lease.active and self.fresh and self._since is None

    def terms(self) -> Terms:
        """Return the lease's true seconds at the present rate."""
        horizon, clock = self._park.horizon, self._clock
        ttl_s = trusted_s(horizon.setpoint_ttl_s, clock, horizon.cycle_s)
        return terms(ttl_s, clock.rate(), horizon.cycle_s)

    def take(self) -> bool:
        """Take the folder where its holder is dead, or has been stopped for the patience; True: taken."""
        number, path = self._newest()
        if path is not None and self._holder_lives(path):
            return False
        if self._publish(number + 1):
            self._since = None
            return True
        return False

    def renew(self) -> bool:
        """Show life; False where another has taken the folder meanwhile.

        After a lapse nothing is sent until the field has been read anew.
        """
        if not self.holds:
            return False
        if self._newest()[0] > self.lease.number:
            self.leave("another control has taken over while this one stood still")
            return False
        now_s = self._clock.true_s()
        if now_s - self._beat_s > self.terms().hold_s:
            self._since = self._clock.plant_now()
        self._beat_s = now_s
        _beat(self._fd, now_s)
        return True

    def leave(self, why: str) -> None:
        """Give the folder up."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self.due = -1, False
        self.lease = replace(self.lease, active=False, lost=True, text=why, marks={}, cycles=0)

    def see(self, readings: Mapping[str, Reading], sent: Mapping[str, int], *, young: bool) -> bool:
        """Judge a read of the field; True where this control may act on it now.

        `sent` are the sequence numbers last sent, by endpoint. Only a `young` control, which remembers
        no field of long ago, begins to act at once; for another, `due` says that it should begin anew.
        """
        now_s = self._clock.true_s()
        seen = sight(
            self._watched,
            readings,
            since=self._since,
            epoch=self.lease.number,
            sent=sent,
            marking=not self.lease.active,
        )
        if seen.heard:
            self._since = None
        self.lease = watch(self.lease, seen, now_s)
        self.due = self.holds and may_claim(self.lease, self.terms(), now_s, standby=self._standby)
        if self.due and young:
            self._claim()
        return self.active and self._since is None

    def _claim(self) -> None:
        """Begin to act, with a number above every epoch that was seen."""
        self.due = False
        if self.lease.highest >= self.lease.number and not self._publish(self.lease.highest + 1):
            return
        self.lease = replace(self.lease, active=True, lost=False, text="", marks={}, cycles=0)

    def _newest(self) -> tuple[int, Path | None]:
        found = [name for name in os.listdir(self._folder) if name.isdigit()]
        return (int(max(found)), self._folder / max(found)) if found else (0, None)

    def _holder_lives(self, path: Path) -> bool:
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return True  # its successor is just being made
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raw = os.pread(fd, _BEAT.size, 0)
            # a holder that cannot write its beat (full disk) lives as long as its lock
            age_s = self._clock.true_s() - _BEAT.unpack(raw)[0] if len(raw) == _BEAT.size else 0.0
            return 0.0 <= age_s <= self.terms().patience_s
        finally:
            os.close(fd)
        return False

    def _publish(self, number: int) -> bool:
        """Make the file of a number, locked and beating before anybody can see it; False: too late."""
        beside, path = self._folder / f".{os.getpid()}", self._folder / f"{number:010d}"
        fd = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        now_s = self._clock.true_s()
        _beat(fd, now_s)
        try:
            os.link(beside, path)
        except FileExistsError:
            os.close(fd)
            return False
        finally:
            beside.unlink()
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._beat_s = fd, now_s
        self.lease = replace(self.lease, number=number)
        for name in os.listdir(self._folder):
            if name.isdigit() and int(name) < number:
                (self._folder / name).unlink(missing_ok=True)
        return True


def _beat(fd: int, now_s: float) -> None:
    """Write the beat in place; a full disk takes it all the same, or shows none at all."""
    try:
        os.pwrite(fd, _BEAT.pack(now_s), 0)
    except OSError:
        os.ftruncate(fd, 0)
