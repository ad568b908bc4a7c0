"""Whether what a scenario expects was seen: pure functions of the evidence."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from hil import expect as kinds
from hil.evidence import Evidence, Frame
from hil.expect import Expect
from hil.spell import Spell
from vpp.reports.shed_text import stages
from vpp.types import Reply, ShedReport

QUARTER_S = 900
AGAIN_S = 5.0
"""Plant seconds in which a device that is back from local control must have a command; assumption: a cycle
to see it, one to command it, and some to spare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One expectation and what became of it."""

    what: str
    ok: bool
    found: str
    """What was seen, in words."""
    took_s: float | None = None
    """Plant seconds until it held, of what had to come; true seconds of a shed."""


def judge(expect: Expect, seen: Evidence) -> Verdict:
    """Return whether an expectation held; one that nothing was seen for did not."""
    match expect:
        case kinds.Raised():
            return _raised(expect, seen)
        case kinds.Cleared():
            return _cleared(expect, seen)
        case kinds.TieWithin():
            return _tie(expect, seen)
        case kinds.NotWritten():
            return _not_written(expect, seen)
        case kinds.Valid():
            return _valid(expect, seen)
        case kinds.Proven():
            return _proven(expect, seen)
        case kinds.Answered():
            return _answered(expect, seen)
        case kinds.Ticks():
            missed = seen.frames[-1].missed_ticks if seen.frames else -1
            ok = 0 <= missed <= expect.missed
            return Verdict(what="ticks", ok=ok, found=f"{missed} ticks missed, {expect.missed} allowed")
        case _:
            return _throughout(expect, seen)


def _named(expect: Expect) -> str:
    """Return an expectation in words: its kind and what is not at its default."""
    told = [f for f in fields(expect) if f.name != "kind" and getattr(expect, f.name) != f.default]
    return " ".join([expect.kind, *(f"{f.name}={_plain(getattr(expect, f.name))}" for f in told)])


def _plain(value: object) -> str:
    return (
        ",".join(map(str, value))
        if isinstance(value, tuple)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )


def _minute(seen: Evidence, minute: float) -> datetime:
    return seen.start + timedelta(minutes=minute)


def _within(seen: Evidence, spell: Spell, after_s: float = 0.0) -> Iterator[Frame]:
    begin = _minute(seen, spell.at_min) + timedelta(seconds=after_s)
    end = _minute(seen, spell.at_min + spell.for_min)
    return (f for f in seen.frames if begin <= f.at < end)


def _raised(expect: kinds.Raised, seen: Evidence) -> Verdict:
    begin, what = _minute(seen, expect.at_min), _named(expect)
    early = [f.at for f in seen.frames if f.at < begin and _standing(f, expect.alarm, expect.text)]
    if early:
        found = f"stood already {(begin - early[-1]).total_seconds():g} s before"
        return Verdict(what=what, ok=False, found=found)
    for frame in seen.frames:
        if frame.at >= begin and (text := _standing(frame, expect.alarm, expect.text)):
            took_s = (frame.at - begin).total_seconds()
            ok = took_s <= expect.within_s
            return Verdict(what=what, ok=ok, found=f"after {took_s:g} s: {text}", took_s=took_s)
    return Verdict(what=what, ok=False, found="never came")


def _standing(frame: Frame, alarm: str, text: str = "") -> str:
    """Return the words of the first alarm that is meant, empty where there is none."""
    words = (t for id_, (_, t) in frame.alarms.items() if _is(id_, alarm) and text in t)
    return next(words, "")


def _is(id_: str, alarm: str) -> bool:
    """Return whether an alarm is meant by its id, or by the kind that its id begins with."""
    return id_ == alarm or (alarm.endswith(":") and id_.startswith(alarm))


def _cleared(expect: kinds.Cleared, seen: Evidence) -> Verdict:
    begin, what = _minute(seen, expect.at_min), _named(expect)
    stood = [f for f in seen.frames if _standing(f, expect.alarm)]
    if not any(f.at <= begin for f in stood):
        return Verdict(what=what, ok=False, found="never stood")
    after = [f.at for f in seen.frames if f.at > stood[-1].at]
    if not after:
        return Verdict(what=what, ok=False, found="stands to the end")
    took_s = max((after[0] - begin).total_seconds(), 0.0)
    return Verdict(what=what, ok=took_s <= expect.within_s, found=f"gone after {took_s:g} s", took_s=took_s)


def _tie(expect: kinds.TieWithin, seen: Evidence) -> Verdict:
    """Judge each quarter hour by metered energy against the energy that its limits allowed."""
    begin, end = _minute(seen, expect.at_min), _minute(seen, expect.at_min + expect.for_min)
    allowed_mwh: dict[float, float] = {}
    metered_mwh: dict[float, float] = {}
    covered_s: dict[float, float] = {}
    for a, b in zip(seen.frames, seen.frames[1:], strict=False):
        quarter = a.at.timestamp() // QUARTER_S
        counters = [f.values.get(seen.tie, {}).get("energy_in_mwh") for f in (a, b)]
        if counters[0] is None or counters[1] is None:
            continue
        dt_s = (b.at - a.at).total_seconds()
        metered_mwh[quarter] = metered_mwh.get(quarter, 0.0) + counters[1] - counters[0]
        allowed_mwh[quarter] = allowed_mwh.get(quarter, 0.0) + a.tie_limit_mw * dt_s / 3600
        covered_s[quarter] = covered_s.get(quarter, 0.0) + dt_s
    whole = [
        q
        for q, s in covered_s.items()
        if s > 0.9 * QUARTER_S and begin.timestamp() < (q + 1) * QUARTER_S <= end.timestamp()
    ]
    if not whole:
        return Verdict(what=_named(expect), ok=False, found="no whole quarter hour was metered")
    worst = max((metered_mwh[q] - allowed_mwh[q]) * 3600 / QUARTER_S for q in whole)
    found = f"{len(whole)} quarter hours, the worst {worst:+.2f} MW against its limit"
    return Verdict(what=_named(expect), ok=worst <= expect.over_mw, found=found)


def _throughout(expect: Expect, seen: Evidence) -> Verdict:
    """Judge what must hold in every cycle of a spell."""
    assert isinstance(expect, Spell)
    after_s = getattr(expect, "within_s", 0.0)
    least = getattr(expect, "share", 1.0)
    wrong: list[tuple[Frame, str]] = []
    count, held_from = 0, None
    for frame in _within(seen, expect):
        trouble = _trouble(expect, frame)
        held_from = None if trouble else held_from or frame.at
        if frame.at < _minute(seen, expect.at_min) + timedelta(seconds=after_s):
            continue
        count += 1
        if trouble:
            wrong.append((frame, trouble))
    if not count:
        return Verdict(what=_named(expect), ok=False, found="no cycle was seen in the spell")
    took_s = (held_from - _minute(seen, expect.at_min)).total_seconds() if held_from else None
    if len(wrong) <= (1.0 - least) * count:
        return Verdict(
            what=_named(expect), ok=True, found=f"in {count - len(wrong)} of {count} cycles", took_s=took_s
        )
    frame, text = wrong[0]
    minute = (frame.at - seen.start).total_seconds() / 60
    found = f"not in {len(wrong)} of {count} cycles, first at minute {minute:.2f}: {text}"
    return Verdict(what=_named(expect), ok=False, found=found)


def _trouble(expect: Expect, frame: Frame) -> str:
    """Return what is wrong in a frame, empty where nothing is."""
    match expect:
        case kinds.Quiet(alarm=beginning, but=but):
            standing = (
                f"{id_}: {text}"
                for id_, (severity, text) in frame.alarms.items()
                if (_is(id_, beginning) if beginning else severity != "information")
                and not any(_is(id_, allowed) for allowed in but)
            )
            return next(standing, "")
        case kinds.Metered(endpoint=name, low_mw=low, high_mw=high):
            p_mw = frame.values.get(name, {}).get("p_mw")
            return "" if p_mw is not None and low <= p_mw <= high else f"{p_mw} MW"
        case kinds.Commanded(resource=name, low_mw=low, high_mw=high):
            asked = frame.setpoints.get(name)
            return "" if asked is not None and low <= asked <= high else f"{asked} MW"
        case kinds.Bad(endpoint=name):
            return "" if frame.quality.get(name) == "bad" else f"it is {frame.quality.get(name)}"
        case kinds.Good(endpoint=name):
            return "" if frame.quality.get(name) == "good" else f"it is {frame.quality.get(name)}"
        case kinds.Shown(endpoint=name, points=points, low=low, high=high):
            if frame.quality.get(name) == "bad":
                return ""
            held = frame.values.get(name, {})
            return next(
                (f"{p} is {held[p]:g}" for p in points if p in held and not low <= held[p] <= high), ""
            )
        case kinds.Follows(what=what):
            return "" if frame.following == what else f"it follows {frame.following}"
    raise TypeError(f"no rule for {type(expect).__name__}")


def _not_written(expect: kinds.NotWritten, seen: Evidence) -> Verdict:
    begin, end = _minute(seen, expect.at_min), _minute(seen, expect.at_min + expect.for_min)
    written = [
        at
        for at, record in seen.log
        if begin <= at < end and record["event"] == "write" and record.get("device") == expect.resource
    ]
    found = f"{len(written)} writes in the device log"
    return Verdict(what=_named(expect), ok=not written and bool(seen.log), found=found)


def _valid(expect: kinds.Valid, seen: Evidence) -> Verdict:
    """Judge by the log: each command is renewed before it runs out, or its end is told as a reversion.

    Under local control somebody else commands.
    """
    until: dict[str, datetime] = {}
    local: set[str] = set()
    held: dict[str, dict[str, float]] = {}
    gaps: list[str] = []
    begin, end = _minute(seen, expect.at_min), _minute(seen, expect.at_min + expect.for_min)
    for at, record in sorted(seen.log, key=lambda item: item[0]):
        device, values = str(record.get("device")), record.get("values")
        if device in expect.but:
            continue
        if record["event"] in ("reverted", "restarted", "local"):
            until[device] = datetime.max.replace(tzinfo=at.tzinfo)
        if record["event"] == "local":
            local.add(device)
        if record["event"] == "remote":
            local.discard(device)
            until[device] = at + timedelta(seconds=AGAIN_S)
        if record["event"] == "restarted":
            held.pop(device, None)
        if record["event"] not in ("write", "foreign") or not isinstance(values, dict):
            continue
        held[device] = held.get(device, {}) | values
        if "setpoint_mw" not in values or device in local:
            continue
        if (ran_out := until.get(device, at)) < min(at, end) and at > begin:
            gaps.append(f"{device} had none for {(at - ran_out).total_seconds():g} s")
        until[device] = at + timedelta(seconds=_hold_s(held[device]))
    last = seen.frames[-1].at if seen.frames else begin
    gaps += [f"{name} has none since {at.isoformat()}" for name, at in until.items() if at < min(last, end)]
    gaps += [f"{name} never had one" for name in seen.devices if name not in until and name not in expect.but]
    found = gaps[0] if gaps else f"{len(until)} devices, no second without"
    return Verdict(what=_named(expect), ok=bool(until) and not gaps, found=found)


def _hold_s(held: dict[str, float]) -> float:
    """Return how long a device may trust the command in its registers; without a timer it never may.

    SunSpec has one timer for both spans, written by a request of its own before the setpoint.
    """
    if "reversion_total_s" in held:
        return held["reversion_total_s"] * held.get("reversion_enable", 1.0)
    return held.get("ttl_s", 0.0) + held.get("reversion_s", 0.0)


def _proven(expect: kinds.Proven, seen: Evidence) -> Verdict:
    what, id_ = _named(expect), f"shed-{expect.at_min:g}min"
    report = next((a for a in seen.answers if isinstance(a, ShedReport) and a.order_id == id_), None)
    if report is None:
        refused = next((a.reason for a in seen.answers if isinstance(a, Reply) and a.id == id_), "no answer")
        return Verdict(what=what, ok=False, found=refused)
    cut, ordered = report.metered_cut_mw, report.ordered_mw
    met = report.drill or (cut >= ordered and report.metered_ms <= expect.within_ms)
    ok = report.ok and met and report.over_cut_mw <= expect.over_mw
    found = f"{cut:.1f} MW metered for {ordered:.1f} ordered, {stages(report)}"
    return Verdict(what=what, ok=ok, found=found, took_s=report.metered_ms / 1e3)


def _answered(expect: kinds.Answered, seen: Evidence) -> Verdict:
    end = f"-{expect.at_min:g}min"
    answer = next((a for a in seen.answers if isinstance(a, Reply) and a.id.endswith(end)), None)
    if answer is None:
        return Verdict(what=_named(expect), ok=False, found="no answer")
    found = "accepted" if answer.accepted else f"refused: {answer.reason}"
    return Verdict(what=_named(expect), ok=answer.accepted is expect.accepted, found=found)
