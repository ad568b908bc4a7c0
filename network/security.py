"""AC limits of a plan: what is violated, how it moves with each MW, and the rows that cure it.

Every limit is written as an upper one, so a low voltage counts as -vm_pu <= -vm_min_pu. Row names
are `branch:NAME` (loading_percent), `voltage_max:BUS` (vm_pu) and `voltage_min:BUS` (-vm_pu).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from network.ac_states import AcStates, Strains
from network.model import commands_q, q_per_p
from network.powerflow import Oracle
from network.tangent import has_tangent, slopes
from vpp.park.model import Park
from vpp.types import Array, TieSensitivity, Violation

Point = tuple[Array, Array, Array | None]
"""Injections (steps, elements) in MW and Mvar, positions (steps, actuators)."""
LOADING_MAX_PERCENT = 100.0
NEAR_LOADING_PERCENT = 70.0
"""A branch above this is worth a row for control."""
NEAR_VM_PU = 0.02
"""So is a bus within this distance of its band."""
STEP_MW = 0.5
"""Half width of the central difference: far above the solver's tolerance, far below a rating."""
MARGIN_PERCENT, MARGIN_VM_PU = 0.2, 0.0005
"""Cuts stop this far inside the limit, since a tangent may lie on the wrong side of the curve."""
TINY_SHARE = 0.1
"""Below this share of the greatest import the tie's power factor is judged as at it (assumption)."""
DEAF_PER_MW = 1e-7
"""A row whose largest coefficient is below this cannot be moved by any injection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A linear row on injections of one step: sum(coeff[i] * p_mw[i]) <= upper."""

    step: int
    name: str
    """Row name, e.g. `branch:T_MAIN_1`."""
    coeff: Mapping[str, float]
    """By element id, scaled so that the largest is 1 in magnitude: the row is in MW."""
    upper: float
    """MW."""
    margin_mw: float
    """How far inside the limit `upper` lies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRows:
    """All limits of a park as upper limits on `sign * column`."""

    names: tuple[str, ...]
    upper: Array
    near: Array
    """How far below the limit a row is worth reporting."""


def violations(park: Park, states: AcStates) -> tuple[Violation, ...]:
    """Return every broken limit: power_flow, voltage, loading and tie_limit, in the order of steps.

    Voltages are judged by the park's bands, branches by 100 % of the continuous rating, the tie by
    the contract. A step without a solution is one violation of `power_flow` and nothing else.
    """
    found = [
        Violation(
            rule="power_flow",
            resource="network",
            step=int(step),
            found=float("nan"),
            allowed=0.0,
            text=f"step {step}: the AC power flow has no solution",
        )
        for step in np.flatnonzero(~states.converged)
    ]
    rows = limit_rows(park, states.buses, states.branches)
    values = limit_values(states)
    for step, r in np.argwhere(values > rows.upper + 1e-9):
        kind, name = rows.names[r].split(":", 1)
        found.append(_violation(kind, name, int(step), float(values[step, r]), float(rows.upper[r])))
    tie = park.contracts.tie
    for name, power, most in (
        ("import", states.p_tie_mw, tie.import_max_mw),
        ("export", -states.p_tie_mw, tie.export_max_mw),
    ):
        for step in np.flatnonzero(power > most + 1e-6):
            found.append(
                Violation(
                    rule="tie_limit",
                    resource="tie",
                    step=int(step),
                    found=float(power[step]),
                    allowed=most,
                    text=f"step {step}: {name} of {power[step]:.2f} MW, allowed {most:g} MW",
                )
            )
    return tuple(sorted(found, key=lambda v: (v.step, v.rule, v.resource)))


def tie_q_max_mvar(park: Park, p_tie_mw: Array) -> Array:
    """Return |Q| that the contract's power factor allows at the tie; nan powers count as tiny."""
    tie = park.contracts.tie
    least_mw = TINY_SHARE * max(tie.import_max_mw, tie.export_max_mw)
    pf = max(tie.power_factor_min, 1e-3)
    allowed: Array = np.fmax(np.abs(p_tie_mw), least_mw) * (1 - pf**2) ** 0.5 / pf
    return allowed


