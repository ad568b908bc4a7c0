"""Adjustable capability in a terminal: two tables of 80 columns, up and down."""

import math
from collections.abc import Iterator, Sequence

from controllers.acting.offers import Capability, Direction, Pool
from controllers.acting.pooling import Pooled
from controllers.acting.reach import HORIZONS_S, Reach

_HEADS = {1.0: "1 s", 60.0: "1 min", 900.0: "15 min", 3600.0: "1 h"}


def capability_lines(found: Capability) -> list[str]:
    """Return both tables; every power in MW, `for` is how long the last column can be held."""
    lines = []
    for word, sign in (("up: more injection or less use", 1), ("down: less injection or more use", -1)):
        heads = "".join(f"{_HEADS[h]:>8}" for h in HORIZONS_S)
        lines += [word, f"{'':<10}{'now':>8}{heads}{'for':>7}{'CNY/MWh':>9}  limited by"]
        lines += [_pool_line("PARK", found.park, sign)]
        lines += list(_elements(found, sign))
        lines += [
            _pool_line(bus, pool, sign) for bus, pool in found.buses.items() if len(pool.members) > 1
        ] + [""]
    if not found.network:
        lines.append("no network rows: no plan with sensitivities is in force")
    return lines


def _elements(found: Capability, sign: int) -> Iterator[str]:
    for element in found.elements.values():
        side: Direction = element.up if sign > 0 else element.down
        now = "--" if element.p_mw is None else f"{element.p_mw + 0.0:.1f}"
        price = "" if side.price_cny_per_mwh is None else f"{round(side.price_cny_per_mwh) + 0}"
        yield _line(element.id, now, side.reach, price)


def _pool_line(name: str, pool: Pool, sign: int) -> str:
    return _line(name, "", pool.up if sign > 0 else pool.down, "")


def _line(name: str, now: str, reach: Sequence[Reach] | Sequence[Pooled], price: str) -> str:
    cells = "".join(f"{r.mw + 0.0:>8.1f}" for r in reach)
    last = reach[-1] if reach else None
    hold = "" if last is None or last.mw == 0.0 else span_text(last.hold_s)
    limit = "" if last is None else last.limit
    return f"{name[:10]:<10}{now:>8}{cells}{hold:>7}{price:>9}  {limit[:12]}".rstrip()


def span_text(seconds: float) -> str:
    """Return a duration in at most 6 characters."""
    if math.isinf(seconds):
        return "no end"
    return f"{seconds / 60:.0f} min" if seconds < 5940 else f"{seconds / 3600:.1f} h"
