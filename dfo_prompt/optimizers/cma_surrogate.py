"""lq-CMA-ES: CMA-ES that scores part of a generation with pycma's linear-quadratic model (Hansen, 2019)."""

from collections.abc import Generator
from math import ceil
from typing import Any

import numpy as np
from cma.fitness_models import LQModel, SurrogatePopulationSettings

from dfo_prompt.optimizers.cma import CMA
from dfo_prompt.types import Json, Matrix, Vector

Steps = Generator[list[int], Vector, Vector]
"""Yields the members to evaluate next, receives their losses and returns a value for every member."""


class SurrogateCMA(CMA):
    """CMA-ES whose generations are evaluated only until a model ranks them well enough.

    The model is linear, then diagonal, then fully quadratic, as its data allow. In each generation the members that it ranks
    best are evaluated, in steps of half as many again, until its ranks agree with the losses (Kendall's tau >= 0.85); the
    other members get the model's values. pycma calls the loss itself; here the same steps use ask and tell.

    Args:
        study: see `CMA`.
    """

    def __init__(self, **study: Any) -> None:
        super().__init__(**study)
        self._model = LQModel()
        self._settings = SurrogatePopulationSettings({}, 0, self)
        self._generations = self._answered = self._running = 0
        self._begin()

    def ask(self) -> Matrix:
        """Return the members of the generation to evaluate next, (B, d)."""
        return self._generation[self._wanted].copy()

    def tell(self, candidates: Matrix, losses: Vector) -> None:
        """Update the model; once it is accurate enough, update mean, step size and covariance."""
        self._running += len(candidates)
        try:
            self._wanted = self._steps.send(losses)
        except StopIteration as done:
            super().tell(self._generation, done.value)
            self._generations += 1
            self._answered, self._running = self._answered + self._running, 0
            self._inject()
            self._begin()

    def describe(self) -> dict[str, Json]:
        """Add the share of evaluated candidates in complete generations and the terms of the model."""
        share = self._answered / (self._generations * len(self._generation)) if self._generations else None
        return super().describe() | {"evaluated_share": share, "model": ["linear", *map(str, self._model.types)]}

    def _begin(self) -> None:
        self._generation = super().ask()
        self._steps = self._evaluation(self._generation)
        self._wanted = next(self._steps)

    def _evaluation(self, members: Matrix) -> Steps:
        model, settings = self._model, self._settings
        model.settings.max_absolute_size = settings.model_max_size_factor * len(members)
        values = np.full(len(members), np.nan)
        goal = 1 + int(
            max(len(members) * settings.min_evals_percent / 100, 3 / model.settings.truncation_ratio - model.size)
        )
        while np.isnan(values).any():
            order = self._modelled(members).argsort(kind="stable") if model.size > 1 else np.arange(len(members))
            chosen = [int(i) for i in order if np.isnan(values[i])][: goal - int(np.isfinite(values).sum())]
            values[chosen] = yield chosen
            for i in chosen:
                if not model.isin(members[i]):  # an injected point may recur
                    model.add_data_row(members[i], values[i])
            model.sort(goal)
            evaluated = int(np.isfinite(values).sum())
            tau = model.kendall(SurrogatePopulationSettings.n_for_tau(len(members), evaluated))
            if tau >= settings.tau_truth_threshold:
                break
            goal += ceil(goal / 2)
        model.sort(evaluated)
        model.adapt_max_relative_size(tau)
        if not np.isnan(values).any():
            return values
        modelled = self._modelled(members)
        estimated: Vector = modelled - modelled.min() + np.nanmin(values)
        return estimated

    def _modelled(self, members: Matrix) -> Vector:
        return np.array([self._model.eval(member) for member in members], dtype=np.float64)

    def _inject(self) -> None:
        best = np.array(self._model.xopt, dtype=np.float64)
        if np.isfinite(best).all():
            self._es.inject([self.inside(best)])
