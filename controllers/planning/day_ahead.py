"""What a run takes over from its state folder: the day's plan that is in force, and pins."""

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from vpp.errors import InvalidInput
from vpp.park.model import Park
from vpp.park.pin_store import stored_pins
from vpp.reports.approval import DayPlan, in_force
from vpp.state_dir import StateDir
from vpp.types import Pin


@dataclass(slots=True, kw_only=True)
class Inbox:
    """Reads the state folder of a run; what cannot be read leaves the last good answer in force."""

    state: StateDir
    taken: date | None = None
    """Day whose plan was taken over."""
    pins: tuple[Pin, ...] = ()
    trouble: str = ""
    """What could not be read, in words."""
    read_ns: int = 0
    """Stamp of the pins' file when it was read; 0: there was none."""

    def has_news(self) -> bool:
        """Return whether the pins were changed since they were read."""
        return self._stamp_ns() != self.read_ns

    def _stamp_ns(self) -> int:
        try:
            return self.state.pins.stat().st_mtime_ns
        except OSError:
            return 0

    def day_plan(self, park: Park, at: datetime) -> DayPlan | None:
        """Return the plan of the local day of `at`, once, as soon as it is in force."""
        day = at.astimezone(ZoneInfo(park.site.zone)).date()
        if day == self.taken:
            return None
        try:
            found = in_force(park, self.state.day_plan(day))
        except InvalidInput as error:
            self.trouble = str(error)
            return None
        if found is None or not _covers(found, at):
            return None
        self.taken = day
        return found

    def pins_from(self, at: datetime) -> tuple[Pin, ...]:
        """Return the pins that have not ended."""
        self.read_ns = self._stamp_ns()
        try:
            self.pins, self.trouble = stored_pins(self.state.pins), ""
        except InvalidInput as error:
            self.trouble = str(error)
        return tuple(pin for pin in self.pins if pin.end > at)


def _covers(found: DayPlan, at: datetime) -> bool:
    passed_min = (at - found.plan.start).total_seconds() / 60
    return 0 <= passed_min < found.plan.steps * found.plan.step_min
