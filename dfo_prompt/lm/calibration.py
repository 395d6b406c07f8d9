"""Calibrations, which subtract reference log-probabilities from the scores of label words under each prompt."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from dfo_prompt.errors import PluginError
from dfo_prompt.plugin.catalogue import catalogue
from dfo_prompt.tasks.examples import Texts
from dfo_prompt.tasks.task import Task

CONTENT_FREE = ("N/A", "", "[MASK]")
"""Texts without content (Zhao et al., 2021)."""
RANDOM_TEXTS = 20
"""The number of texts of random words (Fei et al., 2023)."""


def log_mean(log_probabilities: Tensor) -> Tensor:
    """Return the log of each class's mean probability; (B, N, C) -> (B, 1, C)."""
    # Stays finite for a class whose probabilities are below the smallest float32.
    return log_probabilities.logsumexp(dim=1, keepdim=True) - math.log(log_probabilities.shape[1])


def log_median(log_probabilities: Tensor) -> Tensor:
    """Return the median of each class's log-probability; (B, N, C) -> (B, 1, C)."""
    return log_probabilities.quantile(0.5, dim=1, keepdim=True)


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """The reference that a calibration subtracts.

    Attributes:
        texts: N reference texts that are scored under each prompt; () to subtract nothing.
        average: reduces their log-probabilities (B, N, C) to the values (B, 1, C) to subtract.
    """

    texts: Texts
    average: Callable[[Tensor], Tensor] = log_mean


def calibration_called(name: str, task: Task, sample: Texts) -> Calibration:
    """Return the calibration with this name for a task and a sample of its texts.

    Raises:
        UnknownNameError: there is no such calibration.
        PluginError: it cannot be imported; or its average, when called, does not return one value per prompt and class.
    """
    built: Calibration = catalogue().calibrations.bound(name)(task, sample)

    def average(log_probabilities: Tensor) -> Tensor:
        prompts, _, classes = log_probabilities.shape
        values = built.average(log_probabilities)
        if values.shape != (prompts, 1, classes):
            raise PluginError(f"calibration {name!r} gives the shape {tuple(values.shape)}, not {(prompts, 1, classes)}")
        return values

    return replace(built, average=average)


def none(task: Task, sample: Texts) -> Calibration:  # noqa: ARG001
    """Subtract nothing."""
    return Calibration(texts=())


def contextual(task: Task, sample: Texts) -> Calibration:  # noqa: ARG001
    """Subtract the log of the mean probability of each class for content-free texts (Zhao et al., 2021)."""
    return Calibration(texts=[tuple(text for _ in task.fields) for text in CONTENT_FREE])


def domain(task: Task, sample: Texts) -> Calibration:  # noqa: ARG001
    """Subtract the log of the mean probability of each class for random words of `sample` (Fei et al., 2023)."""
    return Calibration(texts=_random_texts(sample))


def median(task: Task, sample: Texts) -> Calibration:  # noqa: ARG001
    """Subtract the median log-probability of each class over `sample`, so that each class wins about equally often."""
    return Calibration(texts=sample, average=log_median)


def _random_texts(sample: Texts) -> Texts:
    rng = np.random.default_rng(0)
    fields = []
    for field in zip(*sample, strict=True):
        words = [word for text in field for word in text.split()]
        length = max(1, round(len(words) / len(field)))
        fields.append([" ".join(rng.choice(words, length)) for _ in range(RANDOM_TEXTS)] if words else [""] * RANDOM_TEXTS)
    return list(zip(*fields, strict=True))
