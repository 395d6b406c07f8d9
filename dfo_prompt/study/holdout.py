"""Selection on dev and final scores on test: evaluations that no optimizer sees, charged to the second account."""

from dataclasses import dataclass

import numpy as np

from dfo_prompt.contracts.objective import Validated
from dfo_prompt.study.candidates import candidate_hash
from dfo_prompt.study.evaluator import Evaluator
from dfo_prompt.study.result import HeldOut
from dfo_prompt.types import Vector


@dataclass(frozen=True, kw_only=True)
class DevScore:
    """A candidate (d,) with its scores on dev."""

    candidate: Vector
    role: str
    query: int
    metric: float
    loss: float


class Holdout:
    """Tracks the best candidate on dev.

    Candidates are ranked by larger metric, then smaller dev loss, then earlier query.

    Attributes:
        best_loss: smallest dev loss of all candidates; infinity before any.
    """

    def __init__(self, objective: Validated, *, evaluator: Evaluator, dim: int) -> None:
        self._objective = objective
        self._evaluator = evaluator
        self._seen: set[str] = set()
        self._chosen: DevScore | None = None
        self.best_loss = np.inf
        self._manual = {split: self._baseline(split, dim) for split in ("dev", "test")}

    def consider(self, candidate: Vector, *, role: str) -> None:
        """Score the candidate (d,) on dev unless it was scored before."""
        key = candidate_hash(candidate)
        if key in self._seen:
            return
        self._seen.add(key)
        outcome = self._evaluator.validate(
            candidate[None], lambda z: self._objective.validate(z, "dev"), split="dev", role=role
        )
        record = outcome.records[0]
        metric = record.metrics.get(self._objective.metric)
        if metric is None or record.loss is None:
            return
        self.best_loss = min(self.best_loss, record.loss)
        scored = DevScore(candidate=outcome.candidates[0], role=role, query=record.query, metric=metric, loss=record.loss)
        if self._chosen is None or (metric, -scored.loss) > (self._chosen.metric, -self._chosen.loss):
            self._chosen = scored

    def finish(self, fallback: Vector) -> tuple[Vector, HeldOut]:
        """Score the chosen candidate on test and return it; `fallback` (d,) is chosen if no candidate has a dev score."""
        chosen = self._chosen or DevScore(candidate=fallback, role="best", query=0, metric=np.nan, loss=np.nan)
        test = self._evaluator.validate(
            chosen.candidate[None], lambda z: self._objective.validate(z, "test"), split="test", role=chosen.role
        )
        return chosen.candidate, HeldOut(
            role=chosen.role,
            query=chosen.query,
            dev_metric=chosen.metric if np.isfinite(chosen.metric) else None,
            test_metric=test.records[0].metrics.get(self._objective.metric),
            manual_dev_metric=self._manual["dev"],
            manual_test_metric=self._manual["test"],
        )

    def _baseline(self, split: str, dim: int) -> float | None:
        nothing = np.zeros((1, dim))
        outcome = self._evaluator.validate(nothing, lambda _: self._objective.baseline(split), split=split, role="baseline")
        return outcome.records[0].metrics.get(self._objective.metric)
