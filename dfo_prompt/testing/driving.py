"""Drives optimizers through the study loop and keeps what they proposed."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dfo_prompt.contracts.objective import Evaluation
from dfo_prompt.contracts.optimizer import Optimizer
from dfo_prompt.run.factory import create_optimizer
from dfo_prompt.study.ledger import Budget, Ledger
from dfo_prompt.study.loop import Study
from dfo_prompt.study.result import StudyInfo, StudyResult
from dfo_prompt.types import Matrix, Vector

SETTINGS: dict[str, Any] = {"dim": 5, "budget": 60, "seed": 1, "popsize": 6, "sigma": 0.5}


class Recorder:
    """A function as an objective that keeps every batch it is given.

    Args:
        function: losses (B,) of candidates (B, d).
        dim: d.
        stop_after: raise KeyboardInterrupt instead of the evaluation after so many batches.
    """

    def __init__(self, function: Callable[[Matrix], Vector], *, dim: int, stop_after: int | None = None) -> None:
        self.dim = dim
        self.batches: list[Matrix] = []
        self._function = function
        self._stop_after = stop_after

    def evaluate(self, candidates: Matrix) -> Evaluation:
        """Evaluate candidates (B, d)."""
        if len(self.batches) == self._stop_after:
            raise KeyboardInterrupt
        self.batches.append(candidates.copy())
        return Evaluation(losses=self._function(candidates))


def sphere(candidates: Matrix) -> Vector:
    """Return the squared distance to the origin, (B,)."""
    losses: Vector = (candidates**2).sum(axis=1)
    return losses


def make(name: str, **changes: Any) -> Optimizer:
    """Build an optimizer in the settings of the conformance suite: start at (1, 1, ...)."""
    settings = SETTINGS | changes
    return create_optimizer(name, **{"x0": np.ones(settings["dim"])} | settings)


def drive(optimizer: Optimizer, function: Callable[[Matrix], Vector] = sphere) -> tuple[StudyResult, list[Matrix]]:
    """Run a study in memory; return its result and the batches that were evaluated, the last being the recommendation."""
    objective = Recorder(function, dim=optimizer.dim)
    return _study(optimizer, objective, None).run(), objective.batches


def interrupted(name: str, folder: Path, *, after: int) -> None:
    """Run a study in `folder` until it is interrupted after some batches."""
    optimizer = make(name)
    try:
        _study(optimizer, Recorder(sphere, dim=optimizer.dim, stop_after=after), folder).run()
    except KeyboardInterrupt:
        return
    raise AssertionError(f"the study ended before {after} batches")


def completed(name: str, folder: Path) -> bytes:
    """Run, or continue, the study in `folder` and return its journal."""
    optimizer = make(name)
    _study(optimizer, Recorder(sphere, dim=optimizer.dim), folder).run()
    return (folder / "journal.jsonl").read_bytes()


def stepping(optimizer: Optimizer, batches: int) -> Iterator[Matrix]:
    """Ask and tell by hand, yielding each batch."""
    for _ in range(batches):
        candidates = optimizer.ask()
        yield candidates.copy()
        optimizer.tell(candidates, sphere(candidates))


def _study(optimizer: Optimizer, objective: Recorder, folder: Path | None) -> Study:
    info = StudyInfo(optimizer="it", objective="test", budget=optimizer.budget, dim=optimizer.dim, seed=optimizer.seed)
    ledger = Ledger(Budget(queries=optimizer.budget), folder)
    return Study(optimizer=optimizer, objective=objective, ledger=ledger, info=info)
