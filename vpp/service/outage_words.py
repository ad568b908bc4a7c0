"""Outages that no dispatch of a park cures, in words."""

from collections.abc import Mapping
from typing import NamedTuple

from vpp.park import Park


class OutagesTold(NamedTuple):
    """The same twice: for programs and for people."""

    rows: tuple[Mapping[str, object], ...]
    """One per limit: outage, branch, least_percent, when."""
    lines: tuple[str, ...]


def outages_told(park: Park) -> OutagesTold:
    """Return what no dispatch cures after an outage of the park, worst first.

    Building the grid and trying all outages takes a second or two on a park of 96 buses.
    """
    from network.contingency_curable import uncurable_of

    found = uncurable_of(park)
    if found is None:
        return OutagesTold((), ("warning: the grid without load has no power flow; outages were not tried",))
    ordered = sorted(found, key=lambda u: (-round(u.least_percent, 1), u.outage))
    rows = tuple(
        {"outage": u.outage, "branch": u.branch, "least_percent": u.least_percent, "when": u.when}
        for u in ordered
    )
    lines = tuple(
        f"no dispatch cures: after the outage of {u.outage}, {u.branch} carries {u.least_percent:.0f} %"
        f" of its rating or more ({u.when}); plans hold it at what it is without dispatch"
        for u in ordered
    )
    return OutagesTold(rows, lines)
