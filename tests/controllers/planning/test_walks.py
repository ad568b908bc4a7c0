"""Plain arithmetic through the steps of a plan: what the rungs below the search are made of."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from controllers.planning import initial_state, slots, walks
from controllers.planning.situation import situation
from forecasts import outlook
from vpp.park import load_park

STEPS = 96


@pytest.fixture(scope="module")
def chifeng():
    park = load_park("chifeng96")
    start = datetime(2026, 3, 17, tzinfo=ZoneInfo(park.site.zone))
    forecast = outlook(park, start - timedelta(hours=9), start, STEPS)
    axis = slots.axis(park, STEPS)
    state = initial_state(park, start)
    return situation(park, axis, first=axis.history, steps=STEPS, state=state, forecast=forecast)


def test_hydrogen_that_an_ammonia_loop_will_take_is_not_delivered(chifeng):
    store = chifeng.park.devices["H2S"]
    made = np.zeros(STEPS)
    # the loop takes 4 t in the afternoon, when nobody makes any
    left = np.where(np.arange(STEPS) >= 60, -4000.0 / 36, 0.0)
    held = walks.hydrogen(chifeng, "H2S", store, (made, left), np.full(STEPS, 1500.0))
    assert held["h2_kg"].min() >= store.min_kg - 1e-6
    assert held["h2_kg"][-1] == pytest.approx(store.min_kg)
    delivered = held["delivery_kg_per_h"].sum() / 4
    assert delivered == pytest.approx(10000 - 4000 - store.min_kg)
