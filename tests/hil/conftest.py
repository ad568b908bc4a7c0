"""The shipped small park, loaded once, and what its devices are told."""

from collections.abc import Callable, Iterator
from datetime import datetime

import pytest

from hil import rig
from hil.grid import Grid
from vpp.clock import UTC
from vpp.park import Park, load_park
from vpp.types import Setpoint, Source


@pytest.fixture(scope="session")
def park() -> Park:
    return load_park("small10")


@pytest.fixture(scope="session", autouse=True)
def one_grid(park: Park) -> Iterator[None]:
    """Build the park's power flow once: half a second each, and it keeps nothing between solves."""
    shared = Grid(park)
    patch = pytest.MonkeyPatch()
    patch.setattr(rig, "Grid", lambda own: shared if own.name == park.name else Grid(own))
    yield
    patch.undo()


@pytest.fixture(scope="session")
def setpoint() -> Callable[..., Setpoint]:
    """Return a command of epoch 3, sequence 9, trusted for `ttl_s` and `reversion_s`."""

    def told(device: str, p_mw: float, *, ttl_s: float = 60.0, reversion_s: float = 30.0) -> Setpoint:
        return Setpoint(
            device=device,
            p_mw=p_mw,
            q_mvar=0.0,
            h2_kg_per_h=0.0,
            p_min_mw=-100,
            p_max_mw=100,
            epoch=3,
            sequence=9,
            issued_at=datetime(2026, 3, 10, 4, tzinfo=UTC),
            ttl_s=ttl_s,
            reversion_mw=0.0,
            reversion_s=reversion_s,
            source=Source.PLAN,
        )

    return told
