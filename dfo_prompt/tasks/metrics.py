"""Metrics of predicted classes, for many candidates at once, and of answers that are texts; larger is better."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from dfo_prompt.errors import PluginError, UnknownNameError
from dfo_prompt.plugin.catalogue import catalogue
from dfo_prompt.types import Vector

TEXTS = "answers that are texts"
Classes = npt.NDArray[np.integer]
"""Class indices, one an example."""

Metric = Callable[[Classes, Classes], Vector]
"""Scores predictions (B, N) of B candidates against the labels (N,) of N >= 1 examples: (B,), larger is better."""


def exact_match(answers: Sequence[str], references: Sequence[str]) -> float:
    """Return the share of answers that are the reference, letter by letter."""
    return float(np.mean([answer == reference for answer, reference in zip(answers, references, strict=True)]))


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
        PluginError: it gives anything but a finite number for each candidate.
    """
    scores: Vector = np.asarray(catalogue().metrics.bound(metric)(predictions, labels), dtype=np.float64)
    if scores.shape != (len(predictions),) or not np.isfinite(scores).all():
        given = f"shape {scores.shape}" if scores.shape != (len(predictions),) else "numbers that are not finite"
        raise PluginError(f"metric {metric!r} gives {given} for {len(predictions)} candidates")
    return scores


def score_texts(metric: str, answers: Sequence[str], references: Sequence[str]) -> float:
    """Return the metric called `metric` of N answers that are texts.

    Raises:
        UnknownNameError: there is no such metric.
        InputError: it needs an extra that is not installed.
        PluginError: it gives anything but a finite number.
    """
    found = np.asarray(catalogue().metrics.bound(metric)(answers, references), dtype=np.float64)
    if found.shape or not np.isfinite(found):
        raise PluginError(f"metric {metric!r} gives {found} for {len(answers)} answers, not a finite number")
    return float(found)


def check_metric(metric: str, classes: int | None) -> None:
    """Check that a task of so many classes can have the metric called `metric`; None for a task whose answers are texts.

    Raises:
        ValueError: there is no such metric, or it is for another number of classes, or not for texts.
    """
    try:
        spec = catalogue().metrics.find(metric)
    except UnknownNameError as error:
        raise ValueError(f"metric: {error}") from error
    fits = [spec.name for spec in catalogue().metrics if spec.texts == (classes is None) and spec.classes in (None, classes)]
    if metric not in fits:
        its = TEXTS if spec.texts else f"{spec.classes} classes" if spec.classes else "classes"
        wanted = TEXTS if classes is None else "classes" if spec.texts else str(classes)
        raise ValueError(f"metric: {metric} is for {its}, not {wanted}; use {' or '.join(fits)}")


def _matches(predictions: Classes, labels: Classes, c: int) -> tuple[Vector, Vector]:
    # F1 = 2 TP / (2 TP + FP + FN), and the denominator is #predicted + #present.
    predicted, present = predictions == c, labels == c
    hits: Vector = np.sum(predicted & present, axis=1, dtype=np.float64)
    total: Vector = np.sum(predicted, axis=1, dtype=np.float64) + present.sum()
    return hits, total
