"""What bounds leave open of a linear problem: the same optimum, the same prices."""

import highspy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.planning.basis import BASIC, Basis
from controllers.planning.reduced import Linear, reduced
from controllers.planning.solve import _as_highs
from vpp.seeds import generator


def random_problem(seed):
    """A feasible problem of 12 columns, a third of them fixed, with chains of rows that fix more."""
    rng = generator(seed, "reduced")
    n, m = 12, 16
    x = rng.integers(-3, 4, n).astype(float)
    matrix = np.where(rng.random((m, n)) < 0.25, rng.integers(-4, 5, (m, n)), 0).astype(float)
    kind = rng.integers(0, 3, n)
    lower = np.where(kind == 0, x, x - rng.integers(0, 5, n))
    upper = np.where(kind == 0, x, x + rng.integers(1, 5, n))
    activity = matrix @ x
    equal = rng.random(m) < 0.4
    row_upper = activity + np.where(equal, 0.0, rng.integers(0, 3, m))
    row_lower = np.where(equal, activity, -np.inf)
    rows, columns = np.nonzero(matrix)
    return Linear(
        cost=rng.normal(size=n),
        lower=lower,
        upper=upper,
        row_lower=row_lower,
        row_upper=row_upper,
        entries=(rows, columns, matrix[rows, columns]),
    )


def solved(problem, offset=0.0):
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.passModel(_as_highs(problem, offset))
    highs.run()
    assert highs.modelStatusToString(highs.getModelStatus()) in ("Optimal", "Empty")
    return highs


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000))
def test_what_is_left_open_has_the_optimum_and_the_duals_of_the_whole(seed):
    whole = random_problem(seed)
    part = reduced(whole)
    assert part is not None
    assert len(part.columns) < len(whole.cost)
    rest = solved(part.rest, part.offset)
    x = part.restored(np.array(rest.getSolution().col_value))
    best = solved(whole).getInfo().objective_function_value
    assert whole.cost @ x == pytest.approx(best, abs=1e-7)
    rows, columns, values = whole.entries
    activity = np.bincount(rows, values * x[columns], minlength=len(whole.row_lower))
    assert (activity >= whole.row_lower - 1e-6).all()
    assert (activity <= whole.row_upper + 1e-6).all()
    y = part.duals(np.array(rest.getSolution().row_dual))
    rate = whole.cost - np.bincount(columns, values * y[rows], minlength=len(whole.cost))
    # complementary slackness proves the duals: no price for what does not bind, on either side
    assert (y[activity > whole.row_lower + 1e-6] < 1e-6).all()
    assert (y[activity < whole.row_upper - 1e-6] > -1e-6).all()
    assert (rate[x > whole.lower + 1e-6] < 1e-6).all()
    assert (rate[x < whole.upper - 1e-6] > -1e-6).all()


def test_bounds_and_rows_that_contradict_each_other_are_told():
    own = {
        "cost": np.ones(2),
        "lower": np.zeros(2),
        "upper": np.array([1.0, 0.0]),
        "row_lower": np.array([2.0]),
    }
    entries = (np.array([0, 0]), np.array([0, 1]), np.ones(2))
    assert reduced(Linear(**own, row_upper=np.array([2.0]), entries=entries)) is None
    nothing = (np.array([0]), np.array([1]), np.ones(1))
    assert reduced(Linear(**own, row_upper=np.array([2.0]), entries=nothing)) is None


def test_a_basis_is_known_again_where_other_columns_are_open():
    whole = random_problem(2)
    part = reduced(whole)
    highs = solved(part.rest)
    highs.setOptionValue("presolve", "off")
    highs.clearSolver()
    highs.run()
    basis, solution = Basis(len(whole.cost), len(whole.row_lower)), highs.getSolution()
    _, basic = highs.getBasicVariables()
    assert len(basic) > 0
    basis.take(part, [], basic, np.array(solution.col_value), np.array(solution.row_value))
    columns, rows = basis.of(part, [])
    assert (columns == BASIC).sum() + (rows == BASIC).sum() == len(part.rows)
    basis.of(reduced(whole), ["a new row"])
