"""Rules of what follows the forecast: wind, PV, and loads with their ledger of calls."""

import numpy as np

from controllers.planning.checker.seen import POWER_MW, Seen
from vpp.types import Array, NoticeClass, Violation


def renewable(view: Seen, name: str) -> list[Violation]:
    """Wind and PV: between 0 and what the forecast makes available; the rest is curtailed."""
    series = view.plan.series[name]
    most = np.minimum(
        view.forecast.available_mw[name][view.offset :][: view.n], view.park.resources[name].p_max_mw
    )
    most = most * view.available(name)
    found = view.where("power_limit", name, series["p_mw"] - most, POWER_MW, "{:.3f} MW more than available")
    found += view.where("power_limit", name, -series["p_mw"], POWER_MW, "draws {:.3f} MW")
    off = np.abs(most - series["p_mw"] - series["curtailed_mw"])
    return found + view.where(
        "energy_balance", name, off, 2 * POWER_MW, "curtailed power is off by {:.3f} MW"
    )


def load(view: Seen, name: str) -> list[Violation]:
    """Load: demand of the forecast, whole blocks, trimmed part, rebound, call ledger."""
    row, s = view.park.loads[name], view.plan.series[name]
    demand = view.forecast.load_mw[name][view.offset :][: view.n]
    found = view.where(
        "energy_balance", name, np.abs(s["load_mw"] - demand), 2 * POWER_MW, "demand is off by {:.3f} MW"
    )
    found += view.where(
        "energy_balance",
        name,
        np.abs(s["p_mw"] + s["load_mw"] - s["shed_mw"] - s["modulated_mw"] + s["rebound_mw"]),
        2 * POWER_MW,
        "power is off by {:.3f} MW",
    )
    part = demand * row.interruptible_share / row.blocks if row.blocks else np.zeros(view.n)
    found += view.where(
        "shed_ledger",
        name,
        np.abs(s["shed_mw"] - part * s["open_blocks"]),
        2 * POWER_MW,
        "shed power is {:.3f} MW off its open blocks",
    )
    found += view.where(
        "shed_ledger", name, s["open_blocks"] - row.blocks, 1e-6, "{:.0f} blocks more than there are"
    )
    found += _trimmed(view, name, demand)
    off = np.abs(s["rebound_mw"] - _rebound_mw(view, name, part))
    found += view.where("shed_ledger", name, off, 2 * POWER_MW, "rebound is off by {:.3f} MW")
    return found + _ledger(view, name)


def _trimmed(view: Seen, name: str, demand: Array) -> list[Violation]:
    """Judge what is trimmed: inside its share of what is drawn, and with blocks inside the larger share."""
    row, s = view.park.loads[name], view.plan.series[name]
    share = 0.0 if row.notice_class is NoticeClass.NEVER else row.continuous_modulation_share
    words = "{:.3f} MW trimmed beyond what the contract allows"
    over = np.maximum(s["modulated_mw"] - share * (demand - s["shed_mw"]), -s["modulated_mw"])
    found = view.where("power_limit", name, over, POWER_MW, words)
    most = max(row.interruptible_share, share) * demand
    return found + view.where("power_limit", name, s["shed_mw"] + s["modulated_mw"] - most, POWER_MW, words)


def _rebound_mw(view: Seen, name: str, part: Array) -> Array:
    """Return (n,): each block that closed draws `rebound_share` on top until `restart_min` have passed."""
    row, opened = view.park.loads[name], np.round(view.plan.series[name]["open_blocks"])
    ledger, step = view.plan.initial.calls.get(name, {}), view.plan.step_min
    closings = [(-1, 0.0)]
    if ledger.get("rest_min", 0.0) > 0 and ledger.get("closed_blocks", 0.0) > 0:
        ago = max(1, round((row.min_between_sheds_min - ledger["rest_min"]) / step))
        closings = [(-ago, ledger["closed_blocks"])]
    before = np.append(ledger.get("open_blocks", 0.0), opened[:-1])
    closings += [(int(k), float(before[k] - opened[k])) for k in np.flatnonzero(before > opened)]
    out = np.zeros(view.n)
    for at, blocks in closings:
        for k in range(max(at, 0), view.n):
            share = min(1.0, row.restart_min / step - (k - at))
            if share <= 0:
                break
            out[k] += share * blocks * row.rebound_share * part[k]
    return out


def _ledger(view: Seen, name: str) -> list[Violation]:
    """Judge calls left, rest between calls, longest call; a call that runs at the start belongs to before.

    One that is overdue then, since nobody has given the permission to close it, lasts through the first
    step where the plan declares that.
    """
    row, opened = view.park.loads[name], view.plan.series[name]["open_blocks"] > 0.5
    before = view.plan.initial.calls.get(name, {})
    running = before.get("open_blocks", 0.0) > 0
    never = row.notice_class is NoticeClass.NEVER or row.blocks == 0
    left = before.get("calls_left", float(row.max_calls_per_day))
    rest = max(before.get("rest_min", 0.0), before.get("locked_min", 0.0))
    length = before.get("running_min", 0.0) if running else 0.0
    days, day, was = view.days(), 0, running
    for k in range(view.n):
        if days[k] != day:
            day, left = days[k], float(row.max_calls_per_day)
        why = ""
        if opened[k] and never:
            why = "shed though it is never interruptible"
        elif opened[k] and not was:
            left, length = left - 1, 0.0
            why = "called more often than its contract allows" if left < -1e-9 else ""
            why = "called again before its rest is over" if rest > 1e-6 else why
        if opened[k]:
            length += view.plan.step_min
            carried = running and bool(opened[: k + 1].all())
            grace = view.plan.step_min if carried else 0
            told = k == 0 and carried and view.declared(f"call:{name}")[0] > 0
            if not told and length > max(row.max_shed_min, view.plan.step_min) + 1e-6 + grace:
                why = why or "called for longer than its contract allows"
        elif was:
            rest = row.min_between_sheds_min
        if why:
            words = f"{name}, step {k}: {why}"
            return [
                Violation(
                    rule="shed_ledger",
                    resource=name,
                    step=k,
                    found=length,
                    allowed=row.max_shed_min,
                    text=words,
                )
            ]
        rest, was = (rest - view.plan.step_min if not opened[k] else rest), bool(opened[k])
    return []
