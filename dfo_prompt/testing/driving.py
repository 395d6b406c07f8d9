"""Drives optimizers through the study loop and records their candidates."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dfo_prompt.contracts.objective import Evaluation
from dfo_prompt.contracts.optimizer import Optimizer, StructuredOptimizer
from dfo_prompt.run.factory import create_optimizer
from dfo_prompt.study.budget import Budget
from dfo_prompt.study.ledger import Ledger
from dfo_prompt.study.loop import Study
from dfo_prompt.study.records import FILES, Account
from dfo_prompt.study.result import StudyInfo, StudyResult
from dfo_prompt.types import Matrix, Vector

SETTINGS: dict[str, Any] = {"dim": 5, "budget": 60, "seed": 1, "popsize": 6, "sigma": 0.5}


@dataclass(frozen=True, kw_only=True)
class SquaresAndRest:
    """The sum of the last output and the squares of the others, which can express any function."""

    size: int

    def losses(self, outputs: Matrix) -> Vector:
        """Return the losses (B,) of outputs (B, M)."""
        losses: Vector = (outputs[:, :-1] ** 2).sum(axis=1) + outputs[:, -1]
        return losses

    def gradient(self, outputs: Matrix) -> Matrix:
        """Return the derivatives (B, M)."""
        return np.column_stack([2 * outputs[:, :-1], np.ones(len(outputs))])

    def curvature(self, outputs: Matrix, directions: Matrix) -> Matrix:  # noqa: ARG002 - it is the same everywhere
        """Return the products (B, M) of the Hessian with directions (B, M)."""
        return np.column_stack([2 * directions[:, :-1], np.zeros(len(directions))])


class Recorder:
    """A function as an objective that records every batch.

    The outputs are the candidates for the sphere, and otherwise the loss alone.

    Args:
        function: maps candidates (B, d) to losses (B,).
        dim: d.
        stop_after: the number of batches after which evaluation raises KeyboardInterrupt.
    """

    def __init__(self, function: Callable[[Matrix], Vector], *, dim: int, stop_after: int | None = None) -> None:
        self.dim = dim
        self.batches: list[Matrix] = []
        self.outer = SquaresAndRest(size=dim + 1)
        self._function = function
        self._stop_after = stop_after

    def evaluate(self, candidates: Matrix) -> Evaluation:
        """Evaluate candidates (B, d)."""
        if len(self.batches) == self._stop_after:
            raise KeyboardInterrupt
        self.batches.append(candidates.copy())
        return Evaluation(losses=self._function(candidates))

    def evaluate_outputs(self, candidates: Matrix) -> Evaluation:
        """Evaluate candidates (B, d), with outputs."""
        evaluation = self.evaluate(candidates)
        return replace(evaluation, outputs=_outputs(candidates, evaluation.losses, squares=self._function is sphere))


def tell(optimizer: Optimizer, candidates: Matrix, losses: Vector) -> None:
    """Tell the losses (B,) of candidates (B, d), with outputs if the optimizer uses them."""
    if isinstance(optimizer, StructuredOptimizer):
        optimizer.tell_outputs(candidates, losses, _outputs(candidates, losses, squares=False))
    else:
        optimizer.tell(candidates, losses)


def _outputs(candidates: Matrix, losses: Vector, *, squares: bool) -> Matrix:
    if squares:
        return np.column_stack([candidates, np.zeros(len(candidates))])
    return np.column_stack([np.zeros_like(candidates), losses])


def sphere(candidates: Matrix) -> Vector:
    """Return the squared distance to the origin, (B,)."""
    losses: Vector = (candidates**2).sum(axis=1)
    return losses


def make(name: str, **changes: Any) -> Optimizer:
    """Build an optimizer with the settings of the conformance tests, which start at (1, 1, ...)."""
    settings = SETTINGS | changes
    start: dict[str, Any] = {"x0": np.ones(settings["dim"]), "outer": SquaresAndRest(size=settings["dim"] + 1)}
    return create_optimizer(name, **start | settings)


def drive(optimizer: Optimizer, function: Callable[[Matrix], Vector] = sphere) -> tuple[StudyResult, list[Matrix]]:
    """Run a study in memory; return its result and the evaluated batches, the recommendation last."""
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
    return (folder / FILES[Account.QUERIES]).read_bytes()


def stepping(optimizer: Optimizer, batches: int) -> Iterator[Matrix]:
    """Ask and tell by hand, yielding each batch."""
    for _ in range(batches):
        candidates = optimizer.ask()
        yield candidates.copy()
        tell(optimizer, candidates, sphere(candidates))


def same(first: list[Matrix], second: list[Matrix]) -> bool:
    """Tell whether two searches have the same batches."""
    return len(first) == len(second) and all(map(np.array_equal, first, second))


def _study(optimizer: Optimizer, objective: Recorder, folder: Path | None) -> Study:
    info = StudyInfo(optimizer="it", objective="test", budget=optimizer.budget, dim=optimizer.dim, seed=optimizer.seed)
    outputs = objective.outer.size if isinstance(optimizer, StructuredOptimizer) else None
    ledger = Ledger(Budget(queries=optimizer.budget), folder, outputs=outputs)
    return Study(optimizer=optimizer, objective=objective, ledger=ledger, info=info)
