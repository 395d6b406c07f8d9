"""Defines known functions from outputs to losses, with their derivatives."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax, softmax

from dfo_prompt.types import Matrix, Vector


@dataclass(frozen=True, kw_only=True)
class LeastSquares:
    """The sum of squares of M residuals.

    Attributes:
        size: M.
    """

    size: int

    def losses(self, outputs: Matrix) -> Vector:
        """Return sum r_i^2 of residuals (B, M), (B,)."""
        return np.square(outputs).sum(axis=1)  # type: ignore[no-any-return]

    def gradient(self, outputs: Matrix) -> Matrix:
        """Return 2 r, (B, M)."""
        return 2 * outputs

    def curvature(self, outputs: Matrix, directions: Matrix) -> Matrix:  # noqa: ARG002 - the curvature is constant
        """Return 2 v of directions v, (B, M)."""
        return 2 * directions


@dataclass(frozen=True, kw_only=True)
class CrossEntropy:
    """The mean negative log-likelihood of the true classes of N examples under M = N C scores, ordered by example.

    Attributes:
        labels: the true classes (N,).
        classes: C.
    """

    labels: npt.NDArray[np.int64]
    classes: int

    @property
    def size(self) -> int:
        """Return N C."""
        return len(self.labels) * self.classes

    def losses(self, outputs: Matrix) -> Vector:
        """Return the losses (B,) of scores (B, N C)."""
        right = log_softmax(self._by_example(outputs), axis=-1)[:, np.arange(len(self.labels)), self.labels]  # (B, N)
        return -right.mean(axis=1)  # type: ignore[no-any-return]

    def gradient(self, outputs: Matrix) -> Matrix:
        """Return (p - e) / N, where e is the one-hot true class, (B, N C)."""
        slopes = softmax(self._by_example(outputs), axis=-1)
        slopes[:, np.arange(len(self.labels)), self.labels] -= 1
        return slopes.reshape(outputs.shape) / len(self.labels)

    def curvature(self, outputs: Matrix, directions: Matrix) -> Matrix:
        """Return (diag p - p p^T) v / N, example by example, (B, N C)."""
        shares, v = softmax(self._by_example(outputs), axis=-1), self._by_example(directions)
        turned = shares * (v - (shares * v).sum(axis=-1, keepdims=True))
        return turned.reshape(directions.shape) / len(self.labels)  # type: ignore[no-any-return]

    def _by_example(self, outputs: Matrix) -> Matrix:
        return outputs.reshape(len(outputs), len(self.labels), self.classes)
