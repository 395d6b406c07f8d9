"""The samplers of optuna (Akiba et al., 2019), through its ask and tell."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution

import dfo_prompt as dp

EXCLUDED = ("Base", "BaseGA", "BruteForce", "Grid", "NSGAIII", "PartialFixed")
"""Samplers that are base classes, or need more than a box and a seed."""


def variants() -> list[str]:
    """Return the names of optuna's samplers that need only a box and a seed."""
    names = {name.removesuffix("Sampler") for name in dir(optuna.samplers) if name.endswith("Sampler")}
    return sorted(names - {*EXCLUDED})


class Optuna(dp.Optimizer):
    """A sampler of optuna; recommends the best candidate told. Its first candidate is x0.

    Args:
        variant: name of the sampler's class without "Sampler".
        study: see `dfo_prompt.Optimizer`.

    Raises:
        UnknownNameError: optuna has no such sampler, or the sampler needs more than a seed.
    """

    def __init__(self, *, variant: str, **study: Any) -> None:
        super().__init__(**study)
        if variant not in variants():
            raise dp.UnknownNameError.among("sampler of optuna", variant, variants())
        self._isolation = dp.Isolation(self.seed)
        self._names = [f"z{i}" for i in range(self.dim)]
        low, high = self.box()
        self._space: dict[str, BaseDistribution] = {
            name: FloatDistribution(float(a), float(b)) for name, a, b in zip(self._names, low, high, strict=True)
        }
        with self._quiet():
            self._study = optuna.create_study(sampler=self._sampler(variant))
            self._study.enqueue_trial(dict(zip(self._names, self.x0.clip(low, high).tolist(), strict=True)))
        self._asked: list[optuna.Trial] = []
        self._best = dp.Best(self.x0)

    def ask(self) -> np.ndarray:
        """Return the next candidates, (B, d)."""
        with self._quiet():
            self._asked = [self._study.ask(self._space) for _ in range(self.popsize)]
        every = [trial.params for trial in self._asked]  # once per trial: each access copies all parameters
        return np.array([[params[name] for name in self._names] for params in every], dtype=np.float64)

    def tell(self, candidates: np.ndarray, losses: np.ndarray) -> None:
        """Pass the losses (B,) to the sampler."""
        self._best.learn(candidates, losses)
        with self._quiet():
            for trial, loss in zip(self._asked, losses.tolist(), strict=True):
                self._study.tell(trial, loss)

    def recommend(self) -> np.ndarray:
        """Return the best candidate told, (d,)."""
        return self._best.candidate.copy()

    def describe(self) -> dict[str, Any]:
        """Return the sampler and the box."""
        low, high = self.box()
        return {"sampler": type(self._study.sampler).__name__, "box": [float(low.min()), float(high.max())]}

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        """Silence the log line per trial and the warnings about experimental samplers."""
        with self._isolation():
            level = optuna.logging.get_verbosity()
            optuna.logging.set_verbosity(optuna.logging.ERROR)
            try:
                yield
            finally:
                optuna.logging.set_verbosity(level)

    def _sampler(self, name: str) -> optuna.samplers.BaseSampler:
        options: dict[str, Any] = {"seed": self.seed % 2**32}
        if name == "CmaEs":
            start = dict(zip(self._names, self.x0.tolist(), strict=True))
            low, high = self.box()
            step = self.sigma / float(np.min(high - low))  # optuna searches in [0, 1]^d
            options |= {"x0": start, "sigma0": step, "popsize": max(self.popsize, 4)}
        if name == "NSGAII":
            options |= {"population_size": max(self.popsize, 2)}
        if name == "QMC":
            options |= {"scramble": True}
        sampler: optuna.samplers.BaseSampler = getattr(optuna.samplers, f"{name}Sampler")(**options)
        return sampler
