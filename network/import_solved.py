"""A net of somebody else, judged before and after pandapower solves it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandapower as pp
import pandas as pd
from pandapower.io_utils import DeserializationNotAllowed

from network.empty import empty_net
from vpp.errors import Fault, InvalidInput

FOREIGN = (
    *(ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, NameError),
    *(RuntimeError, TypeError, ValueError, Warning, pp.auxiliary.ppException),
    DeserializationNotAllowed,
)
"""What pandapower and pandas were seen to raise on damaged nets; each becomes a fault in words."""
TABLES = frozenset(
    {
        *("bus", "load", "sgen", "gen", "storage", "ext_grid", "switch", "shunt", "impedance", "dcline"),
        *("line", "trafo", "trafo3w", "trafo_characteristic_table", "shunt_characteristic_table"),
        *("ward", "xward", "motor", "asymmetric_load", "asymmetric_sgen", "svc", "ssc", "tcsc", "vsc"),
        *("b2b_vsc", "bus_dc", "line_dc", "poly_cost", "pwl_cost", "controller", "measurement", "group"),
    }
)
"""What is read of a file; everything else in it (results, pictures, objects of programs) is passed over."""
_FIGURES: Mapping[str, tuple[str, ...]] = {
    "bus": ("vn_kv",),
    "line": ("length_km", "r_ohm_per_km", "x_ohm_per_km", "c_nf_per_km", "max_i_ka"),
    "trafo": ("sn_mva", "vn_hv_kv", "vn_lv_kv", "vk_percent", "vkr_percent", "pfe_kw", "i0_percent"),
    "load": ("p_mw", "q_mvar"),
    "sgen": ("p_mw", "q_mvar"),
    "gen": ("p_mw", "vm_pu"),
    "ext_grid": ("vm_pu",),
}
"""Columns that must be finite numbers."""
_ENDS: Mapping[str, tuple[str, ...]] = {
    **{
        "line": ("from_bus", "to_bus"),
        "trafo": ("hv_bus", "lv_bus"),
        "trafo3w": ("hv_bus", "mv_bus", "lv_bus"),
    },
    **dict.fromkeys(("load", "sgen", "gen", "storage", "ext_grid", "shunt", "switch"), ("bus",)),
}
"""Columns that must name a bus."""
_PLAIN = {
    "in_service": True,
    "closed": True,
    "slack": False,
    "parallel": 1,
    "df": 1.0,
    "scaling": 1.0,
    "step": 1,
}
"""What a row has where its table lacks the column; else nothing."""


def solved(net: Any, label: str) -> Any:
    """Return the net with the results of `runpp`; InvalidInput where it has none."""
    _complete(net, label)
    if not len(net.bus):
        raise refused(label, "a net without buses", "buses, branches and an external grid")
    if not _in_service(net, "ext_grid") and not (len(net.gen) and bool(net.gen.slack.any())):
        raise refused(label, "no external grid in service", "one ext_grid or more: the tie of the park")
    _finite(net, label)
    try:
        pp.runpp(net, numba=False)
    except pp.LoadflowNotConverged as error:
        expected = "a net that pandapower.runpp solves"
        raise refused(label, "the power flow of the net does not converge", expected) from error
    except FOREIGN as error:
        wrong = f"pandapower.runpp fails ({line_of(error)})"
        raise refused(label, wrong, "a net that pandapower.runpp solves") from error
    if not np.isfinite(net.res_bus.vm_pu.to_numpy(dtype=float)).any():
        raise refused(label, "no bus is fed", "an external grid that feeds buses")
    return net


def _in_service(net: Any, table: str) -> int:
    return int(net[table].in_service.astype(bool).sum()) if len(net[table]) else 0


def _complete(net: Any, label: str) -> None:
    """Refuse tables without the columns that say everything, and give the others what they lack."""
    plain = empty_net()
    whole = "a table as pandapower writes it"
    broken = [t for t in plain if t in TABLES and t in net and not _is_table(net[t])]
    if broken:
        raise InvalidInput(
            tuple(
                Fault(
                    file=label, field=t, wrong="no table of numbered rows and named columns", expected=whole
                )
                for t in broken
            )
        )
    lacking = {t: [c for c in plain[t].columns if c not in net[t]] for t in TABLES if t in plain and t in net}
    faults = [
        Fault(file=label, field=table, wrong=f"no column {column}", expected=whole)
        for table, columns in lacking.items()
        for column in columns
        if column in (*_FIGURES.get(table, ()), *_ENDS.get(table, ())) and len(net[table])
    ]
    if faults:
        raise InvalidInput(tuple(faults))
    for table, columns in lacking.items():
        for column in columns:
            net[table][column] = _PLAIN.get(column, np.nan)


def _is_table(value: object) -> bool:
    """Return whether it is a frame with rows by number and columns by name."""
    if not isinstance(value, pd.DataFrame):
        return False
    numbered = all(isinstance(row, int | np.integer) for row in value.index)
    return numbered and all(isinstance(column, str) for column in value.columns)


def _finite(net: Any, label: str) -> None:
    """Refuse rows whose figures are no numbers before a solver stumbles over them."""
    faults = []
    for table, columns in _FIGURES.items():
        for column in columns:
            values = np.array([_float(value) for value in net[table][column]])
            for i in np.flatnonzero(~np.isfinite(values))[:5]:
                field_name = f"{table}[{net[table].index[i]}].{column}"
                faults.append(
                    Fault(file=label, field=field_name, wrong=str(values[i]), expected="a finite number")
                )
    faults += _unknown_buses(net, label)
    if faults:
        raise InvalidInput(tuple(faults))


def _unknown_buses(net: Any, label: str) -> list[Fault]:
    faults = []
    for table, columns in _ENDS.items():
        for column in columns:
            lost = net[table].index[~net[table][column].isin(net.bus.index).to_numpy(dtype=bool)]
            faults += [
                Fault(
                    file=label,
                    field=f"{table}[{i}].{column}",
                    wrong=f"unknown bus {net[table].at[i, column]}",
                    expected="a row of bus",
                )
                for i in lost[:5]
            ]
    return faults


def _float(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def refused(where: str, wrong: str, expected: str) -> InvalidInput:
    """Return the refusal of a whole source."""
    return InvalidInput((Fault(file=where, wrong=wrong, expected=expected),))


def line_of(error: BaseException) -> str:
    """Return what a foreign error says, in one line."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:120]}" if text else type(error).__name__
