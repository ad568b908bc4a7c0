"""The simulated plant: devices, loads, grid and meters, advanced in plant time.

Pure apart from its own state: no socket, no clock, no disk. What it draws by chance is a function
of (seed, element, plant second), so that runs with different steps see the same plant.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from math import ceil
from zoneinfo import ZoneInfo

import numpy as np

from hil import actuator, truth
from hil import load as shed_terminal
from hil.calendar import Planned
from hil.device_log import Note, silent_log
from hil.grid import AGREEMENT_PU, Grid
from hil.hydrogen import Chain
from hil.manner import Manner
from hil.meter import MeterState
from hil.registers import registers_of
from hil.scenario import QUIET, Outage, Scenario, Stuck, Trip
from hil.station import Station
from hil.symptoms import Symptoms
from hil.unit import build
from hil.weather import Weather
from vpp.clock import UTC
from vpp.devices import Pv, Wind
from vpp.park import Park, endpoints
from vpp.types import Array

HEARTBEAT_MODULUS = 60_000
"""Fits every map's counter and keeps clear of 0xFFFF, SunSpec's 'not implemented'."""


class Rig:
    """A park that lives: `advance` moves it, `image` and `command` are its endpoints.

    `start` is where the minutes of the scenario begin; the plant already lives `lead_s` plant seconds
    earlier. `step_s` (whole plant seconds) is the step of the devices. FloatingPointError where the
    grid has no solution, RuntimeError where the hourly cross-check by `runpp` fails.
    """

    def __init__(
        self,
        park: Park,
        start: datetime,
        seed: int,
        scenario: Scenario = QUIET,
        *,
        lead_s: float = 0.0,
        step_s: int = 1,
        note: Note = silent_log,
    ) -> None:
        self._start = start.replace(microsecond=0)
        self._born = self._start - timedelta(seconds=ceil(lead_s))
        self.now = self._born
        """Plant time reached so far."""
        self.endpoints = endpoints(park)
        self.registers = {name: registers_of(park, name) for name in self.endpoints}
        self.cross_check_pu = 0.0
        """Largest deviation from `runpp` seen so far."""
        self._park = park
        self._zone = ZoneInfo(park.site.zone)
        self._step_s = step_s
        self._cross_checked = datetime.min.replace(tzinfo=UTC)
        self._scenario = scenario
        self._note = note
        self._noise = truth.Noise(seed)
        self._grid = Grid(park)
        self._weather = Weather(park, self._start, scenario)
        self._level = {name: truth.load_level(seed, name) for name in park.loads}
        self._loads = {name: shed_terminal.at_rest() for name in park.loads}
        self._load_mwh = dict.fromkeys(park.loads, 0.0)
        self._meters = {
            name: MeterState(meter, park, self._grid.elements, self._grid.buses)
            for name, meter in park.meters.items()
            if meter.kind != "station"
        }
        self._stations = {
            name: Station(self.registers[name].points)
            for name, meter in park.meters.items()
            if meter.kind == "station"
        }
        self._planned = Planned(park)
        self._symptoms = Symptoms(scenario, self._start, self.registers)
        self._outages = [e for e in scenario.events if isinstance(e, Outage)]
        self._branches_out = self._out(self.now)
        self._units = {
            name: build(truth.true_device(device, seed), park, self.registers[name].points, self.now, note)
            for name, device in park.devices.items()
        }
        self._actuators = {name: actuator.at_rest(park, name, self.now) for name in park.actuators}
        self._chain = Chain(self._units)
        self._pending_trips = [e for e in scenario.events if isinstance(e, Trip)]
        self._settle()

    def _settle(self) -> None:
        """Give every element its value at the start, before the first step."""
        at = np.array([self.now.timestamp()])
        for name, level in self._level.items():
            demand_mw = float(self._weather.demand_mw(name, at)[0]) * level
            self._loads[name] = shed_terminal.at_rest(self._planned.served_mw(name, demand_mw, self.now))
        for unit in self._units.values():
            if isinstance(unit.device, Wind | Pv):
                unit.settle(float(self._weather.available_mw(unit.id, at)[0]))
        self._planned.hold(self._units, self.now)
        fed = (0.0 if u.tripped_until else u.state.p_mw for u in self._units.values())
        row = np.array([*fed, *(-p for p in self._drawn_mw())])
        self._measure(row[np.newaxis], self._q_mvar_of(row)[np.newaxis], self._positions()[np.newaxis], 0.0)

    def advance(self, to: datetime) -> None:
        """Move the plant to the last whole step not after `to`; an earlier `to` does nothing.

        Breakers that are due move between steps too.
        Power flows are solved in batches that end with the plant hour at the latest.
        """
        while (steps := int((to - self.now).total_seconds()) // self._step_s) > 0:
            to_hour_s = 3600 - (self.now.minute * 60 + self.now.second)
            batch = min(steps, max(1, to_hour_s // self._step_s))
            self._branches_out = self._out(self.now)
            ahead = (self._out(self.now + timedelta(seconds=k * self._step_s)) for k in range(batch))
            batch = next((k for k, out in enumerate(ahead) if out != self._branches_out), batch)
            self._measure(*self._run(batch), self._step_s)
        self._follow(to)

    def _run(self, steps: int) -> tuple[Array, Array, Array]:
        """Run devices and loads for so many steps.

        Returns active and reactive injections, (steps, elements), and positions, (steps, actuators).
        """
        dt_s = self._step_s
        middles: Array = self.now.timestamp() + dt_s * (np.arange(steps, dtype=np.float64) + 0.5)
        weather = {
            name: self._weather.available_mw(name, middles)
            for name, unit in self._units.items()
            if isinstance(unit.device, Wind | Pv)
        }
        demand = {n: self._weather.demand_mw(n, middles) * level for n, level in self._level.items()}
        p_mw = np.empty((steps, len(self._grid.elements)))
        q_mvar, positions = np.empty_like(p_mw), np.empty((steps, len(self._actuators)))
        for k in range(steps):
            self._start_trips()
            self._planned.hold(self._units, self.now)
            self._symptoms.hold(self._units, self.now)
            self._symptoms.befall(self._units, self.now)
            drive = {n: self._planned.fed_mw(n, float(a[k]), self.now) for n, a in weather.items()}
            p_mw[k, : len(self._units)] = self._chain.move(self.now, dt_s, drive)
            middle = self.now + timedelta(seconds=dt_s / 2)
            for name, series in demand.items():
                followed = self._symptoms.followed(name, self._loads[name], middle)
                due = replace(followed, demand_mw=self._planned.served_mw(name, float(series[k]), self.now))
                self._loads[name] = shed_terminal.trimming(self._park.loads[name], due, self.now, dt_s)
            drawn = self._drawn_mw()
            p_mw[k, len(self._units) :] = [-p for p in drawn]
            for name, p in zip(self._loads, drawn, strict=True):
                self._load_mwh[name] += p * dt_s / 3600
            q_mvar[k] = self._q_mvar_of(p_mw[k])
            positions[k] = self._positions()
            self._pass_midnight(dt_s)
        return p_mw, q_mvar, positions

    def _q_mvar_of(self, p_mw: Array) -> Array:
        """Return the reactive injections (elements,) of devices and loads at their active ones."""
        units = [unit.q_mvar(p) for unit, p in zip(self._units.values(), p_mw.tolist(), strict=False)]
        drawn = [
            self._q_mvar(name, p) for name, p in zip(self._loads, p_mw.tolist()[len(units) :], strict=True)
        ]
        return np.array([*units, *drawn])

    def _positions(self) -> Array:
        """Return where the actuators stand now, (actuators,); a scenario may jam them."""
        minute, stuck = self._minute(self.now), [e for e in self._scenario.events if isinstance(e, Stuck)]
        jammed = {e.actuator for e in stuck if e.holds(minute)}
        for name, state in self._actuators.items():
            if state.stuck != (name in jammed):
                self._actuators[name] = actuator.jam(state, self.now, stuck=name in jammed)
        return np.array([actuator.position(state, self.now) for state in self._actuators.values()])

    def _minute(self, at: datetime) -> float:
        return (at - self._start).total_seconds() / 60

    def _out(self, at: datetime) -> frozenset[str]:
        """Return the branches that are out at plant time `at`, planned or not."""
        failed = (e.branch for e in self._outages if e.holds(self._minute(at)))
        return self._planned.branches(at).union(failed)

    def _pass_midnight(self, dt_s: float) -> None:
        """Move the time on; counters of today belong to the plant's own calendar."""
        before = self.now
        self.now += timedelta(seconds=dt_s)
        if self.now.astimezone(self._zone).date() != before.astimezone(self._zone).date():
            for unit in self._units.values():
                unit.new_day()

    def _start_trips(self) -> None:
        due = [e for e in self._pending_trips if self.now >= self._start + timedelta(minutes=e.at_min)]
        for event in due:
            self._units[event.resource].trip(self.now, event.for_min * 60)
            self._pending_trips.remove(event)

    def _drawn_mw(self) -> list[float]:
        return [shed_terminal.drawn_mw(self._park.loads[n], s, self.now) for n, s in self._loads.items()]

    def _measure(self, p_mw: Array, q_mvar: Array, positions: Array, dt_s: float) -> None:
        states = self._grid.solve(p_mw, q_mvar, positions, self._branches_out)
        for station in self._stations.values():
            station.take(states, self._branches_out)
        for meter in self._meters.values():
            meter.take(p_mw, q_mvar, states, dt_s)
        self._row = p_mw[-1]
        hour = self.now.replace(minute=0, second=0)
        if hour <= self._cross_checked:
            return
        self._cross_checked = hour
        last = p_mw[-1], q_mvar[-1], positions[-1], states.vm_pu[-1]
        deviation = self._grid.deviation_pu(*last, self._branches_out)
        self.cross_check_pu = max(self.cross_check_pu, deviation)
        self._note(self.now, {"event": "runpp", "deviation_pu": deviation})
        if deviation > AGREEMENT_PU:
            raise RuntimeError(f"plant power flow differs from runpp by {deviation:.2g} pu at {self.now}")

    def manner(self, endpoint: str, at: datetime) -> Manner:
        """Return how an endpoint treats its clients at plant time `at`."""
        return self._symptoms.manner(endpoint, at)

    def image(self, endpoint: str) -> dict[str, float]:
        """Return every point of an endpoint by name, as its meters show it; KeyError when unknown."""
        values = {**self._values(endpoint)}
        for point in ("p_mw", "q_mvar"):
            if point in values:
                values[point] = self._noise.metered(f"{endpoint}:{point}", values[point], self.now)
        age_s = self._symptoms.age_s(endpoint, self._born, self.now)
        values["heartbeat"] = float(age_s % HEARTBEAT_MODULUS)
        return dict(self._symptoms.shown(endpoint, values, self.now))

    def _values(self, endpoint: str) -> Mapping[str, float]:
        if endpoint in self._units:
            values = self._units[endpoint].values()
            return {**values, "q_mvar": self._units[endpoint].q_mvar(values["p_mw"])}
        if endpoint in self._loads:
            state = self._loads[endpoint]
            p_mw = -shed_terminal.drawn_mw(self._park.loads[endpoint], state, self.now)
            return {
                **shed_terminal.outputs(state),
                "p_mw": p_mw,
                "q_mvar": self._q_mvar(endpoint, p_mw),
                "breakers": float(state.open_blocks),
                "trimmed_mw": shed_terminal.trimmed_mw(self._park.loads[endpoint], state),
                "energy_in_mwh": self._load_mwh[endpoint],
            }
        if endpoint in self._stations:
            return self._stations[endpoint].values
        if endpoint in self._meters:
            meter = self._meters[endpoint]
            return {
                "p_mw": meter.p_mw,
                "q_mvar": meter.q_mvar,
                "vm_pu": meter.vm_pu,
                "frequency_hz": self._noise.frequency_hz("grid", self.now),
                "energy_in_mwh": meter.energy_in_mwh,
                "energy_out_mwh": meter.energy_out_mwh,
            }
        return actuator.values(self._actuators[endpoint], self.now)

    def _q_mvar(self, element: str, p_mw: float) -> float:
        return p_mw * self._grid.q_per_p[element]

    def command(self, endpoint: str, values: Mapping[str, float], at: datetime) -> None:
        """Take points written to an endpoint at plant time `at`; KeyError when unknown.

        Breakers move after their load's `shed_time_ms`; a device acts at its next step.
        """
        if endpoint in self._units:
            self._symptoms.hold(self._units, at)
            self._units[endpoint].command(values, at)
            return
        order = {key: values[key] for key in ("epoch", "sequence") if key in values}
        stale = "epoch" in order and order["epoch"] < self._values(endpoint).get("epoch", 0.0)
        event = "fenced" if stale else "write"
        self._note(at, {"event": event, "device": endpoint, **order, "values": dict(values)})
        load = self._park.loads.get(endpoint)
        if load is None:
            if endpoint in self._actuators:
                taken = actuator.command(self._actuators[endpoint], values, at)
                self._actuators[endpoint] = taken or self._actuators[endpoint]
            return
        standing = self._symptoms.followed(endpoint, self._loads[endpoint], at)
        self._loads[endpoint] = shed_terminal.switch(load, standing, values, at)
        self._follow(at)

    def _follow(self, at: datetime) -> None:
        """Move the breakers that are due, between two steps; meters see it at once."""
        due = [n for n, s in self._loads.items() if s.moves_at is not None and s.moves_at <= at]
        if not due:
            return
        for name in due:
            self._loads[name] = self._symptoms.followed(name, self._loads[name], at)
        row = self._row.copy()
        row[len(self._units) :] = [-p for p in self._drawn_mw()]
        self._measure(row[np.newaxis], self._q_mvar_of(row)[np.newaxis], self._positions()[np.newaxis], 0.0)
