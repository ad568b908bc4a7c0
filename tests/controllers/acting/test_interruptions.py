"""What the plan interrupts is opened at its step, counted as one call, and closed block by block."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from controllers.acting.build import build_control
from controllers.acting.interruptions import lowest_free
from vpp.journal import read
from vpp.state_dir import StateDir
from vpp.types import RestoreOrder, ShedOrder
from vpp.types.plan import Plan

BLOCK_MW = 8.25
"""One of four breakers behind 60 % of 55 MW."""
STEP_S = 900


def interrupting(offer, *counts, made_at=None):
    """Return an offer whose plan opens so many breakers of LD_ZN, one number per step."""
    made = offer(steps=len(counts)) if made_at is None else offer(steps=len(counts), made_at=made_at)
    plan: Plan = made.plan
    opened = np.array(counts, dtype=float)
    shed = opened * BLOCK_MW
    tie = plan.series["tie"] | {"import_mw": plan.series["tie"]["import_mw"] - shed}
    load = {"load_mw": np.full(len(counts), 55.0), "shed_mw": shed, "open_blocks": opened}
    return replace(made, plan=replace(plan, series={**plan.series, "LD_ZN": load, "tie": tie}))


@pytest.fixture
def state(tmp_path):
    state = StateDir(tmp_path)
    state.prepare()
    return state


async def test_an_interruption_cycle_by_cycle(control, run, offer, plant):
    await control.take(interrupting(offer, 0, 2, 2, 0, 0))
    masks = []
    for _ in range(3 * STEP_S // 10 + 10):
        snapshot = await run(1, dt_s=10.0)
        masks.append(plant.masks.get("LD_ZN", 0))
        assert snapshot.open_blocks.get("LD_ZN", 0) == masks[-1]
    changes = [(10 * (k + 1), mask) for k, mask in enumerate(masks) if k and mask != masks[k - 1]]
    assert masks[0] == 0
    assert changes == [(STEP_S, 0b11), (3 * STEP_S, 0b01), (3 * STEP_S + 30, 0)]
    assert snapshot.calls["LD_ZN"]["calls_left"] == 1.0
    assert snapshot.calls["LD_ZN"]["rest_min"] > 0


async def test_the_battery_does_not_undo_an_interruption(control, run, offer):
    await control.take(interrupting(offer, 0, 3, 3))
    await run(80, dt_s=10.0)
    powers = [(await run(1, dt_s=10.0)).setpoints["BESS1"].p_mw for _ in range(60)]
    assert max(abs(p) for p in powers) < 6.0, "not 24.75 MW: what is cut is what was planned"
    assert abs(powers[-1]) < 1.0


async def test_blocks_of_a_shed_count_for_the_plan_and_are_not_closed_by_it(
    control, run, offer, plant, clock
):
    await control.take(interrupting(offer, 2, 2, 0, 0))
    await run(2, dt_s=10.0)
    assert plant.masks["LD_ZN"] == 0b11
    later = clock.plant_now().replace(hour=23)
    report = await control.take(ShedOrder(id="s", mw=8.0, drill=False, expires_at=later))
    assert report.ok
    shed = plant.masks["LD_ZN"] & ~0b11
    assert shed.bit_count() == 1
    await run(3 * STEP_S // 10, dt_s=10.0)
    assert plant.masks["LD_ZN"] == shed, "the plan's blocks are closed, the shed's wait for a permission"


async def test_a_plan_that_holds_a_shed_reopens_nothing_after_the_permission_to_close(
    control, run, offer, plant, clock
):
    await run(2, dt_s=10.0)
    later = clock.plant_now().replace(hour=23)
    assert (await control.take(ShedOrder(id="s", mw=20.0, drill=False, expires_at=later))).ok
    await control.take(interrupting(offer, 3, 3, 3, 0))
    await run(5, dt_s=10.0)
    assert plant.masks["LD_ZN"] == 0b111
    assert (await control.take(RestoreOrder(id="r", loads=(), expires_at=later))).accepted
    counts = []
    for _ in range(90):
        await run(1, dt_s=10.0)
        counts.append(plant.masks["LD_ZN"].bit_count())
    assert counts[-1] == 0
    assert all(b <= a for a, b in pairwise(counts))


async def test_a_load_that_has_no_call_left_or_is_silent_stays_closed(control, run, offer, plant):
    plant.silent.add("LD_ZN")
    await control.take(interrupting(offer, 2, 2))
    await run(10, dt_s=10.0)
    assert plant.masks.get("LD_ZN", 0) == 0


async def test_a_restart_knows_which_blocks_the_plan_opened(plant, journal, offer, state):
    park, clock = plant.park, plant.clock
    before = build_control(park, plant, clock, journal, epoch=1, state=state)
    await before.cycle()
    await before.take(interrupting(offer, 2, 0, 0))
    for _ in range(3):
        clock.advance(10)
        await before.cycle()
    assert plant.masks["LD_ZN"] == 0b11
    after = build_control(park, plant, clock, journal, epoch=2, state=state)
    for _ in range(STEP_S // 10 + 5):
        clock.advance(10)
        await after.cycle()
    assert plant.masks["LD_ZN"] == 0
    kinds = [record.kind for record in read(state.journal)]
    assert kinds.count("interruption") == 1


@pytest.mark.parametrize(
    ("blocks", "taken", "count", "mask"), [(4, 0b0101, 1, 0b0010), (4, 0b0101, 5, 0b1010), (2, 0b11, 1, 0)]
)
def test_the_lowest_free_breakers_open(blocks, taken, count, mask):
    assert lowest_free(blocks, taken, count) == mask
