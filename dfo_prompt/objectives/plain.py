"""Wraps a plain function as an objective."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dfo_prompt.contracts.objective import Evaluation
from dfo_prompt.types import Matrix

Function = Callable[[Any], Any]


class FunctionObjective:
    """An objective that calls a function of a candidate (d,), or of candidates (B, d) if it is vectorized.

    Args:
        function: returns a loss, or losses (B,) if it is vectorized; smaller is better.
        dim: d.
        vectorized: whether the function takes candidates (B, d); this cannot be inferred from its results.
    """

    def __init__(self, function: Function, *, dim: int, vectorized: bool = False) -> None:
        self.dim = dim
        self.function = function
        self.vectorized = vectorized

    def evaluate(self, candidates: Matrix) -> Evaluation:
        """Score candidates (B, d)."""
        if self.vectorized:  # as it is: the study refuses an array that does not say whose losses it holds
            return Evaluation(losses=self.function(candidates))
        return Evaluation(losses=np.array([float(self.function(candidate)) for candidate in candidates]))
