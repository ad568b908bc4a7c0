"""The hydrogen that electrolysers make, stores hold and ammonia loops use, step by step."""

from collections.abc import Mapping
from datetime import datetime

from hil.unit import Unit
from vpp.devices import Ammonia, Electrolyzer, H2Store, h2_store


class Chain:
    """All devices of a rig in the order in which hydrogen passes through them."""

    def __init__(self, units: Mapping[str, Unit]) -> None:
        self._units = units
        self._stores = [unit for unit in units.values() if isinstance(unit.device, H2Store)]
        self._makers = [unit for unit in units.values() if isinstance(unit.device, Electrolyzer)]
        self._loops = [unit for unit in units.values() if isinstance(unit.device, Ammonia)]

    def move(self, at: datetime, dt_s: float, available_mw: Mapping[str, float]) -> list[float]:
        """Step every device from plant time `at`; returns mean powers, MW, in the units' order.

        Electrolysers before the stores they feed and loops draw on in equal parts.
        """
        before_kg = self._made_kg()
        mean_mw = {
            name: unit.move(at, dt_s, available_mw.get(name, 0.0))
            for name, unit in self._units.items()
            if unit not in self._stores and unit not in self._loops
        }
        made_kg_per_h = (self._made_kg() - before_kg) * 3600 / dt_s
        used_kg = self._feed_loops(at, dt_s, made_kg_per_h, mean_mw)
        for store in self._stores:
            store.state = h2_store.drawn(store.state, used_kg / len(self._stores))
            mean_mw[store.id] = store.move(at, dt_s, made_kg_per_h / len(self._stores))
        return [mean_mw[name] for name in self._units]

    def _feed_loops(
        self, at: datetime, dt_s: float, made_kg_per_h: float, mean_mw: dict[str, float]
    ) -> float:
        """Step the ammonia loops, earlier ones fed first; returns the kg they used."""
        left = made_kg_per_h + sum(
            h2_store.offered_kg_per_h(unit.device, unit.state.h2_kg, dt_s)
            for unit in self._stores
            if isinstance(unit.device, H2Store)
        )
        used_kg = 0.0
        for loop in self._loops:
            before_kg = loop.state.h2_kg
            mean_mw[loop.id] = loop.move(at, dt_s, left)
            used_kg += loop.state.h2_kg - before_kg
            left -= (loop.state.h2_kg - before_kg) * 3600 / dt_s
        return used_kg

    def _made_kg(self) -> float:
        return float(sum(unit.state.h2_kg for unit in self._makers))