def _violation(kind: str, name: str, step: int, value: float, upper: float) -> Violation:
    if kind == "branch":
        rule, text = "loading", f"step {step}: {name} loaded {value:.1f} %, allowed {upper:g} %"
    else:
        value, upper = abs(value), abs(upper)
        side = "above" if kind == "voltage_max" else "below"
        rule, text = "voltage", f"step {step}: {name} at {value:.4f} pu, {side} {upper:g} pu"
    return Violation(rule=rule, resource=name, step=step, found=value, allowed=upper, text=text)


def voltage_limits(park: Park) -> Mapping[str, tuple[float, float]]:
    """Return bus name -> (vm_min_pu, vm_max_pu) by voltage level; infinite where no band holds."""
    limits = {}
    for bus in park.grid.buses:
        bands = [b for b in park.voltage_bands if b.vn_kv_min <= bus.vn_kv <= b.vn_kv_max]
        limits[bus.name] = (
            max((b.vm_min_pu for b in bands), default=-np.inf),
            min((b.vm_max_pu for b in bands), default=np.inf),
        )
    return limits


def limit_rows(park: Park, buses: Sequence[str], branches: Sequence[str]) -> LimitRows:
    """Return every limit of the grid: branches, then upper, then lower voltages."""
    limits = voltage_limits(park)
    low = [-limits[bus][0] for bus in buses]
    high = [limits[bus][1] for bus in buses]
    return LimitRows(
        names=(
            *(f"branch:{b}" for b in branches),
            *(f"voltage_max:{b}" for b in buses),
            *(f"voltage_min:{b}" for b in buses),
        ),
        upper=np.array([*[LOADING_MAX_PERCENT] * len(branches), *high, *low]),
        near=np.array(
            [
                *[LOADING_MAX_PERCENT - NEAR_LOADING_PERCENT] * len(branches),
                *[NEAR_VM_PU] * (2 * len(buses)),
            ]
        ),
    )


def limit_values(states: AcStates | Strains) -> Array:
    """Return (steps, rows) in the order of `limit_rows`; nan, which no comparison finds, if unsolved."""
    return np.hstack([states.loading_percent, states.vm_pu, -states.vm_pu])


def sensitivities(
    oracle: Oracle, p_mw: Array, q_mvar: Array, step: int, requested: Sequence[str] = ()
) -> TieSensitivity:
    """Return the linear network model of one step; see `sensitivities_all`."""
    (one,) = sensitivities_all(oracle, p_mw, q_mvar, steps=(step,), requested=requested)
    return one


def sensitivities_all(
    oracle: Oracle,
    p_mw: Array,
    q_mvar: Array,
    positions: Array | None = None,
    *,
    steps: Sequence[int] | None = None,
    requested: Sequence[str] = (),
) -> tuple[TieSensitivity, ...]:
    """Return the linear network model around the plan for many steps at once.

    `p_mw` and `q_mvar` have shape (steps, elements), `positions` (steps, actuators). Tangents of the
    power flow, or differences where those do not hold; the reactive power of loads and of devices
    without a choice moves with the active one by their fixed rule, that of all others is commanded
    and stays. Rows are the limits near the operating point and those requested by name. A step whose
    power flow has no solution comes back without rows.
    """
    at = np.arange(len(p_mw)) if steps is None else np.asarray(steps, dtype=np.int64)
    follows = np.array(
        [0.0 if commands_q(oracle.park, e) else q_per_p(oracle.park, e) for e in oracle.elements]
    )
    held = None if positions is None else positions[at]
    values, d_values, d_losses = derivatives(oracle, (p_mw[at], q_mvar[at], held), at, follows)
    rows = limit_rows(oracle.park, oracle.buses, oracle.branches)
    wanted = np.isin(rows.names, requested)
    near = (values > rows.upper - rows.near) | wanted
    near &= np.abs(d_values).max(axis=1) > DEAF_PER_MW
    return tuple(
        _linear(
            oracle.elements,
            rows,
            step=int(at[i]),
            p_mw=p_mw[at[i]],
            near=near[i],
            values=values[i],
            d_values=d_values[i],
            d_losses=d_losses[i],
        )
        for i in range(len(at))
    )


