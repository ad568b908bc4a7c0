"""Where banks, tap changers and statcoms may stand: steps in, tap positions, Mvar injected."""

from vpp.park.model import Park


def position_at_rest(park: Park, actuator: str) -> float:
    """Return where an actuator stands in the park's tables: banks wholly in, statcoms at 0 Mvar."""
    row = park.actuators[actuator]
    if row.kind == "tap":
        return float(next(t.tap_pos for t in park.grid.trafos if t.name == row.element))
    bank = next(s for s in park.grid.shunts if s.name == row.element)
    return 0.0 if row.kind == "statcom" else float(bank.steps)


def position_range(park: Park, actuator: str) -> tuple[float, float]:
    """Return the least and greatest position: steps of a bank, taps, or Mvar injected by a statcom."""
    row = park.actuators[actuator]
    if row.kind == "tap":
        kind = next(t.std_type for t in park.grid.trafos if t.name == row.element)
        unit = next(t for t in park.grid.trafo_types if t.name == kind)
        return float(unit.tap_min), float(unit.tap_max)
    bank = next(s for s in park.grid.shunts if s.name == row.element)
    return (-abs(bank.q_mvar), abs(bank.q_mvar)) if row.kind == "statcom" else (0.0, float(bank.steps))
