"""Small optimizers and objectives with known behaviour."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dfo_prompt.contracts.objective import Evaluation, Objective
from dfo_prompt.contracts.optimizer import Optimizer
from dfo_prompt.contracts.usage import Usage
from dfo_prompt.study.budget import Budget
from dfo_prompt.study.ledger import Ledger
from dfo_prompt.study.loop import Study
from dfo_prompt.study.result import StudyInfo
from dfo_prompt.types import Matrix, Vector


class Steps(Optimizer):
    """Samples around the best candidate told; keeps what it was told."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._rng = np.random.default_rng(self.seed)
        self.best, self.best_loss = self.x0.copy(), np.inf
        self.told: list[tuple[Matrix, Vector]] = []

    def ask(self) -> Matrix:
        return self.best + self.sigma * self._rng.standard_normal((self.popsize, self.dim))

    def tell(self, candidates: Matrix, losses: Vector) -> None:
        self.told.append((candidates, losses))
        if losses.min() < self.best_loss:
            self.best, self.best_loss = candidates[losses.argmin()], losses.min()

    def recommend(self) -> Vector:
        return self.best


class Bowl:
    """The sphere; counts its queries."""

    def __init__(self, dim: int = 3) -> None:
        self.dim = dim
        self.queries = 0

    def evaluate(self, candidates: Matrix) -> Evaluation:
        self.queries += len(candidates)
        losses = (candidates**2).sum(axis=1)
        return Evaluation(
            losses=losses, metrics={"norm": np.sqrt(losses)}, usage=Usage(rows=len(candidates), tokens=7 * len(candidates))
        )


class Metered(Bowl):
    """The sphere, where a candidate takes from one token to ten, and its repetition nothing more."""

    costs_again: tuple[str, ...] = ()

    def estimate(self, count: int) -> Usage:
        return Usage(rows=count, tokens=10 * count, requests=min(count, 1))

    def evaluate(self, candidates: Matrix) -> Evaluation:
        self.queries += len(candidates)
        tokens = int(sum(1 + int(1e6 * abs(z[0])) % 10 for z in candidates))
        losses = (candidates**2).sum(axis=1)
        return Evaluation(losses=losses, usage=Usage(rows=len(candidates), tokens=tokens, requests=1))


class Paid(Metered):
    """One whose repetition costs again; knows what was spent in all."""

    costs_again = ("rows", "tokens", "requests")

    def __init__(self, dim: int = 3) -> None:
        super().__init__(dim)
        self.bill = Usage()

    def evaluate(self, candidates: Matrix) -> Evaluation:
        found = super().evaluate(candidates)
        self.bill += found.usage
        return found


class HeldOutBowl(Bowl):
    """The sphere, with a dev metric that prefers candidates near (1, 1, ...), and a test metric that is minus the loss."""

    metric = "nearness"

    def validate(self, candidates: Matrix, split: str) -> Evaluation:
        target = 1.0 if split == "dev" else 0.0
        distance = ((candidates - target) ** 2).sum(axis=1)
        return Evaluation(losses=distance, metrics={"nearness": -distance}, usage=Usage(rows=len(candidates)))

    def baseline(self, split: str) -> Evaluation:
        return self.validate(np.full((1, self.dim), 9.0), split)


def steps(dim: int = 3, **changes: Any) -> Steps:
    return Steps(**{"dim": dim, "seed": 1, "budget": 50, "popsize": 4, "sigma": 0.5, "x0": np.ones(dim)} | changes)


def study(
    objective: Objective,
    *,
    budget: int = 50,
    folder: Path | None = None,
    optimizer: Optimizer | None = None,
    outputs: int | None = None,
    limits: Mapping[str, int] | None = None,
    **more: Any,
):
    return Study(
        optimizer=optimizer or steps(objective.dim),
        objective=objective,
        ledger=Ledger(Budget(queries=budget, limits=limits or {}), folder, outputs=outputs),
        info=StudyInfo(optimizer="steps", objective="bowl", budget=budget, dim=objective.dim, seed=1, folder=folder),
        **more,
    )


class Restless(Optimizer):
    """Draws from nowhere in particular, as its spec says; fails when another of it is asked."""

    def ask(self):
        return np.random.default_rng().standard_normal((self.popsize, self.dim))

    def tell(self, candidates, losses):
        pass

    def recommend(self):
        return self.x0
