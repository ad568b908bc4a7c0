"""Piecewise linear curves and what a linear model may use of them."""

from itertools import pairwise

Curve = tuple[tuple[float, float], ...]
"""(x, y) pairs with rising x, linear between them."""


def value(curve: Curve, x: float) -> float:
    """Return y at `x`, linear between the points and level beyond both ends."""
    x0, y0 = curve[0]
    if x <= x0:
        return y0
    for x1, y1 in curve[1:]:
        if x < x1:
            return y0 + (y1 - y0) * (x - x0) / (x1 - x0)
        x0, y0 = x1, y1
    return y0


def flow(curve: Curve, x: float, *, divide: bool) -> float:
    """Return x*y(x) (or x/y(x)) as the line through its exact values at the curve's points.

    This is how an efficiency table becomes a flow that a linear model carries without error: the
    points are exact, between them the flow (not the efficiency) is linear. Below the first point
    the efficiency stays that of the first point, above the last that of the last.
    """
    x0, y0 = curve[0]
    if x <= x0:
        return x / y0 if divide else x * y0
    for x1, y1 in curve[1:]:
        if x < x1:
            f0, f1 = (x0 / y0, x1 / y1) if divide else (x0 * y0, x1 * y1)
            return f0 + (f1 - f0) * (x - x0) / (x1 - x0)
        x0, y0 = x1, y1
    return x / y0 if divide else x * y0


def cuts(curve: Curve) -> tuple[tuple[float, float], ...]:
    """Return lines (intercept, slope) whose minimum never exceeds the curve between its ends.

    Equal to the curve where it is concave, below it elsewhere.
    """
    lines = []
    for (x0, y0), (x1, y1) in pairwise(curve):
        slope = (y1 - y0) / (x1 - x0)
        lines.append((y0 - slope * x0, slope))
    return tuple(lines) if lines else ((curve[0][1], 0.0),)


def concave_hull(points: Curve) -> Curve:
    """Return the corners of the least concave curve above the points, in rising x."""
    hull: list[tuple[float, float]] = []
    for x, y in sorted(points):
        if hull and hull[-1][0] == x:
            hull.pop()
        while len(hull) > 1:
            (xa, ya), (xb, yb) = hull[-2:]
            steeper = (yb - ya) * (x - xa) - (y - ya) * (xb - xa)
            if steeper > 1e-9 * (x - xa) * (abs(yb) + abs(y)):
                break
            hull.pop()
        hull.append((x, y))
    return tuple(hull)
