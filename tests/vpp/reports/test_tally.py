"""What the plan's energies are that metered ones stand beside."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from vpp.journal import LoggedSnapshot
from vpp.reports.events import Events
from vpp.reports.tally import Account

STEP_S, LOOK_S = 900, 5


def test_a_start_is_planned_with_its_ramp_so_that_own_use_ends_where_it_begins(park, plan):
    levels = np.concatenate([[-0.6], np.full(95, 99.4)])
    started = replace(plan, series=plan.series | {"CAES1": {"p_mw": levels}})
    account = Account(park, Events(plans={plan.id: started}))
    for s in range(0, 2 * STEP_S + 1, LOOK_S):
        account.take(followed(started, s))
    caes = next(e for e in account.energies() if e.id == "CAES1")
    # 100 MW at 15 MW/min, centred on the step: 200 s before it; 0.6 MW of it, 2.4 s, still drawn
    drawn_mwh = 0.6 * (STEP_S - 200 + 2.4 / 2) / 3600
    assert caes.in_planned_mwh == pytest.approx(drawn_mwh, rel=5e-3)
    assert caes.out_planned_mwh == pytest.approx((99.4 - 0.6) / 4 + drawn_mwh, rel=1e-4)


def followed(plan, at_s):
    return LoggedSnapshot(
        at=plan.start + timedelta(seconds=at_s),
        rate=1.0,
        cycle=at_s,
        epoch=1,
        plan_id=plan.id,
        following="plan",
        tie_mean_mw=0.0,
        tie_limit_mw=150.0,
        month_peak_mw=0.0,
        missed_ticks=0,
        dropped_plans=0,
        values={},
        quality={},
        setpoints={},
    )
