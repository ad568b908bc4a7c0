"""Straight lines around a curve of points."""

from collections.abc import Sequence
from itertools import pairwise

Line = tuple[float, float]
"""(slope, value at 0)."""


def _line(a: tuple[float, float], b: tuple[float, float]) -> Line:
    slope = (b[1] - a[1]) / (b[0] - a[0])
    return slope, a[1] - slope * a[0]


def chord(points: Sequence[tuple[float, float]]) -> Line:
    """Return the line through the first and the last point."""
    return _line(points[0], points[-1])


def upper_hull(points: Sequence[tuple[float, float]]) -> list[Line]:
    """Return the lines whose minimum is the least concave curve above the points (rising x)."""
    kept: list[tuple[float, float]] = []
    for point in points:
        while len(kept) >= 2 and _line(kept[-2], kept[-1])[0] <= _line(kept[-1], point)[0] + 1e-12:
            kept.pop()
        kept.append(point)
    return [_line(a, b) for a, b in pairwise(kept)]


def lower_hull(points: Sequence[tuple[float, float]]) -> list[Line]:
    """Return the lines whose maximum is the greatest convex curve below the points (rising x)."""
    flipped = upper_hull([(x, -y) for x, y in points])
    return [(-slope, -value) for slope, value in flipped]
