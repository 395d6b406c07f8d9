"""BBOB functions by the library ioh (de Nobel et al., 2024)."""

from dataclasses import dataclass
from typing import Any

import ioh
import numpy as np

import dfo_prompt as dp

FUNCTIONS, MIN_DIM = 24, 2
INSTANCES = 2**31 - 1
"""The number of instances in ioh; larger seeds wrap around."""


@dataclass(frozen=True, kw_only=True)
class BBOB:
    """A function of BBOB; its loss is the distance to the optimal value.

    Attributes:
        problem: the problem object of ioh.
    """

    problem: Any

    @property
    def dim(self) -> int:
        """Return d."""
        return int(self.problem.meta_data.n_variables)

    def evaluate(self, candidates: np.ndarray) -> dp.Evaluation:
        """Evaluate candidates (B, d)."""
        values = [self.problem(z) - self.problem.optimum.y for z in candidates]
        return dp.Evaluation(losses=np.array(values, dtype=np.float64), usage=dp.Usage(rows=len(candidates)))

    def describe(self) -> dict[str, Any]:
        """Return the name of the function and the number of its instance."""
        return {"function": str(self.problem.meta_data.name), "instance": int(self.problem.meta_data.instance)}


def bbob(*, dim: int, seed: int, variant: str, effective_dim: int | None = None) -> dp.Objective:
    """Build a function of BBOB, with the instance that the seed selects.

    Args:
        dim: d, at least two.
        seed: selects instance 1 + seed and the random embedding.
        variant: "1" to "24".
        effective_dim: k; if set, the function depends on k coordinates after a random linear map.

    Raises:
        InputError: there is no such function, or the number of dimensions is invalid.
    """
    if variant not in map(str, range(1, FUNCTIONS + 1)):
        raise dp.InputError(f"unknown function {variant!r} of BBOB; known: 1 to {FUNCTIONS}")
    inner = dim if effective_dim is None else effective_dim
    if not MIN_DIM <= inner <= dim:
        raise dp.InputError(f"BBOB: {inner} dimensions are not between {MIN_DIM} and the candidates' {dim}")
    problem = ioh.get_problem(
        int(variant), instance=1 + seed % INSTANCES, dimension=inner, problem_class=ioh.ProblemClass.BBOB
    )
    objective = BBOB(problem=problem)
    if effective_dim is None:
        return objective
    matrix = np.random.default_rng([seed, 1]).standard_normal((inner, dim)) / np.sqrt(dim)
    return dp.Embedded(inner=objective, map=matrix)
