"""Wraps a plain function as an objective."""

import warnings
from collections.abc import Sequence

import numpy as np

from dfo_prompt.contracts.objective import Evaluation
from dfo_prompt.contracts.usage import Usage
from dfo_prompt.errors import OutageError, one_line
from dfo_prompt.types import Function, Matrix, Vector


class FunctionObjective:
    """An objective that calls a function of a candidate (d,), or of candidates (B, d) if it is vectorized.

    Where a function of a candidate raises, only that candidate's loss is NaN, and a warning gives the first error.

    Args:
        function: returns a loss, or losses (B,) if it is vectorized; smaller is better.
        dim: d.
        vectorized: whether the function takes candidates (B, d); this cannot be inferred from its results.

    Attributes:
        deterministic: whether a candidate has the same loss each time; the function's attribute of this name, or True.
    """

    def __init__(self, function: Function, *, dim: int, vectorized: bool = False) -> None:
        self.dim = dim
        self.function = function
        self.vectorized = vectorized
        self.deterministic = getattr(function, "deterministic", True)
        self._warned = False

    def evaluate(self, candidates: Matrix) -> Evaluation:
        """Score candidates (B, d).

        Raises:
            Exception: the function raises for every candidate; this is the first error.
            OutageError: the function raises one.
        """
        if self.vectorized:  # as it is: the study refuses an array that does not say whose losses it holds
            return Evaluation(losses=self.function(candidates))
        tried = [self._try(candidate) for candidate in candidates]
        errors = [loss for loss in tried if isinstance(loss, Exception)]
        usages = [usage for error in errors if isinstance(usage := getattr(error, "usage", None), Usage)]
        if errors and len(errors) == len(tried):  # a mistake in the function rather than in a candidate
            if usages:
                errors[0].usage = sum(usages, Usage())  # type: ignore[attr-defined] # of all calls
            raise errors[0]
        self._warn(errors, len(tried))
        losses = np.array([np.nan if isinstance(loss, Exception) else loss for loss in tried])
        return Evaluation(losses=losses, usage=sum(usages, Usage()))

    def _try(self, candidate: Vector) -> float | Exception:
        """Return the loss of a candidate (d,), or the error that the function raises."""
        try:
            return float(self.function(candidate))
        except OutageError:
            raise
        except Exception as error:
            return error

    def _warn(self, errors: Sequence[Exception], count: int) -> None:
        """Warn of the first errors that cost single candidates; the study counts all of them."""
        if self._warned or not errors:
            return
        self._warned = True
        name = getattr(self.function, "__name__", type(self.function).__name__)
        fault = f"function {name!r} failed for {len(errors)} of {count} candidates: {one_line(errors[0])}"
        advice = "their losses are NaN; later failures are counted in the result, without a warning"
        warnings.warn(f"{fault}; {advice}", RuntimeWarning, stacklevel=2)
