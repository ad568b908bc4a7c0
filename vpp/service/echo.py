"""What an order or a shed would change, before anybody gives it: megawatts, loads, limits, cost."""

from collections.abc import Mapping
from dataclasses import dataclass

from controllers.acting.course import need_mw
from controllers.acting.selection import armed, masks, select
from vpp.park.model import Park
from vpp.types import DispatchOrder, ShedOrder, Snapshot

Order = DispatchOrder | ShedOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class Echo:
    """What would change, and what has to be the same when it is done."""

    lines: tuple[str, ...]
    """In words: what changes, MW before and after, what it costs, which limits it passes."""
    before_mw: float
    after_mw: float
    """Of a shed the armed loads' demand; of an order the limit it narrows most."""
    blocks: Mapping[str, int]
    """By load the breakers that would open."""
    second: str
    """Why another person has to confirm; empty: nobody has to."""
    standing: tuple[object, ...]
    """What is refused to have changed meanwhile: control's epoch, park mode, orders, open breakers."""


def standing(snapshot: Snapshot) -> tuple[object, ...]:
    """Return what must not change between select and operate."""
    opened = tuple(sorted((name, mask) for name, mask in snapshot.open_blocks.items() if mask))
    return snapshot.epoch, snapshot.park_mode, snapshot.orders, opened


def echo(park: Park, snapshot: Snapshot, order: Order) -> Echo:
    """Return what `order` would change now, by the newest snapshot."""
    return (
        _of_shed(park, snapshot, order) if isinstance(order, ShedOrder) else _of_order(park, snapshot, order)
    )


def _of_shed(park: Park, snapshot: Snapshot, order: ShedOrder) -> Echo:
    table = armed(park.loads, snapshot.readings, snapshot.calls)
    chosen = select(table, need_mw(order))
    armed_mw, cut_mw = sum(block.mw for block in table), sum(block.mw for block in chosen)
    by_load: dict[str, float] = {}
    for block in chosen:
        by_load[block.load] = by_load.get(block.load, 0.0) + block.mw
    opened = masks(chosen)
    lines = [
        f"cuts {cut_mw:.1f} MW for {order.mw:.1f} ordered: {armed_mw:.1f} MW armed before, "
        f"{armed_mw - cut_mw:.1f} after"
    ]
    lines += [
        f"{name}: {mask.bit_count()} of {park.loads[name].blocks} breakers open, {by_load[name]:.1f} MW"
        for name, mask in opened.items()
    ]
    cny = sum(mw * 1000 * park.loads[name].contract_energy_cny_per_kwh for name, mw in by_load.items())
    lines.append(f"costs {cny:,.0f} CNY an hour by the loads' contracts")
    if armed_mw < order.mw:
        lines.append(f"beyond what is armed by {order.mw - armed_mw:.1f} MW")
    last = [
        n for n in opened if snapshot.calls[n]["calls_left"] <= 1 and not snapshot.calls[n]["open_blocks"]
    ]
    if last:
        lines.append(f"the last call of today for {', '.join(last)}")
    share = cut_mw / armed_mw if armed_mw else 0.0
    return Echo(
        lines=tuple(lines),
        before_mw=armed_mw,
        after_mw=armed_mw - cut_mw,
        blocks=opened,
        second=_second(park, share, "of what is armed"),
        standing=standing(snapshot),
    )


def _of_order(park: Park, snapshot: Snapshot, order: DispatchOrder) -> Echo:
    tie = park.contracts.tie
    rows = [("import", snapshot.tie_limit_mw, order.import_max_mw, tie.import_max_mw, 1.0)]
    exports = [tie.export_max_mw, *(o.export_max_mw for o in snapshot.orders if o.export_max_mw is not None)]
    rows.append(("export", min(exports), order.export_max_mw, tie.export_max_mw, -1.0))
    meter = next((m.id for m in park.meters.values() if m.kind == "tie"), "")
    reading = snapshot.readings.get(meter)
    now_mw = reading.values.get("p_mw") if reading is not None else None
    lines, worst = [], (0.0, 0.0, 0.0)
    for word, before, asked, contract, sign in rows:
        if asked is None:
            continue
        after = min(before, asked)
        lines.append(f"{word} limit {before:.1f} -> {after:.1f} MW, the contract allows {contract:.1f}")
        if asked > before:
            lines.append(f"{word}: {asked:.1f} MW narrows nothing")
        if now_mw is not None and sign * now_mw > after:
            lines.append(f"{word} is {sign * now_mw:.1f} MW now: {sign * now_mw - after:.1f} MW have to move")
        share = (before - after) / contract if contract else 0.0
        worst = max(worst, (share, before, after))
    return Echo(
        lines=tuple(lines),
        before_mw=worst[1],
        after_mw=worst[2],
        blocks={},
        second=_second(park, worst[0], "of the tie's contract"),
        standing=standing(snapshot),
    )


def _second(park: Park, share: float, whole: str) -> str:
    most = park.operate.second_person_share
    return f"{share:.0%} {whole}, alone at most {most:.0%}" if share > most + 1e-9 else ""
