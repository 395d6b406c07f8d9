"""Metrics of predicted classes, for many candidates at once; larger is better."""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from dfo_prompt.errors import UnknownNameError
from dfo_prompt.types import Vector

Classes = npt.NDArray[np.integer]
"""Class indices, one an example."""

Metric = Callable[[Classes, Classes], Vector]
"""Scores predictions (B, N) of B candidates against the labels (N,) of N >= 1 examples: (B,), larger is better."""


def accuracy(predictions: Classes, labels: Classes) -> Vector:
    """Return the share of right answers; (B, N), (N,) -> (B,)."""
    scores: Vector = np.mean(predictions == labels, axis=1, dtype=np.float64)
    return scores


def f1(predictions: Classes, labels: Classes) -> Vector:
    """Return the F1 score of class 1, 0 where it is neither present nor predicted; (B, N), (N,) -> (B,)."""
    hits, total = _matches(predictions, labels, 1)
    scores: Vector = 2 * hits / np.maximum(total, 1)
    return scores


def macro_f1(predictions: Classes, labels: Classes) -> Vector:
    """Return the mean F1 score of the classes that are present or predicted; (B, N), (N,) -> (B,)."""
    counts = [_matches(predictions, labels, c) for c in range(int(max(predictions.max(), labels.max())) + 1)]
    hits, total = (np.stack(count) for count in zip(*counts, strict=True))  # (C, B)
    scores: Vector = np.mean(2 * hits / np.maximum(total, 1), axis=0, where=total > 0)
    return scores


def score(metric: str, predictions: Classes, labels: Classes) -> Vector:
    """Return the metric called `metric`; (B, N), (N,) -> (B,).

    Raises:
        UnknownNameError: there is no such metric.
    """
    if metric not in METRICS:
        raise UnknownNameError.among("metric", metric, METRICS)
    return METRICS[metric](predictions, labels)


def _matches(predictions: Classes, labels: Classes, c: int) -> tuple[Vector, Vector]:
    # F1 = 2 TP / (2 TP + FP + FN), and the denominator is #predicted + #present.
    predicted, present = predictions == c, labels == c
    hits: Vector = np.sum(predicted & present, axis=1, dtype=np.float64)
    total: Vector = np.sum(predicted, axis=1, dtype=np.float64) + present.sum()
    return hits, total


METRICS: Mapping[str, Metric] = {"accuracy": accuracy, "f1": f1, "macro_f1": macro_f1}
