"""Defines the input and the output of a method."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from dfo_prompt.config.study import StudyConfig
from dfo_prompt.run.objectives import Objectives
from dfo_prompt.study.costs import Spent
from dfo_prompt.study.result import Observer, StudyResult
from dfo_prompt.tasks.examples import Texts
from dfo_prompt.types import Json, Matrix

if TYPE_CHECKING:
    from dfo_prompt.prompt.problem import Problem

Predict = Callable[[Texts], Matrix]
"""Returns the probabilities (N, C) of the classes for N texts; the largest is the prediction."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The input of a method.

    Attributes:
        config: the configuration of the entry.
        folder: the folder for the method's files, or None to write nothing.
        observers: the observers of its studies.
        objectives: builds the objective of a study and caches it for the next.
        opened: the problem, if it is already open.
        reopened: the folder holds a finished method: nothing is written, and inner studies are read instead of run.
        checked: the objective has given a journaled loss of the folder again, so that a study need not ask for it.
    """

    config: StudyConfig
    folder: Path | None = None
    observers: Sequence[Observer] = ()
    objectives: Objectives = field(default_factory=Objectives)
    opened: "Problem | None" = None
    reopened: bool = False
    checked: bool = False

    @cached_property
    def problem(self) -> "Problem":
        """Return model, task and split. The model is shared; copy it before changing weights.

        Raises:
            InputError: see `dfo_prompt.prompt.open.open_problem`.
        """
        from dfo_prompt.prompt.open import open_problem  # noqa: PLC0415 - imports torch, which test functions do not need

        return self.opened or open_problem(self.config.problem, seed=self.config.seed)

    @property
    def dtype(self) -> str:
        """Return the configured precision, with float32 for "auto", which only studies resolve."""
        dtype = self.config.prompt.dtype
        return "float32" if dtype == "auto" else dtype


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """The output of a method.

    Attributes:
        predict: labels new texts.
        spent: the costs of fitting, as a service would count them; the entry's prices are applied to the result.
        validation: the costs of queries on held-out examples that guided no optimizer.
        seconds: the seconds of fitting without validation, over all runs of a continued method; None means to measure the
            call.
        user_bytes: the memory of the user's side without the model; None if it was not measured.
        dev_metric: the dev metric before a method also learns from dev; None means to measure it.
        failures: the queries of its studies without a finite loss.
        about: choices and sizes to store with the result.
        result: the result of the study of a method that tunes, with dev and test.
    """

    predict: Predict
    spent: Spent = field(default_factory=Spent)
    validation: Spent = field(default_factory=Spent)
    seconds: float | None = None
    user_bytes: int | None = 0
    dev_metric: float | None = None
    failures: int = 0
    about: Mapping[str, Json] = field(default_factory=dict)
    result: StudyResult | None = None
