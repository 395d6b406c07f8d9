"""What a method is given, and what it gives."""

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
"""Returns a score for each class, (N, C), of N texts; the largest is the prediction."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Where a method works.

    Attributes:
        config: of the entry.
        folder: for files of the method's own, or None to write nothing.
        observers: of the studies that it runs.
        objectives: builds the objective of a study, and keeps it for the next.
        opened: the problem, where it is at hand already.
    """

    config: StudyConfig
    folder: Path | None = None
    observers: Sequence[Observer] = ()
    objectives: Objectives = field(default_factory=Objectives)
    opened: "Problem | None" = None

    @cached_property
    def problem(self) -> "Problem":
        """Return model, task and split. The model is shared: whoever changes weights copies it first.

        Raises:
            InputError: see `dfo_prompt.prompt.open.open_problem`.
        """
        from dfo_prompt.prompt.open import open_problem  # noqa: PLC0415 - brings torch, which a test function does not need

        return self.opened or open_problem(self.config.problem, seed=self.config.seed)


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What a method learned.

    Attributes:
        predict: labels new texts.
        spent: what fitting asked of the model, as far as a service would see and charge it.
        validation: what it asked besides on held-out examples, which guided no optimizer.
        seconds: of fitting without validation; None: measured around the call. A method that continues an earlier run gives
            what all its runs took.
        user_bytes: memory that the user's side takes besides the model; None: nobody has measured it.
        dev_metric: on dev, of a method that learns from dev too, before it did; None: to be measured.
        about: what was chosen on dev, sizes; kept with the result.
        result: of a method that tunes: what its study found, dev and test included.
    """

    predict: Predict
    spent: Spent = field(default_factory=Spent)
    validation: Spent = field(default_factory=Spent)
    seconds: float | None = None
    user_bytes: int | None = 0
    dev_metric: float | None = None
    about: Mapping[str, Json] = field(default_factory=dict)
    result: StudyResult | None = None
