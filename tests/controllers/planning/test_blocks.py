"""Blocks: one for each device kind, all of them DPP; hulls lie where they should."""

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.planning.blocks import BLOCKS, FED_BLOCKS, all_blocks
from controllers.planning.blocks.hull import chord, lower_hull, upper_hull
from controllers.planning.limits import Tie, all_limits
from controllers.planning.problem import compose
from controllers.planning.slots import axis, frame
from vpp.devices import DEVICE_TYPES


@pytest.fixture(scope="module")
def parts(park):
    own = frame(axis(park, 24))
    tie = Tie(import_mw=cp.Variable(own.axis.n), export_mw=cp.Variable(own.axis.n))
    blocks = all_blocks(park, own)
    return own, tie, blocks


def test_every_device_kind_has_a_block():
    assert set(BLOCKS) | set(FED_BLOCKS) == set(DEVICE_TYPES)


def test_every_resource_and_load_has_a_block(park, parts):
    assert list(parts[2]) == [*park.resources, *park.loads]


def test_every_block_and_limit_is_dpp(park, parts):
    own, tie, blocks = parts
    for part in (*blocks.values(), *all_limits(park, own, tie, blocks)):
        cost = sum(part.costs.values()) if part.costs else 0
        assert cp.Problem(cp.Minimize(cost), list(part.constraints)).is_dcp(dpp=True), part


def test_the_whole_problem_is_dpp(park, parts):
    own, tie, blocks = parts
    problem, *_ = compose(park, blocks, own, tie)
    assert problem.is_dcp(dpp=True)


@given(st.lists(st.floats(0, 100), min_size=2, max_size=8))
def test_hulls_enclose_their_points_and_touch_the_ends(heights):
    points = [(float(x), y) for x, y in enumerate(heights)]
    above = [min(a * x + b for a, b in upper_hull(points)) for x, _ in points]
    below = [max(a * x + b for a, b in lower_hull(points)) for x, _ in points]
    for (_, y), high, low in zip(points, above, below, strict=True):
        assert low <= y + 1e-6
        assert high >= y - 1e-6
    for end in (0, -1):
        slope, base = chord(points)
        assert np.isclose(
            [above[end], below[end], slope * points[end][0] + base], points[end][1], atol=1e-6
        ).all()
