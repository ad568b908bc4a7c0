"""What several elements offer together: not their sum, but what tie and network let through at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, sparse

from controllers.acting.envelope import Row, row_excess
from controllers.acting.holding import Hydrogen, segments
from controllers.acting.reach import LEAST_HOLD_S, NO_CAP, NOISE_MW, Cap, Reach
from vpp.devices import Device, Electrolyzer, electrolyzer
from vpp.types import Array

SAME = 1e-6
TINY = 1e-12
"""Rounding by which what fills a row may be over it, in the row's unit."""
RESOLVED = 1e-7
"""By so much of its own unit (%, pu, MW) a row may be over: slopes of numerical noise hold nobody back."""
MIP_GAP = 1e-6
MOST_MW = 1e6
"""A row with more room than this binds no park."""
MW_PER_CNY = 1e-7
"""What the pool gives up in size for a cheaper member, MW of each per CNY/MWh: a tie-break."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One element of a pool in one direction."""

    id: str
    reach: tuple[Reach, ...]
    p_mw: float
    """Its power now."""
    device: Device | None
    """None for a load."""
    block_mw: float = 0.0
    """Of a load: one block; it moves by whole ones."""
    price_cny_per_mwh: float = 0.0
    """Among pools of the same size the cheapest is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooled:
    """What a pool offers at one horizon, and who gives it."""

    within_s: float
    mw: float
    hold_s: float
    limit: str
    """Name of the row that keeps it from being the sum, `members` where every member gives all it has."""
    shares_mw: Mapping[str, float]


def cap_of(rows: Sequence[Row], name: str, sign: int) -> Cap:
    """Return how far one element may move alone; a row that is broken already may not get worse."""
    best = NO_CAP
    for row in rows:
        slope = sign * row.slope.get(name, 0.0)
        if slope > 0.0:
            best = min(best, Cap(mw=_room(row) / slope, limit=row.name), key=lambda cap: cap.mw)
    return best


def pool(members: Sequence[Member], rows: Sequence[Row], hydrogen: Hydrogen, sign: int) -> tuple[Pooled, ...]:
    """Return by horizon the greatest sum of the members' moves that all rows allow together.

    A small MILP: each member stands still or moves to a level that it can hold, a load by whole blocks.
    Nobody moves the other way to make room (assumption: no counter-trade). Hydrogen is counted once
    for all electrolysers, and the pool lasts as long as the first of its givers.
    """
    found: list[Pooled] = []
    reaches: list[list[float]] = []
    for k, first in enumerate(members[0].reach if members else ()):
        givers = [m for m in members if m.reach[k].mw > NOISE_MW]
        reaches.append([m.reach[k].mw for m in members])
        if k and reaches[k] == reaches[k - 1]:
            # nobody gets further with more time: the same pool
            limit, shares = found[-1].limit, found[-1].shares_mw
        else:
            limit, shares = _pooled(givers, rows, hydrogen, sign, k)
        holds = [m.reach[k].hold_s for m in givers if m.id in shares]
        found.append(
            Pooled(
                within_s=first.within_s,
                mw=sum(shares.values()),
                hold_s=min([*holds, _hydrogen_hold_s(givers, shares, hydrogen, sign)]),
                limit=limit,
                shares_mw=shares,
            )
        )
    return tuple(found)


def _pooled(
    givers: Sequence[Member], rows: Sequence[Row], hydrogen: Hydrogen, sign: int, k: int
) -> tuple[str, dict[str, float]]:
    """Return what limits a pool at a horizon, and who gives how much of it."""
    whole = {m.id: m.reach[k].mw for m in givers}
    rows = [row for row in rows if not whole.keys().isdisjoint(row.slope)]
    rows += _hydrogen_row(givers, hydrogen, k, sign)
    broken = [row for row in rows if _moved(row, whole, sign) > _room(row)]
    shares = _solved(givers, rows, sign, k) if broken else whole
    shares = {name: mw for name, mw in shares.items() if mw > NOISE_MW}
    return _tightest(broken, shares, sign), shares


def _room(row: Row) -> float:
    """Return by how much a row may still grow; one that is broken already may not."""
    return max(0.0, -row_excess(row, row.base)) + RESOLVED


def _moved(row: Row, shares: Mapping[str, float], sign: int) -> float:
    return sum(sign * row.slope.get(name, 0.0) * mw for name, mw in shares.items())


def _tightest(broken: Sequence[Row], shares: Mapping[str, float], sign: int) -> str:
    if not broken:
        return "members"

    def left_mw(row: Row) -> float:
        steepest = max((sign * s for s in row.slope.values()), default=SAME)
        return (_room(row) - _moved(row, shares, sign)) / max(steepest, SAME)

    return min(broken, key=left_mw).name


def _solved(givers: Sequence[Member], rows: Sequence[Row], sign: int, k: int) -> dict[str, float]:
    """Return the shares of the best allowed pool.

    Whoever no row holds back gives all; the others are tried one by one where they are few, else searched.
    """
    moves = {m.id: _moves(m, sign, k) for m in givers}
    shares = {name: max(high for _, high in ranges) for name, ranges in moves.items()}
    slope = np.array([[sign * row.slope.get(m.id, 0.0) for m in givers] for row in rows])
    most, room = np.array(list(shares.values())), np.array([_room(row) for row in rows])
    binding = np.maximum(slope, 0.0) @ most > room
    slope, room = slope[binding], room[binding]
    held = (slope > 0.0).any(axis=0)
    room = room - slope[:, ~held] @ most[~held]
    left, slope = [m for m, is_held in zip(givers, held, strict=True) if is_held], slope[:, held]
    tried = _tried(left, moves, slope, room)
    return shares | (_searched(left, moves, slope, room) if tried is None else tried)


def _tried(
    left: Sequence[Member], moves: Mapping[str, Sequence[tuple[float, float]]], slope: Array, room: Array
) -> dict[str, float] | None:
    """Return the best shares by trying all block counts of one load beside one more member.

    None where there is more to combine: that is searched.
    """
    loads = [i for i, m in enumerate(left) if m.block_mw > 0]
    others = [i for i, m in enumerate(left) if m.block_mw <= 0]
    if len(loads) > 1 or len(others) > 1:
        return None
    best, best_worth = dict.fromkeys((m.id for m in left), 0.0), 0.0
    steps_mw = [0.0]
    for i in loads:
        m = left[i]
        steps_mw = [n * m.block_mw for n in range(round(moves[m.id][0][1] / m.block_mw) + 1)]
    ranges = [(0.0, 0.0), *(span for i in others for span in moves[left[i].id])]
    for blocks_mw in steps_mw:
        spare = room - sum((slope[:, i] * blocks_mw for i in loads), np.zeros(len(room)))
        for low, high in ranges:
            most = high
            for i in others:
                rising = slope[:, i] > 0.0
                most = min([high, *(spare[rising] / slope[rising, i]).tolist()])
            fits = bool(
                (spare - sum((slope[:, i] * most for i in others), np.zeros(len(room))) >= -TINY).all()
            )
            mw = {**{left[i].id: blocks_mw for i in loads}, **{left[i].id: most for i in others}}
            worth = sum((1 - MW_PER_CNY * m.price_cny_per_mwh) * mw[m.id] for m in left)
            if fits and most >= low and worth > best_worth:
                best, best_worth = mw, worth
    return best


def _searched(
    left: Sequence[Member], moves: Mapping[str, Sequence[tuple[float, float]]], slope: Array, room: Array
) -> dict[str, float]:
    """Return the best shares by a MILP; nothing moves where the solver gives no answer."""
    givers, columns = left, [(m, low, high) for m in left for low, high in moves[m.id]]
    n = len(columns)
    # x: (change, chosen) by column; rows in MW of their most effective member, whatever their unit
    place = {m.id: i for i, m in enumerate(left)}
    slope = slope[:, [place[m.id] for m, _, _ in columns]]
    steepest = np.abs(slope).max(axis=1)[:, np.newaxis]
    slope, room = slope / steepest, np.minimum(room / steepest[:, 0], MOST_MW)
    blocks = np.array([m.block_mw for m, _, _ in columns])
    prices = np.array([m.price_cny_per_mwh for m, _, _ in columns])
    low, high = (np.array([c[i] for c in columns]) for i in (1, 2))
    eye = np.eye(n)
    one = np.array([[float(m.id == giver.id) for m, _, _ in columns] for giver in givers])
    matrix = np.vstack(
        [
            np.hstack([slope, np.zeros_like(slope)]),
            np.hstack([eye, -np.diag(np.where(blocks > 0, blocks, high))]),
            np.hstack([-eye, np.diag(np.where(blocks > 0, blocks, low))]),
            np.hstack([np.zeros((len(givers), n)), np.where(blocks > 0, 0.0, one)]),
        ]
    )
    upper = np.concatenate([room, np.zeros(2 * n), np.ones(len(givers))])
    most = np.where(blocks > 0, np.round(high / np.where(blocks > 0, blocks, 1.0)), 1.0)
    result = optimize.milp(
        np.concatenate([MW_PER_CNY * prices - 1, np.zeros(n)]),
        integrality=np.concatenate([np.zeros(n), np.ones(n)]),
        bounds=optimize.Bounds(np.zeros(2 * n), np.concatenate([high, most])),
        constraints=optimize.LinearConstraint(sparse.csr_matrix(matrix), -np.inf, upper),
        options={"mip_rel_gap": MIP_GAP},
    )
    shares = dict.fromkeys((m.id for m in givers), 0.0)
    if result.x is not None:
        for (m, _, _), mw in zip(columns, result.x[:n], strict=True):
            shares[m.id] += float(mw)
    return shares


def _moves(member: Member, sign: int, k: int) -> list[tuple[float, float]]:
    """Return the intervals of change, MW >= 0, that one member can stay at, up to its reach."""
    most = member.reach[k].mw
    if member.device is None:
        return [(0.0, most)]
    found = []
    for low, high in segments(member.device):
        ends = sorted((sign * (low - member.p_mw), sign * (high - member.p_mw)))
        if ends[1] >= -NOISE_MW and ends[0] <= most:
            found.append((max(0.0, ends[0]), max(0.0, min(most, ends[1]))))
    return found or [(most, most)]


def _hydrogen_row(givers: Sequence[Member], hydrogen: Hydrogen, k: int, sign: int) -> tuple[Row, ...]:
    """Return the row of the shared store: what all make together must fit for `LEAST_HOLD_S`.

    Along the chord of each production curve, kg/h per MW.
    """
    makers = [m for m in givers if isinstance(m.device, Electrolyzer)]
    if sign > 0 or not makers:
        return ()
    slope = {m.id: -_more_kg_per_h(m, m.reach[k].mw, hydrogen) / m.reach[k].mw for m in makers}
    room = hydrogen.room_kg * 3600 / LEAST_HOLD_S + hydrogen.out_kg_per_h
    made = sum(hydrogen.made_kg_per_h.values())
    row = Row(name="hydrogen", slope=slope, base=dict.fromkeys(slope, 0.0), value=made, limit=room)
    return (row,) if np.isfinite(room) else ()


def _more_kg_per_h(member: Member, mw: float, hydrogen: Hydrogen) -> float:
    """Return what an electrolyser makes more when it draws `mw` more, kg/h."""
    assert isinstance(member.device, Electrolyzer)
    made = electrolyzer.h2_kg_per_h(member.device, mw - member.p_mw)
    return max(0.0, made - hydrogen.made_kg_per_h.get(member.id, 0.0))


def _hydrogen_hold_s(
    givers: Sequence[Member], shares: Mapping[str, float], hydrogen: Hydrogen, sign: int
) -> float:
    makers = [m for m in givers if isinstance(m.device, Electrolyzer) and m.id in shares]
    if sign > 0 or not makers:
        return float("inf")
    more = sum(_more_kg_per_h(m, shares[m.id], hydrogen) for m in makers)
    net = sum(hydrogen.made_kg_per_h.values()) + more - hydrogen.out_kg_per_h
    return hydrogen.room_kg / net * 3600 if net > SAME else float("inf")
