"""When a scenario's event holds, in plant minutes after the start."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le

Minute = Annotated[float, Ge(0), Le(14 * 1440)]
Minutes = Annotated[float, Gt(0), Le(14 * 1440)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spell:
    """What lasts for a while."""

    at_min: Minute
    for_min: Minutes

    def holds(self, minute: float) -> bool:
        """Return whether it lasts at a plant minute after the start."""
        return self.at_min <= minute < self.at_min + self.for_min
