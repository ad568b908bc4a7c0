"""What a scenario's faults do to the plant at a moment: manners, shown values, states of devices."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar, get_args

from hil import faults
from hil.brain import NEVER
from hil.load import LoadState, follow
from hil.manner import HEALTHY, Manner
from hil.registers import Registers
from hil.scenario import Scenario, Silence, Slow
from hil.unit import Unit

Ailment = Silence | Slow | faults.Fault
E = TypeVar("E")


class Symptoms:
    """Faults by endpoint; remembers what frozen endpoints show and when devices came back."""

    def __init__(self, scenario: Scenario, start: datetime, registers: Mapping[str, Registers]) -> None:
        self._start = start
        self._registers = registers
        self._of: dict[str, list[Ailment]] = defaultdict(list)
        for event in scenario.events:
            if isinstance(event, get_args(Ailment)):
                self._of[_endpoint(event)].append(event)
        self._kept: dict[faults.Frozen, Mapping[str, float]] = {}
        self._back: dict[str, datetime] = {}
        """By device when it last came back from a restart."""
        self._due = {e: start + timedelta(minutes=e.at_min) for e in self._all(faults.Foreign)}
        self._restarts = list(self._all(faults.Restart))

    def _all(self, kind: type[E]) -> tuple[E, ...]:
        return tuple(e for events in self._of.values() for e in events if isinstance(e, kind))

    def _now(self, endpoint: str, kind: type[E], at: datetime) -> list[E]:
        if endpoint not in self._of:
            return []
        minute = (at - self._start).total_seconds() / 60
        return [e for e in self._of[endpoint] if isinstance(e, kind) and e.holds(minute)]

    def manner(self, endpoint: str, at: datetime) -> Manner:
        """Return how an endpoint treats its clients at plant time `at`."""
        if endpoint not in self._of:
            return HEALTHY
        manner = HEALTHY
        for event in self._now(endpoint, object, at):
            manner = self._worse(manner, event)
        return manner

    def _worse(self, manner: Manner, event: object) -> Manner:
        match event:
            case Silence(how=how):
                return replace(manner, silence=how)
            case faults.Restart():
                return replace(manner, silence="close")
            case Slow(latency_s=late_s):
                return replace(manner, latency_s=manner.latency_s + late_s)
            case faults.Refuses(code=code, on=on):
                read, write = (code if on in (what, "both") else None for what in ("read", "write"))
                return replace(
                    manner,
                    refuses_read=read or manner.refuses_read,
                    refuses_write=write or manner.refuses_write,
                )
            case faults.Garbles(how=how, on=on):
                # a read has no echo
                read_how = how if on in ("read", "both") and how != "wrong_echo" else manner.garbles_read
                write_how = how if on in ("write", "both") else manner.garbles_write
                return replace(manner, garbles_read=read_how, garbles_write=write_how)
            case faults.Crowded(connections=most):
                return replace(manner, connections=most)
            case faults.Void(points=points):
                return replace(manner, void=(*manner.void, *points))
            case faults.Rescaled(endpoint=endpoint, exponent=more):
                told = self._told(endpoint, event)
                return replace(manner, exponents=(*manner.exponents, *((name, more) for name in told)))
        return manner

    def _told(self, endpoint: str, event: faults.Rescaled) -> tuple[str, ...]:
        """Return the scale points by which a change of scale is told."""
        names = (p.scale_point for p in self._registers[endpoint].points if p.point in event.points)
        return tuple(dict.fromkeys(name for name in names if name is not None))

    def shown(self, endpoint: str, values: Mapping[str, float], at: datetime) -> Mapping[str, float]:
        """Return the values that an endpoint shows at plant time `at` for those it has."""
        if endpoint not in self._of:
            return values
        shown = dict(values)
        for event in self._now(endpoint, object, at):
            match event:
                case faults.SocShown(soc_pct=percent) if shown.get("soc", 0.0) > 0:
                    shown["e_mwh"] *= percent / 100 / shown["soc"]
                    shown["soc"] = percent / 100
                case faults.Inverted(points=points):
                    shown |= {p: -shown[p] for p in points if p in shown}
                case faults.Rescaled(points=points, exponent=more):
                    scaled = {p.point for p in self._registers[endpoint].points if p.scale_point}
                    untold = [p for p in points if p in shown and p not in scaled]
                    shown |= {p: shown[p] * 10.0**more for p in untold}
                case faults.Frozen():
                    shown |= self._frozen(endpoint, event, shown)
        return shown

    def _frozen(
        self, endpoint: str, event: faults.Frozen, values: Mapping[str, float]
    ) -> Mapping[str, float]:
        measured = {p.point for p in self._registers[endpoint].measured}
        points = set(event.points) or measured - {"heartbeat"}
        kept = self._kept.setdefault(event, dict(values))
        names = points if event.heartbeat else points | {"heartbeat"}
        return {name: kept[name] for name in names if name in kept}

    def age_s(self, endpoint: str, born: datetime, at: datetime) -> int:
        """Return the plant seconds for which an endpoint has run."""
        return max(0, int((at - self._back.get(endpoint, born)).total_seconds()))

    def hold(self, units: Mapping[str, Unit], at: datetime) -> None:
        """Give each device its state at plant time `at`: deaf, local, clipping."""
        for name in self._of:
            unit = units.get(name)
            if unit is None:
                continue
            unit.deaf = bool(self._now(name, faults.Deaf, at))
            local = bool(self._now(name, faults.Local, at))
            if local and not unit.local:
                unit.held = replace(unit.held, reverts_at=NEVER)
            if local is not unit.local:
                unit.note(at, {"event": "local" if local else "remote", "device": name})
            unit.local = local
            clips = self._now(name, faults.Clips, at)
            unit.low_mw = max((e.low_mw for e in clips), default=-float("inf"))
            unit.high_mw = min((e.high_mw for e in clips), default=float("inf"))

    def befall(self, units: Mapping[str, Unit], at: datetime) -> None:
        """Let happen what is due at plant time `at`: restarts, and what other masters write.

        They write after control has, where both do it in one second: else nobody would see it.
        """
        for restart in [e for e in self._restarts if at >= self._minute(e.at_min)]:
            units[restart.resource].restart(at)
            self._back[restart.resource] = self._minute(restart.at_min + restart.for_min)
            self._restarts.remove(restart)
        for event, due in self._due.items():
            if at >= due and at < self._minute(event.at_min + event.for_min):
                units[event.resource].command({"setpoint_mw": event.p_mw}, at, event="foreign")
                self._due[event] = due + timedelta(seconds=event.every_s)

    def _minute(self, minute: float) -> datetime:
        return self._start + timedelta(minutes=minute)

    def followed(self, load: str, state: LoadState, at: datetime) -> LoadState:
        """Return a load with its breakers where they stand at `at`; jammed ones stay."""
        after = follow(state, at)
        jammed = 0
        for event in self._now(load, faults.Jammed, at):
            for block in event.blocks or range(1, 17):
                jammed |= 1 << block - 1
        if not jammed or after is state:
            return after
        return replace(after, open_blocks=after.open_blocks & ~jammed | state.open_blocks & jammed)


def _endpoint(event: Ailment) -> str:
    match event:
        case faults.Jammed(load=name):
            return name
        case (
            faults.SocShown()
            | faults.Local()
            | faults.Restart()
            | faults.Clips()
            | faults.Deaf()
            | faults.Foreign()
        ):
            return event.resource
        case _:
            return event.endpoint
