"""The shipped small park, loaded once."""

from collections.abc import Iterator

import pytest

from hil import rig
from hil.grid import Grid
from vpp.park import Park, load_park


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
