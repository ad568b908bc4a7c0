"""Everything of somebody else's net that injects power, at its solved state."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from network.import_carried import number

FIXED = {
    "ward": -1,
    "xward": -1,
    "motor": -1,
    "asymmetric_load": -1,
    "asymmetric_sgen": 1,
    "svc": -1,
    "ssc": -1,
}
"""Tables taken as constant power at their solved state, and the sign that makes it an injection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One element of the net at its solved state."""

    table: str
    index: int
    name: object
    bus: int
    p_mw: float
    """Injection positive."""
    q_mvar: float
    nominal_mw: float
    """Injection at 1 of its profile, before the net's scaling."""
    rated_mw: float
    """Greatest injection or draw; 0 where unknown."""
    s_mva: float
    e_mwh: float
    least_mw: float
    word: str
    """Type and kind of the element in the net's words."""
    profile: str


def elements_of(net: Any) -> Iterator[Unit]:
    """Yield every load, plant, store and injection in service of a solved net."""
    yield from _rows(net, "load", -1)
    yield from _rows(net, "sgen", 1)
    yield from _rows(net, "gen", 1)
    yield from _rows(net, "storage", -1)
    for table, sign in FIXED.items():
        if table in net and len(net[table]) and len(net[f"res_{table}"]):
            yield from _rows(net, table, sign)
    for index, row in net.dcline.iterrows():
        result = net.res_dcline.loc[index]
        for side in ("from", "to"):
            p, q = -float(result[f"p_{side}_mw"]), -float(result[f"q_{side}_mvar"])
            name = f"{row['name'] or 'DCLINE'}_{side}"
            yield _unit("dcline", row, (name, int(row[f"{side}_bus"])), (p, q), p)


def _rows(net: Any, table: str, sign: int) -> Iterator[Unit]:
    results = net[f"res_{table}"]
    p_mw = results["p_mw"].to_numpy(dtype=float) if "p_mw" in results else np.zeros(len(results))
    q_mvar = results["q_mvar"].to_numpy(dtype=float)
    for k, (_, row) in enumerate(net[table].iterrows()):
        if not bool(row["in_service"]) or (table == "gen" and bool(row["slack"])):
            continue
        p, q = sign * float(np.nan_to_num(p_mw[k])), sign * float(np.nan_to_num(q_mvar[k]))
        nominal = sign * number(row, "p_mw", 0.0)
        yield _unit(table, row, (row["name"], int(row["bus"])), (p, q), nominal)


def _unit(
    table: str, row: Any, at: tuple[object, int], power: tuple[float, float], nominal_mw: float
) -> Unit:
    (name, bus), (p_mw, q_mvar) = at, power
    s_mva = max(number(row, "sn_mva", 0.0), 0.0)
    most = max(number(row, "max_p_mw", 0.0), 0.0) if table in ("gen", "sgen") else 0.0
    words = (row.get(column) for column in ("type", "phys_type", "name"))
    profile = row.get("profile")
    return Unit(
        table=table,
        index=int(row.name),
        name=name,
        bus=bus,
        p_mw=p_mw,
        q_mvar=q_mvar,
        nominal_mw=nominal_mw,
        rated_mw=max(abs(p_mw), abs(nominal_mw), most),
        s_mva=s_mva,
        e_mwh=max(number(row, "max_e_mwh", 0.0), 0.0) if table == "storage" else 0.0,
        least_mw=max(number(row, "min_p_mw", 0.0), 0.0) if table == "gen" else max(p_mw, 0.0),
        word=" ".join(word for word in words if isinstance(word, str)),
        profile=profile if isinstance(profile, str) else "",
    )
