"""Metrics of predicted classes, for B candidates at once, and of generated texts; larger is better."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from dfo_prompt.errors import PluginError, UnknownNameError
from dfo_prompt.plugin.catalogue import catalogue
from dfo_prompt.types import Vector

Classes = npt.NDArray[np.integer]
"""Class indices, one per example."""

Metric = Callable[[Classes, Classes], Vector]
"""Scores predictions (B, N) of B candidates against the labels (N,) of N >= 1 examples: (B,), larger is better."""


def exact_match(answers: Sequence[str], references: Sequence[str]) -> float:
    """Return the share of answers that equal their reference exactly."""
    return float(np.mean([answer == reference for answer, reference in zip(answers, references, strict=True)]))


def accuracy(predictions: Classes, labels: Classes) -> Vector:
    """Return the share of correct predictions; (B, N), (N,) -> (B,)."""
    scores: Vector = np.mean(predictions == labels, axis=1, dtype=np.float64)
    return scores


def f1(predictions: Classes, labels: Classes) -> Vector:
    """Return the F1 score of class 1; 0 if the class is neither present nor predicted; (B, N), (N,) -> (B,)."""
    hits, total = _f1_counts(predictions, labels, 1)
    scores: Vector = 2 * hits / np.maximum(total, 1)
    return scores


def macro_f1(predictions: Classes, labels: Classes) -> Vector:
    """Return the mean F1 score of the classes that are present or predicted; (B, N), (N,) -> (B,)."""
    counts = [_f1_counts(predictions, labels, c) for c in range(int(max(predictions.max(), labels.max())) + 1)]
    hits, total = (np.stack(count) for count in zip(*counts, strict=True))  # (C, B)
    scores: Vector = np.mean(2 * hits / np.maximum(total, 1), axis=0, where=total > 0)
    return scores


def score(metric: str, predictions: Classes, labels: Classes) -> Vector:
    """Score predicted classes with the metric named `metric`; (B, N), (N,) -> (B,).

    Raises:
        UnknownNameError: there is no such metric.
        PluginError: the metric does not return one finite number per candidate.
    """
    scores: Vector = np.asarray(catalogue().metrics.bound(metric)(predictions, labels), dtype=np.float64)
    if scores.shape != (len(predictions),) or not np.isfinite(scores).all():
        returned = f"shape {scores.shape}" if scores.shape != (len(predictions),) else "numbers that are not finite"
        raise PluginError(f"metric {metric!r} gives {returned} for {len(predictions)} candidates")
    return scores


def score_texts(metric: str, answers: Sequence[str], references: Sequence[str]) -> float:
    """Score N generated texts with the metric named `metric`.

    Raises:
        UnknownNameError: there is no such metric.
        InputError: the metric needs an extra that is not installed.
        PluginError: the metric does not return a finite number.
    """
    value = np.asarray(catalogue().metrics.bound(metric)(answers, references), dtype=np.float64)
    if value.shape or not np.isfinite(value):
        raise PluginError(f"metric {metric!r} gives {value} for {len(answers)} answers, not a finite number")
    return float(value)


def check_metric(metric: str, classes: int | None) -> None:
    """Check that a metric suits a task.

    Args:
        metric: name of the metric.
        classes: number of classes of the task; None if its answers are texts.

    Raises:
        ValueError: there is no such metric, or it is for another number of classes or the other type of answers.
    """
    try:
        spec = catalogue().metrics.find(metric)
    except UnknownNameError as error:
        raise ValueError(f"metric: {error}") from error
    suitable = [
        spec.name for spec in catalogue().metrics if spec.texts == (classes is None) and spec.classes in (None, classes)
    ]
    if metric not in suitable:
        purpose = "answers that are texts" if spec.texts else f"{spec.classes} classes" if spec.classes else "classes"
        wanted = "answers that are texts" if classes is None else "classes" if spec.texts else str(classes)
        raise ValueError(f"metric: {metric} is for {purpose}, not {wanted}; use {' or '.join(suitable)}")


def _f1_counts(predictions: Classes, labels: Classes, c: int) -> tuple[Vector, Vector]:
    """Return true positives (B,) of class c, and predicted plus present ones (B,): F1 = 2 TP / (2 TP + FP + FN)."""
    predicted, present = predictions == c, labels == c
    hits: Vector = np.sum(predicted & present, axis=1, dtype=np.float64)
    total: Vector = np.sum(predicted, axis=1, dtype=np.float64) + present.sum()
    return hits, total
