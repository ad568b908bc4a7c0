"""What several rooms' tests share."""

import os
import shutil
from collections.abc import Callable

import pytest
from hypothesis import settings

from vpp import threads

# before any test loads numpy
threads.one_each()

# a busy machine is no fault of the product: no example is judged by its seconds
settings.register_profile("yuanwang", deadline=None)
settings.load_profile("yuanwang")


@pytest.fixture
def need_program() -> Callable[[str], str]:
    """Return the path of a foreign program, or skip; with VPP_REQUIRE_PEERS=1 its absence fails."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            if os.environ.get("VPP_REQUIRE_PEERS") == "1":
                pytest.fail(f"{name} is missing, and VPP_REQUIRE_PEERS=1 asks for it")
            pytest.skip(f"{name} is not installed")
        return path

    return find
