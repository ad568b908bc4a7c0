import pytest

from vpp.park import load_park
from vpp.park.model import Park


@pytest.fixture(scope="session")
def park() -> Park:
    return load_park("small10")
