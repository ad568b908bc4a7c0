"""The shipped small park, loaded once."""

import pytest

from vpp.park import Park, load_park


@pytest.fixture(scope="session")
def park() -> Park:
    return load_park("small10")