def derivatives(
    oracle: Oracle, point: Point, steps: npt.NDArray[np.int64], follows: Array
) -> tuple[Array, Array, Array]:
    """Return limits (steps, rows) and the derivatives of limits (steps, elements, rows) and of losses.

    By each element's MW; Q moves by `follows` (elements,) with it. nan where a step has no solution.
    """
    moving = _tangent if has_tangent(oracle) else _differences
    return moving(oracle, point, steps, follows)


def _tangent(
    oracle: Oracle, point: Point, steps: npt.NDArray[np.int64], follows: Array
) -> tuple[Array, Array, Array]:
    """Return limits (steps, rows) and their and the losses' derivatives, solved for at each point."""
    states = oracle.solve(*point)
    found = slopes(oracle, *point, q_per_p=follows)
    return limit_values(states), np.concatenate([found.loading, found.vm, -found.vm], axis=2), found.losses


def _differences(
    oracle: Oracle, point: Point, steps: npt.NDArray[np.int64], follows: Array
) -> tuple[Array, Array, Array]:
    """Return the same from central differences of `STEP_MW` per element."""
    p_mw, q_mvar, positions = point
    k, n = p_mw.shape
    nudge = STEP_MW * np.vstack([np.zeros((1, n)), np.eye(n), -np.eye(n)])
    p = (p_mw[:, None, :] + nudge).reshape(-1, n)
    q = (q_mvar[:, None, :] + nudge * follows).reshape(-1, n)
    held = None if positions is None else np.repeat(positions, 2 * n + 1, axis=0)
    states = oracle.solve(p, q, held, np.repeat(steps, 2 * n + 1))
    values = limit_values(states).reshape(k, 2 * n + 1, -1)
    losses = states.losses_mw.reshape(k, 2 * n + 1)
    d_values = (values[:, 1 : n + 1] - values[:, n + 1 :]) / (2 * STEP_MW)
    d_losses = (losses[:, 1 : n + 1] - losses[:, n + 1 :]) / (2 * STEP_MW)
    return values[:, 0], d_values, d_losses


def _linear(
    ids: tuple[str, ...],
    rows: LimitRows,
    *,
    step: int,
    p_mw: Array,
    near: npt.NDArray[np.bool_],
    values: Array,
    d_values: Array,
    d_losses: Array,
) -> TieSensitivity:
    picked = np.flatnonzero(near)
    solved = bool(np.isfinite(d_losses).all())
    return TieSensitivity(
        step=step,
        p_mw=dict(zip(ids, p_mw.tolist(), strict=True)),
        rows={rows.names[r]: dict(zip(ids, d_values[:, r].tolist(), strict=True)) for r in picked},
        value={rows.names[r]: float(values[r]) for r in picked},
        limit={rows.names[r]: float(rows.upper[r]) for r in picked},
        loss_mw_per_mw=dict(zip(ids, d_losses.tolist(), strict=True)) if solved else {},
    )


def cuts(models: Sequence[TieSensitivity], elements: Sequence[str]) -> tuple[Cut, ...]:
    """Return one row in MW space for each violated limit of the linear models; see `rows`."""
    broken = []
    for model in models:
        value = {name: x for name, x in model.value.items() if x > model.limit[name]}
        broken.append(replace(model, value=value))
    return rows(broken, elements)


def rows(models: Sequence[TieSensitivity], elements: Sequence[str]) -> tuple[Cut, ...]:
    """Return one row in MW space for each limit of the linear models, broken or not.

    `elements` are the ids that the caller may move; all others are taken as they were. A limit that
    none of them moves yields no row: it stays a violation.
    """
    found = []
    for model in models:
        for name, value in model.value.items():
            coeff = {i: model.rows[name][i] for i in elements}
            scale = max((abs(x) for x in coeff.values()), default=0.0)
            if scale <= DEAF_PER_MW:
                continue
            margin = MARGIN_PERCENT if name.startswith("branch:") else MARGIN_VM_PU
            row = {i: x / scale for i, x in coeff.items()}
            held = sum(x * model.p_mw[i] for i, x in row.items())
            upper = (model.limit[name] - margin - value) / scale + held
            found.append(Cut(step=model.step, name=name, coeff=row, upper=upper, margin_mw=margin / scale))
    return tuple(found)
