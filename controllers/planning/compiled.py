"""A problem written in cvxpy as matrix maps.

cvxpy canonicalises once; from then on its affine maps from parameters to matrix, cost and right-hand
side are applied here directly (they are semi-private: checked against cvxpy's own at start).
"""

from collections.abc import Mapping
from typing import Any

import cvxpy as cp
import numpy as np
from cvxpy.cvxcore.python import canonInterface

from vpp.types import Array


class Compiled:
    """A cvxpy problem as matrix maps; parameters in, (cost, matrix, bounds of rows) out."""

    def __init__(self, problem: cp.Problem) -> None:
        data, chain, _ = problem.get_problem_data(cp.HIGHS, enforce_dpp=True)
        program = data["param_prob"]
        self._program = program
        self._final = chain.compose_constr_id_map()
        ends = np.cumsum([row.size for row in program.constraints])
        self._rows = {
            r.id: slice(int(e) - r.size, int(e)) for r, e in zip(program.constraints, ends, strict=True)
        }
        self.height = int(ends[-1])
        program.reduced_A.cache(True)
        self.column = dict(program.var_id_to_col)
        self.size = int(program.x.size)
        self.equalities = int(data["dims"].zero)
        q, a, b = self.apply()
        reference = program.apply_parameters()
        same = np.allclose(q, reference[0]) and np.allclose(b, reference[3])
        if not (same and abs(a + reference[2]).max() < 1e-9):
            raise RuntimeError("this cvxpy keeps its parametric maps differently: compiled.py must follow")

    def apply(self) -> tuple[Array, Any, Array]:
        """Return (cost, matrix, right-hand side) of the present parameters: A x <= b, first rows =."""
        program = self._program
        vector = canonInterface.get_parameter_vector(
            program.total_param_size,
            program.param_id_to_col,
            program.param_id_to_size,
            lambda k: np.asarray(program.id_to_param[k].value),
        )
        cost = np.asarray(program.q @ vector).ravel()[:-1]
        matrix, b = program.reduced_A.get_matrix_from_tensor(vector, with_offset=True)
        return cost, -matrix.tocsc(), np.atleast_1d(b)

    def columns(self, variable: cp.Variable) -> slice:
        """Return where a variable's entries lie among the columns."""
        first = self.column[variable.id]
        return slice(first, first + variable.size)

    def rows(self, constraint: Any) -> slice:
        """Return where a constraint's entries lie among the rows; KeyError for one it does not hold."""
        return self._rows[self._final[constraint.id]]


def values_of(compiled: Compiled, x: Array, variables: Mapping[str, cp.Variable]) -> dict[str, Array]:
    """Return the solution by variable name."""
    return {name: x[compiled.columns(var)] for name, var in variables.items()}
