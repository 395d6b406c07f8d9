"""Runs two optimizers in sequence, the second from the best point of the first (BBT-RGB: Sun et al., 2024)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from dfo_prompt._util.parsing import Positive
from dfo_prompt._util.seeding import seed_of_part
from dfo_prompt.contracts.optimizer import Best, Optimizer
from dfo_prompt.errors import InputError
from dfo_prompt.plugin.entries import PROVIDED, options_of
from dfo_prompt.run.factory import is_deterministic
from dfo_prompt.study.checked_optimizer import CheckedOptimizer
from dfo_prompt.types import Json, Matrix, Options, Vector
from dfo_prompt.wrappers.wrapped import wrapped

Share = Annotated[float, Field(gt=0, lt=1)]


class TwoStage(Optimizer):
    """Spends a share of the budget on a first optimizer, and the rest on a second that starts from the best point.

    The first stage ends with the batch that spends its share. The reference code of BBT-RGB starts its second stage from the
    best points of the first as well.

    Args:
        variant: the name of the first optimizer.
        second: the name of the second optimizer.
        share: the first optimizer's share of the budget.
        step: the initial step size of the second optimizer, in units of sigma.
        first_options, second_options: the options of each optimizer.
        study: see `Optimizer`.

    Raises:
        InputError: a name or an option is unknown, or the study sets it.
    """

    def __init__(
        self,
        *,
        variant: str,
        second: str = "cma:sep",
        share: Share = 0.75,
        step: Positive = 1.0,
        first_options: Options | None = None,
        second_options: Options | None = None,
        **study: Any,
    ) -> None:
        super().__init__(**study)
        if is_deterministic(variant) and not is_deterministic(second):  # a study knows only the name of the first
            raise InputError(f"second: {second!r} cannot repeat its queries after an interruption; name another optimizer")
        for key, options in {"first_options": first_options, "second_options": second_options}.items():
            if taken := sorted({*PROVIDED["optimizer"], "name"} & {*(options or {})}):
                raise InputError(f"two-stage: {key}: {taken[0]!r} is no option; the study sets it for both stages")
            _check_files(key, variant if key == "first_options" else second, options or {})
        self._first_budget = min(self.budget, max(1, round(share * self.budget)))
        self._second, self._step, self._second_options = second, step, dict(second_options or {})
        self._best, self._spent, self._stage = Best(self.x0), 0, 1
        self._inner = self._create(variant, self.x0, self._first_budget, self.sigma, first_options or {})
        self._create_second(self.x0)  # wrong names and options fail before the first query

    def ask(self) -> Matrix:
        """Return the candidates (B, d) of the current optimizer."""
        return self._inner.ask()

    def tell(self, candidates: Matrix, losses: Vector) -> None:
        """Update the current optimizer and the best point, and start the second stage when the first share is spent."""
        self._inner.tell(candidates, losses)
        self._best.learn(candidates, losses)
        self._spent += len(candidates)
        if self._stage == 1 and self._spent >= self._first_budget:
            self._stage = 2  # before the optimizer is built, whose seed is that of its stage
            self._inner = self._create_second(self._best.candidate)

    def recommend(self) -> Vector:
        """Return the first optimizer's recommendation, or in the second stage the best point told, (d,)."""
        return self._inner.recommend() if self._stage == 1 else self._best.candidate.copy()

    def describe(self) -> dict[str, Json]:
        """Return the names, the stage and the descriptions of the optimizers."""
        return {"second": self._second, "stage": self._stage, "inner": self._inner.describe()}

    def _create_second(self, x0: Vector) -> CheckedOptimizer:
        budget = max(1, self.budget - self._spent)
        return self._create(self._second, x0, budget, self._step * self.sigma, self._second_options)

    def _create(self, name: str, x0: Vector, budget: int, sigma: float, options: Mapping[str, Any]) -> CheckedOptimizer:
        return wrapped(
            name,
            dim=self.dim,
            budget=budget,
            seed=seed_of_part(self.seed, self._stage),
            popsize=self.popsize,
            sigma=sigma,
            x0=x0,
            bounds=self.bounds,
            **options,
        )


def _check_files(key: str, name: str, options: Mapping[str, Any]) -> None:
    """Refuse options that name files: they would be neither looked for beside the study nor part of its identity."""
    for option, value in options_of("optimizer", name, options).items():
        if isinstance(value, Path):
            raise InputError(f"two-stage: {key}: {option!r} names a file, which only an optimizer without a wrapper may")
