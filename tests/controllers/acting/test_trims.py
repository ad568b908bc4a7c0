"""What the plan trims is told each cycle, bounded by what the load draws, watched and given back."""

from dataclasses import replace

import numpy as np
import pytest

from controllers.acting.envelope import trimmable
from controllers.acting.selection import armed, block_mw
from vpp.journal import read
from vpp.park.interruption import TRIM_S
from vpp.types import Quality, Reading, Severity

STEP_S = 900
DEMAND_MW = 55.0


def trimming(offer, *mw):
    """Return an offer whose plan trims LD_ZN by so many MW, one number per step."""
    made = offer(steps=len(mw))
    trimmed, still = np.array(mw, dtype=float), np.zeros(len(mw))
    tie = made.plan.series["tie"] | {"import_mw": made.plan.series["tie"]["import_mw"] - trimmed}
    load = {
        "load_mw": np.full(len(mw), DEMAND_MW),
        "shed_mw": still,
        "modulated_mw": trimmed,
        "open_blocks": still,
    }
    return replace(made, plan=replace(made.plan, series={**made.plan.series, "LD_ZN": load, "tie": tie}))


def alarms(snapshot):
    return {alarm.id: alarm for alarm in snapshot.alarms}


async def test_the_plans_trim_is_written_every_cycle_and_taken_back_once(control, run, offer, plant):
    await control.take(trimming(offer, 0, 6, 0, 0))
    await run(int(STEP_S - TRIM_S / 2) // 10 - 1, dt_s=10.0)
    assert plant.trims == [], "nothing to trim, nothing to write"
    await run(1, dt_s=10.0)
    assert [t.trim_mw for t in plant.trims] == [6.0], "half of its time before its step"
    snapshot = await run(32, dt_s=10.0)
    assert {t.trim_mw for t in plant.trims} == {6.0}
    assert snapshot.trims == {"LD_ZN": 6.0}
    assert [t.sequence for t in plant.trims] == list(range(1, len(plant.trims) + 1))
    assert all(t.epoch == 7 and t.ttl_s > 0 for t in plant.trims)
    await run(120, dt_s=10.0)
    assert [t.trim_mw for t in plant.trims].count(0.0) == 1
    assert plant.trims[-1].trim_mw == 0.0


async def test_an_order_stands_in_the_journal_once(control, run, offer, plant, tmp_path):
    await control.take(trimming(offer, 6, 6, 0))
    await run(200, dt_s=10.0)
    told = [r.value["trim_mw"] for r in read(tmp_path / "journal") if r.kind == "trim"]
    assert told == [6.0, 0.0]


async def test_more_than_the_share_is_cut_to_what_the_load_draws(control, run, offer, plant):
    await control.take(trimming(offer, 40, 40))
    await run(5)
    assert plant.trims[-1].trim_mw == pytest.approx(0.2 * DEMAND_MW)
    assert plant.trims[-1].clipped_by == ("share that may be trimmed",)


async def test_the_battery_does_not_undo_what_is_trimmed(control, run, offer):
    await control.take(trimming(offer, 0, 10, 10))
    await run(80, dt_s=10.0)
    powers = [(await run(1, dt_s=10.0)).setpoints["BESS1"].p_mw for _ in range(60)]
    assert max(abs(p) for p in powers) < 4.0
    assert abs(powers[-1]) < 1.0


async def test_a_load_that_does_not_trim_is_alarmed(control, run, offer, plant):
    plant.deaf.add("LD_ZN")
    await control.take(trimming(offer, 8, 8))
    assert "not_trimming:LD_ZN" not in alarms(await run(10, dt_s=10.0))
    alarm = alarms(await run(10, dt_s=10.0))["not_trimming:LD_ZN"]
    assert alarm.severity is Severity.ALARM
    assert "0.0 MW metered, 8.0 MW ordered" in alarm.text


async def test_a_silent_load_is_told_nothing(control, run, offer, plant):
    plant.silent.add("LD_ZN")
    await control.take(trimming(offer, 8, 8))
    await run(20)
    assert plant.trims == []


@pytest.mark.parametrize(
    ("asked", "measured", "opened", "given"),
    [
        (5.0, (55.0, 0.0), 0, 5.0),
        (40.0, (55.0, 0.0), 0, 11.0),
        (40.0, (44.0, 11.0), 0, 11.0),
        # 2 of 4 blocks of 60 % open: 38.5 MW drawn of 55, a fifth of it
        (40.0, (38.5, 0.0), 2, 7.7),
        # all 4 open: the interruptible share is used up
        (40.0, (22.0, 0.0), 4, 0.0),
        (-3.0, (55.0, 0.0), 0, 0.0),
        (float("nan"), (55.0, 0.0), 0, 0.0),
    ],
)
def test_a_trim_lies_inside_the_share_of_what_is_drawn(park, asked, measured, opened, given):
    values = {"p_mw": -measured[0], "trimmed_mw": measured[1]}
    found, why = trimmable(park.loads["LD_ZN"], asked, values, opened)
    assert found == pytest.approx(given)
    assert bool(why) == (found != asked)


def test_the_blocks_of_a_trimmed_load_are_worth_less_in_the_table(park):
    """55 MW, 4 blocks of 60 %: 8.25 MW each; 11 MW trimmed evenly from them leave 5.5 MW each."""
    load = park.loads["LD_ZN"]
    assert block_mw(load, -55.0, 0) == pytest.approx(8.25)
    assert block_mw(load, -44.0, 0, 11.0) == pytest.approx(5.5)
    reading = Reading(
        values={"p_mw": -44.0, "trimmed_mw": 11.0}, quality=Quality.GOOD, read_at=None, age_s=0.0
    )
    calls = {"LD_ZN": {"calls_left": 2.0, "rest_min": 0.0, "open_blocks": 0.0, "running_min": 0.0}}
    table = armed({"LD_ZN": load}, {"LD_ZN": reading}, calls)
    assert [b.mw for b in table] == pytest.approx([5.5] * 4)
