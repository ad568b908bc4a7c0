"""Control learns from what a battery does not give, and nothing from a meter that is behind."""

from datetime import datetime, timezone
from types import SimpleNamespace

import pytest

from controllers.acting import derating
from controllers.acting.conditions import Deviation
from vpp.types import Quality, Reading

NOW = datetime(2026, 3, 17, 9, 30, tzinfo=timezone.utc)


@pytest.mark.parametrize(("told", "learns"), [((-28.0, -20.0, -15.0), False), ((-15.0, -15.0, -15.0), True)])
def test_a_limit_is_learned_only_from_a_command_that_stood(park, told, learns):
    reading = Reading(values={"p_mw": -28.0}, quality=Quality.GOOD, read_at=NOW, age_s=0.0)
    core = SimpleNamespace(
        park=park,
        deviations={"BESS1": Deviation(cycles=3)},
        readings={"BESS1": reading},
        setpoints={"BESS1": SimpleNamespace(p_mw=told[-1])},
        sent=tuple(SimpleNamespace(output_mw={"BESS1": p_mw}) for p_mw in told),
        learned={},
        journal=SimpleNamespace(append=lambda *_: None),
    )
    derating.learn(core, NOW)
    assert ("BESS1" in core.learned) is learns
