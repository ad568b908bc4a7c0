"""Readings that come a cycle late are brought to the moment of the others."""

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from types import SimpleNamespace

import pytest

from controllers.acting import metering
from controllers.acting.build import build_control
from vpp.clock import SimulatedClock
from vpp.journal import Journal
from vpp.types import Quality, Reading

CYCLE_S = 60.0
START = datetime(2026, 3, 17, 4, 0, tzinfo=timezone.utc)


class Late:
    """A field of which some endpoints are a cycle late in every second cycle, as in a crowded poll."""

    def __init__(self, plant, late):
        self.plant, self.late, self.cycle = plant, late, 0
        self.before: Mapping[str, Reading] = {}
        self.look, self.write, self.trip, self.links = plant.look, plant.write, plant.trip, plant.links

    async def read(self):
        now = await self.plant.read()
        shown = {
            name: self.before[name] if name in self.late and self.cycle % 2 and name in self.before else r
            for name, r in now.items()
        }
        self.before, self.cycle = now, self.cycle + 1
        return shown


@pytest.fixture
def course(park, plant, offer, tmp_path):
    """Run a quarter of an hour in which 30 MW of wind are missing and the tie is at its limit."""

    async def run(late):
        clock: SimulatedClock = plant.clock
        journal = Journal(tmp_path / f"journal-{len(late)}", clock)
        control = build_control(park, Late(plant, late), clock, journal, epoch=7)
        import_max_mw = park.contracts.tie.import_max_mw
        try:
            await control.cycle()
            power = offer().plan.series["tie"]["import_mw"][0]
            plant.demand["LD_ZN"] += import_max_mw - power
            plan = offer()
            plan.plan.series["tie"]["import_mw"][:] = import_max_mw
            assert (await control.take(plan)).accepted
            plant.available["WF"] -= 30.0
            commands, ties = [], []
            for _ in range(14):
                clock.advance(CYCLE_S)
                snapshot = await control.cycle()
                commands.append(snapshot.setpoints["BESS1"].p_mw)
                ties.append((await plant.read())["TIE"].values["p_mw"])
            return commands, ties
        finally:
            journal.close()

    return run


@pytest.mark.parametrize("late", [(), ("TIE",), ("BESS1",), ("TIE", "BESS1"), ("TIE", "LD_ZN")])
async def test_batteries_do_not_hunt_where_readings_are_a_cycle_late(course, late):
    """Punctual or not: once the error is known, commands keep still."""
    commands, ties = await course(set(late))
    later = commands[3:]
    assert max(abs(b - a) for a, b in pairwise(later)) < 3.0
    assert max(commands) > 10.0
    assert max(ties[3:]) - min(ties[3:]) < 3.0


@pytest.mark.parametrize(
    ("p_mw", "late_s", "imported", "exported"),
    [
        (600.0, 12.0, 998.0, 50.0),
        (-300.0, 12.0, 1000.0, 49.0),
        (600.0, 0.0, 1000.0, 50.0),
        (600.0, -30.0, 1005.0, 50.0),
        (600.0, -70.0, 1000.0, 50.0),
    ],
)
def test_the_ties_counters_are_shown_as_of_the_cycles_time(park, p_mw, late_s, imported, exported):
    """At rate 60 an answer 0.2 s into the cycle is 12 s late; older than a cycle it is left as it is."""
    values = {"p_mw": p_mw, "energy_in_mwh": 1000.0, "energy_out_mwh": 50.0}
    read_at = START + timedelta(seconds=late_s)
    reading = Reading(values=values, quality=Quality.GOOD, read_at=read_at, age_s=0.0)
    core = SimpleNamespace(park=park, readings={"TIE": reading})
    metering.count_until(core, START, CYCLE_S)
    shown = core.readings["TIE"].values
    assert (shown["energy_in_mwh"], shown["energy_out_mwh"]) == pytest.approx((imported, exported))
    assert shown["p_mw"] == p_mw
    back = metering.as_read(core.readings["TIE"], START, CYCLE_S)
    assert back.values == pytest.approx(values, rel=1e-12), "a replay takes them back to what was read"
