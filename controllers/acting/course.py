"""What has happened in a shed so far: what was chosen, what answered, what opened, what the meters show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as fresh
from datetime import datetime
from math import inf

from controllers.acting.selection import MARGIN, Block, masks, select
from vpp.types import Ack, Outcome, Quality, Reading, ShedOrder

ANSWER_S = 0.4
"""True seconds after which a terminal that has not answered is replaced by the next (fault D23)."""
GRACE_S = 0.15
"""True seconds beyond its load's `shed_time_ms` after which a breaker counts as stuck; assumption."""
STALE_S = 0.2
"""True seconds that a meter may answer late before the others make up for what it does not show."""
LAST_ROUND_S = 0.3
"""True seconds after the order beyond which what replaces a failure may not fail itself: it gets a spare."""
SPARE = 0.3
"""Share of what is missing that a spare covers; at least one block. Assumption."""


def need_mw(order: ShedOrder) -> float:
    """Return what the first selection of an order is to cut, MW."""
    return order.mw * (1 + MARGIN)


@dataclass(slots=True, kw_only=True)
class Course:
    """Owned by one shed; every time is in true seconds."""

    order: ShedOrder
    table: Sequence[Block]
    before: Mapping[str, Reading]
    """Readings before the order, by load."""
    delays_s: Mapping[str, float]
    """By load what its breakers take, true seconds."""
    at: datetime
    started_s: float
    decided_s: float = 0.0
    first_sent_s: float = inf
    reached_s: float = inf
    """When the meters showed the order; inf: never."""
    chosen: list[Block] = fresh(default_factory=list)
    masks: dict[str, int] = fresh(default_factory=dict)
    """By load the blocks chosen."""
    expected_mw: dict[str, float] = fresh(default_factory=dict)
    written_s: dict[str, float] = fresh(default_factory=dict)
    """By load its last write."""
    waiting: set[str] = fresh(default_factory=set)
    acks: dict[str, Ack] = fresh(default_factory=dict)
    opened_s: dict[str, float] = fresh(default_factory=dict)
    """By load when all chosen breakers were first seen open."""
    seen_s: dict[str, float] = fresh(default_factory=dict)
    """By load of when its newest reading is."""
    cut_mw: dict[str, float] = fresh(default_factory=dict)
    """By load how much less it takes than before."""
    rounds: int = 0

    def choose(self, need_mw: float) -> tuple[str, ...]:
        """Choose blocks for so much more; the loads whose masks have changed.

        The first ones are those that the order names, if it does.
        """
        picked = {(block.load, block.bit) for block in self.chosen}
        unfit = {load for load in self.masks if load in self.waiting or self._failed(load)}
        rest = [b for b in self.table if b.load not in unfit and (b.load, b.bit) not in picked]
        doubtful = set(self.stuck())
        sound = [block for block in rest if block.load not in doubtful]
        rest = sound if sum(block.mw for block in sound) >= need_mw else rest
        told = [] if self.rounds else [b for b in rest if self.order.blocks.get(b.load, 0) >> b.bit & 1]
        blocks = tuple(told) or select(rest, need_mw)
        self.rounds += bool(blocks)
        for load, mask in masks(blocks).items():
            self.masks[load] = self.masks.get(load, 0) | mask
            self.opened_s.pop(load, None)
        for block in blocks:
            self.expected_mw[block.load] = self.expected_mw.get(block.load, 0.0) + block.mw
        self.chosen.extend(blocks)
        return tuple(masks(blocks))

    def told(self, loads: Sequence[str], now_s: float) -> None:
        """Note that loads are written to now."""
        self.waiting |= set(loads)
        self.written_s |= dict.fromkeys(loads, now_s)

    def forgive(self, stalled_s: float) -> None:
        """Give terminals the time for which this process itself did not run: their answers may lie unread."""
        self.written_s |= {load: self.written_s[load] + max(stalled_s, 0.0) for load in self.waiting}

    def heard(self, ack: Ack) -> None:
        """Note an answer."""
        self.first_sent_s = min(self.first_sent_s, ack.sent_true_s)
        self.acks[ack.device] = ack
        self.waiting.discard(ack.device)

    def escalate(self, now_s: float) -> tuple[str, ...]:
        """Choose for what is missing now; where another round would be too late, a spare too."""
        missing = self.missing_mw(now_s)
        if missing <= 0:
            return ()
        loads = self.choose(missing * (1 + MARGIN))
        if loads and now_s - self.started_s > LAST_ROUND_S:
            self.waiting |= set(loads)  # the spare lies with others
            loads += self.choose(SPARE * missing)
        return loads

    def missing_mw(self, now_s: float) -> float:
        """Return what the order lacks if all that may still open does."""
        return self.order.mw - sum(self._credit_mw(load, now_s) for load in self.masks)

    def _credit_mw(self, load: str, now_s: float) -> float:
        cut = self.cut_mw.get(load, 0.0)
        if load not in self.acks or load in self.waiting:
            return max(self.expected_mw[load], cut) if now_s - self.written_s[load] < ANSWER_S else cut
        if self.dead(load):
            return cut
        if self.order.drill or not self._judged(load, now_s):
            return max(self.expected_mw[load], cut)
        return cut

    def _judged(self, load: str, now_s: float) -> bool:
        """Return whether the meter's word counts: read after the breaker's time, or too late for it."""
        due_s = self.due_s(load)
        return self.seen_s.get(load, 0.0) >= due_s or now_s >= due_s + STALE_S

    def due_to_look(self, now_s: float) -> tuple[str, ...]:
        """Return whose meters to look at: those whose breakers should move by now, whoever is not open first.

        Nothing before: polls would only delay the writes.
        """
        if self.order.drill:
            return ()
        moving = [n for n in self.masks if now_s >= self._moves_s(n)]
        return tuple(n for n in moving if n not in self.opened_s) or tuple(moving)

    def _moves_s(self, load: str) -> float:
        ack = None if load in self.waiting else self.acks.get(load)
        told_s = self.written_s[load] + ANSWER_S if ack is None else ack.done_true_s
        return told_s + self.delays_s.get(load, 0.0)

    def due_s(self, load: str) -> float:
        """Return when an answering load's breakers must stand open."""
        return self.acks[load].done_true_s + self.delays_s.get(load, 0.0) + GRACE_S

    def dead(self, load: str) -> bool:
        """Return whether a load has failed to answer, or not as it should."""
        ack = self.acks.get(load)
        return ack is not None and ack.outcome is not Outcome.ACKNOWLEDGED

    def silent(self) -> list[str]:
        """Return loads that gave no answer or not the right one, by name."""
        return sorted(load for load in self.masks if load not in self.acks or self.dead(load))

    def stuck(self) -> list[str]:
        """Return loads that answered and did not take the half less that was expected, by name."""
        answered = [n for n in self.masks if n in self.acks and not self.dead(n)]
        return sorted(n for n in answered if self.cut_mw.get(n, 0.0) < self.expected_mw[n] / 2)

    def _failed(self, load: str) -> bool:
        """Return whether more blocks of a load are no use: no answer, or a meter that proves nothing."""
        if load not in self.acks or self.dead(load):
            return True
        return not self.order.drill and load not in self.seen_s

    def meter(self, readings: Mapping[str, Reading], now_s: float, rate: float) -> None:
        """Take what the meters of cut feeders show."""
        for load, reading in readings.items():
            old = self.before[load]
            known = "p_mw" in reading.values and reading.quality is not Quality.BAD
            if not known or reading.read_at is None or reading.read_at == old.read_at:
                continue
            self.seen_s[load] = now_s - reading.age_s / rate
            self.cut_mw[load] = max(reading.values["p_mw"] - old.values["p_mw"], 0.0)
            open_mask = int(reading.values.get("breakers", 0.0))
            if load not in self.opened_s and open_mask & self.masks[load] == self.masks[load]:
                self.opened_s[load] = self.seen_s[load]
        if self.reached_s == inf and sum(self.cut_mw.values()) >= self.order.mw:
            self.reached_s = now_s

    def proven(self) -> bool:
        """Return whether the meters have shown the order, or a drill has nothing to show."""
        return self.order.drill or self.reached_s < inf

    def settled(self, now_s: float) -> bool:
        """Return whether nothing more is to come: all answered or given up, breakers open or overdue."""
        return not any(self._awaited(load, now_s) for load in self.masks)

    def _awaited(self, load: str, now_s: float) -> bool:
        if load in self.waiting or load not in self.acks:
            return now_s - self.written_s[load] < ANSWER_S
        if self.order.drill or self.dead(load) or (load in self.opened_s and self.reached_s < inf):
            return False
        return self.seen_s.get(load, 0.0) < self.due_s(load)
