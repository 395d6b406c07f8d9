"""Fits classifiers to few examples with many features: ridge logistic regression and class prototypes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.spatial.distance import cdist
from scipy.special import log_softmax

from dfo_prompt.types import Matrix, Vector

Labels = npt.NDArray[np.int64]
Classifier = Callable[[Matrix, Matrix], Matrix]
"""Returns log-probabilities (N, C) from features (N, D) and offsets (N, C)."""
Fit = Callable[[Matrix, Labels, Matrix], Classifier]
"""Fits features (N, D) and offsets (N, C) to classes (N,)."""

Scaling = Literal["each", "all"]

TOLERANCE = 1e-8
"""The tolerance of the gradient of the mean loss."""


@dataclass(frozen=True, kw_only=True)
class Ridge:
    """Multinomial logistic regression whose weights, but not intercepts, carry a ridge penalty.

    Minimises the summed cross entropy of softmax(X W + b + offset) plus |W|^2 / (2 C), as scikit-learn's LogisticRegression
    does, on features standardised by the training examples. (With two classes that has one column of weights, the difference
    of these two, so that its C is twice this one.)

    Attributes:
        strength: C; smaller is more regularised.
        scaling: see `Scale`.
    """

    strength: float
    scaling: Scaling = "each"

    def __call__(self, features: Matrix, labels: Labels, offset: Matrix) -> Classifier:
        """Fit; see `Fit`."""
        scale = Scale.of(features, self.scaling)
        # The weights lie in the span of the N examples, so the problem has N columns for any D.
        left, sizes, basis = np.linalg.svd(scale(features), full_matrices=False)
        weights, intercept = _minimum(left * sizes, np.eye(offset.shape[1])[labels], offset, 1 / self.strength)
        whole = basis.T @ weights
        return lambda x, offset: _logs(scale(x) @ whole + intercept + offset)


@dataclass(frozen=True, kw_only=True)
class Prototypes:
    """Class means: a score is minus the Euclidean distance of the standardised features.

    This is the decoder of DecT (Cui et al., 2023) without its learned projection and radii.

    Attributes:
        scaling: see `Scale`.
    """

    scaling: Scaling = "each"

    def __call__(self, features: Matrix, labels: Labels, offset: Matrix) -> Classifier:
        """Fit; see `Fit`."""
        scale = Scale.of(features, self.scaling)
        scaled = scale(features)
        means = np.stack([scaled[labels == label].mean(axis=0) for label in range(offset.shape[1])])  # (C, D)
        return lambda x, offset: _logs(offset - cdist(scale(x), means))


@dataclass(frozen=True, kw_only=True, eq=False)
class Scale:
    """Standardises features by the mean and deviation of the training examples, per feature or over all features.

    A common deviation suits sparse features, where those with the smallest deviation carry the least information.
    """

    mean: Vector
    deviation: Vector

    @classmethod
    def of(cls, features: Matrix, scaling: Scaling = "each") -> "Scale":
        """Compute mean and deviation of features (N, D); constant features get the deviation 1."""
        deviation = features.std(axis=0)
        if scaling == "all":
            deviation = np.full_like(deviation, np.sqrt((deviation**2).mean()))
        rounding = 10 * np.finfo(np.float32).eps * np.abs(features).max(axis=0)
        return cls(mean=features.mean(axis=0), deviation=np.where(deviation > rounding, deviation, 1.0))

    def __call__(self, features: Matrix) -> Matrix:
        """Return the features (N, D), standardised."""
        scaled: Matrix = (features - self.mean) / self.deviation
        return scaled


def held_out_loss(fit: Fit, features: Matrix, labels: Labels, offset: Matrix, *, folds: int) -> float:
    """Return the mean cross entropy over held-out examples of a stratified cross-validation.

    Folds take the examples of each class in turn, in order. There are at most as many folds as examples in the smallest
    class; with a single example nothing can be held out, and the loss is that of equal probabilities.
    """
    folds = min(folds, int(np.bincount(labels).min()))
    if folds < 2:  # noqa: PLR2004
        return float(np.log(offset.shape[1]))
    fold = np.empty(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        fold[labels == label] = np.arange((labels == label).sum()) % folds
    losses = np.empty(len(labels))
    for out in (fold == number for number in np.unique(fold)):
        logs = fit(features[~out], labels[~out], offset[~out])(features[out], offset[out])
        losses[out] = -logs[np.arange(out.sum()), labels[out]]
    return float(losses.mean())


def _minimum(features: Matrix, wanted: Matrix, offset: Matrix, penalty: float) -> tuple[Matrix, Vector]:
    """Return weights (D, C) and intercepts (C,) at the minimum; `wanted` (N, C) is one-hot."""
    (count, width), classes = features.shape, wanted.shape[1]

    def loss(flat: Vector) -> tuple[float, Vector]:
        weights, intercept = flat[:-classes].reshape(width, classes), flat[-classes:]
        logs = _logs(features @ weights + intercept + offset)
        value = -(wanted * logs).sum() + penalty / 2 * (weights**2).sum()
        error = np.exp(logs) - wanted  # (N, C)
        gradient = np.concatenate([(features.T @ error + penalty * weights).ravel(), error.sum(axis=0)])
        return float(value) / count, gradient / count

    start = np.zeros((width + 1) * classes)
    limits: Any = {"gtol": TOLERANCE, "ftol": 0.0, "maxiter": 10_000, "maxfun": 100_000}
    solution: Any = minimize(loss, start, jac=True, method="L-BFGS-B", options=limits)
    return solution.x[:-classes].reshape(width, classes), solution.x[-classes:]


def _logs(scores: Matrix) -> Matrix:
    logs: Matrix = log_softmax(scores, axis=1)
    return logs
