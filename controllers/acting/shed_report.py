"""What became of a shed, as a report: megawatts, rows of the table, and the time of every stage."""

from collections.abc import Sequence
from math import inf

from controllers.acting.course import Course
from vpp.types import Outcome, ShedReport, ShedTarget


def report_of(course: Course, rate: float) -> ShedReport:
    """Return the report of a course that has ended, at `rate` plant seconds per true second."""
    order = course.order
    total = 0.0 if order.drill else sum(course.cut_mw.values())
    acked = sum(
        mw for load, mw in course.expected_mw.items() if load in course.acks and not course.dead(load)
    )
    proof = acked if order.drill else total
    ok = proof >= order.mw and (order.drill or course.reached_s < inf)
    armed_mw = sum(block.mw for block in course.table)
    stuck = () if order.drill else tuple(course.stuck())
    done = [a.done_true_s for a in course.acks.values() if a.outcome is Outcome.ACKNOWLEDGED]
    opened = max(course.opened_s.values(), default=None)
    return ShedReport(
        order_id=order.id,
        at=course.at,
        rate=rate,
        drill=order.drill,
        ordered_mw=order.mw,
        armed_mw=armed_mw,
        selected_mw=sum(block.mw for block in course.chosen),
        metered_cut_mw=total,
        over_cut_mw=total - order.mw,
        targets=_targets(course),
        decision_ms=_ms(course, course.decided_s),
        first_write_ms=_ms(course, course.first_sent_s if course.acks else course.decided_s),
        last_ack_ms=_ms(course, max(done, default=course.decided_s)),
        metered_ms=inf if course.reached_s == inf else _ms(course, course.reached_s),
        ok=ok,
        text=_words(course, armed_mw=armed_mw, total_mw=total, acked_mw=acked, ok=ok, stuck=stuck),
        breaker_open_ms=None if opened is None else _ms(course, opened),
        rounds=course.rounds,
        stuck=stuck,
    )


def _ms(course: Course, true_s: float) -> float:
    return round((true_s - course.started_s) * 1000, 3)


def _targets(course: Course) -> tuple[ShedTarget, ...]:
    rows = []
    for load in dict.fromkeys(block.load for block in course.table):
        ack, opened = course.acks.get(load), course.opened_s.get(load)
        asked = load in course.masks
        rows.append(
            ShedTarget(
                load=load,
                blocks=course.masks.get(load, 0),
                expected_mw=course.expected_mw.get(load, 0.0),
                outcome=ack.outcome if ack is not None else Outcome.UNKNOWN if asked else None,
                ack_ms=_ms(course, ack.done_true_s) if ack is not None else None,
                metered_cut_mw=0.0 if course.order.drill else course.cut_mw.get(load, 0.0),
                open_ms=_ms(course, opened) if opened is not None else None,
            )
        )
    return tuple(rows)


def _words(
    course: Course, *, armed_mw: float, total_mw: float, acked_mw: float, ok: bool, stuck: Sequence[str]
) -> str:
    """Return what became of the shed, for a dispatcher."""
    order, silent = course.order, course.silent()
    failed = f"; no answer or refusal from {', '.join(silent)}" if silent else ""
    failed += f"; acknowledged but not opened: {', '.join(stuck)}" if stuck else ""
    if order.drill:
        state = "drill passed" if ok else "drill failed"
        return f"{state}: {acked_mw:.2f} MW answered of {order.mw:.2f} MW ordered; nothing opened{failed}"
    if ok:
        return f"cut {total_mw:.2f} MW by the meters, ordered {order.mw:.2f} MW{failed}"
    short = f"cut only {total_mw:.2f} MW by the meters, ordered {order.mw:.2f} MW"
    if armed_mw < order.mw:
        return f"{short}: no more than {armed_mw:.2f} MW is armed{failed}"
    return f"{short}: everything that is armed was tried{failed}"
