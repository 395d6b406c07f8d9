"""The optimizers of nevergrad (Rapin and Teytaud, 2018), by the names of its registry."""

from collections.abc import Iterator
from typing import Any

import nevergrad as ng
import numpy as np
from nevergrad.optimization.base import Optimizer as Backend
from nevergrad.optimization.base import registry
from nevergrad.optimization.optimizerlib import ParametrizedCMA, _OnePlusOne
from nevergrad.optimization.recaster import RecastOptimizer

from dfo_prompt.contracts.optimizer import Optimizer
from dfo_prompt.errors import InputError, UnknownNameError
from dfo_prompt.optimizers.isolation import Isolation
from dfo_prompt.types import Json, Matrix, Vector

MAX_STEP = 1e100
"""The largest step size of a (1+1)-ES, which doubles it with each better loss and would overflow within a large batch."""


def variants() -> list[str]:
    """Return every name of nevergrad's registry."""
    return sorted(registry)


class Nevergrad(Optimizer):
    """An optimizer of nevergrad's registry, with its own recommendation.

    The study's step size is the standard deviation of the parametrization. An ask returns `popsize` candidates, a single one
    if the optimizer is sequential, or a whole population of its CMA-ES.

    Args:
        variant: the name in the registry.
        study: see `Optimizer`.

    Raises:
        UnknownNameError: the registry has no such name.
        InputError: the optimizer fails to start, or a part of it runs in a thread, which can neither be replayed nor ended.
    """

    def __init__(self, *, variant: str, **study: Any) -> None:
        super().__init__(**study)
        if variant not in registry:
            raise UnknownNameError.among("optimizer of nevergrad", variant, registry)
        self._isolation = Isolation(self.seed)
        self._workers = 1 if registry[variant].no_parallelization else self.popsize
        self._backend, threaded = self._build(variant)
        if threaded and self._workers == 1 and not registry[variant].no_parallelization:
            self._workers = 2  # a wizard selects another optimizer for two workers
            self._backend, threaded = self._build(variant)
        if threaded:
            raise InputError(f"optimizer 'nevergrad:{variant}' runs {threaded} in a thread, which cannot be replayed")
        population = getattr(_innermost(self._backend), "_popsize", self._workers)
        if population % self._workers:
            # Its CMA-ES fails if asked for a new population before it was told all of the last one.
            self._workers = population
        self._asked: list[Any] = []
        self._told = 0

    def ask(self) -> Matrix:
        """Return the next candidates, (B, d)."""
        self._asked = []
        with self._isolation():
            while len(self._asked) < self._workers and self._ask_one():
                pass
        return np.stack([self._point(candidate) for candidate in self._asked])

    def _ask_one(self) -> bool:
        try:
            self._asked.append(self._backend.ask())
        except Exception:
            # A one-shot search draws as many points as the budget and fails if asked for more.
            if not self._asked or self._told + len(self._asked) < self.budget:
                raise
            return False
        return True

    def tell(self, candidates: Matrix, losses: Vector) -> None:
        """Pass on the losses (B,)."""
        self._told += len(candidates)
        inner = _innermost(self._backend)
        with self._isolation():
            for candidate, loss in zip(self._asked, losses, strict=True):
                self._backend.tell(candidate, float(loss))
                if isinstance(inner, _OnePlusOne):
                    inner._sigma = min(inner._sigma, MAX_STEP)

    def recommend(self) -> Vector:
        """Return nevergrad's recommendation, (d,)."""
        if not self._told:
            return self.x0.copy()
        with self._isolation():
            return self._point(self._backend.provide_recommendation())

    def describe(self) -> dict[str, Json]:
        """Return the selected optimizer and the number of candidates per ask."""
        return {"resolved": str(_innermost(self._backend).name), "workers": self._workers}

    @property
    def _closed(self) -> bool:
        """Tell whether nevergrad accepts the box; with an infinite end, candidates are clipped instead."""
        return self.bounds is not None and bool(np.isfinite(self.bounds).all())

    def _build(self, variant: str) -> tuple[Any, str]:
        """Return the optimizer, and the name of its first part that runs in a thread, "" without one."""
        with self._isolation():
            try:
                parameter = self._parameter(registry[variant])
                backend = registry[variant](parameter, budget=self.budget, num_workers=self._workers)
                return backend, next((part.name for part in _parts(backend) if isinstance(part, RecastOptimizer)), "")
            except Exception as error:
                raise InputError(f"optimizer 'nevergrad:{variant}' does not start here: {error}") from error

    def _parameter(self, optimizer: Any) -> Any:
        # In one dimension nevergrad's CMA-ES corrupts its shared settings; a second, ignored coordinate avoids this.
        start = np.append(self.x0, self.x0) if self.dim == 1 else self.x0.copy()
        # Its CMA-ES variants have their own initial step, in units of the parametrization's.
        factor = 1.0
        if isinstance(optimizer, ParametrizedCMA):
            factor = optimizer.scale * (_shrinkage(len(start)) if self._closed else 1.0)
        parameter = ng.p.Array(init=start).set_mutation(sigma=self.sigma / factor)
        if self.bounds is not None and self._closed:
            # Otherwise initial populations would cover the whole box, wherever the study starts.
            sides = (side if np.ndim(side) == 0 else np.resize(side, len(start)) for side in self.bounds)
            parameter.set_bounds(*sides, full_range_sampling=False)
        parameter.random_state.seed(self.seed % 2**32)
        return parameter

    def _point(self, parameter: Any) -> Vector:
        return self.inside(np.array(parameter.value[: self.dim], dtype=np.float64))


def _shrinkage(dim: int) -> float:
    """Return the factor by which nevergrad's CMA-ES reduces its first step inside bounds."""
    return 0.3 if dim < 18 else 0.15  # noqa: PLR2004 - its own


def _innermost(backend: Any) -> Any:
    # Wizards such as NGOpt select another optimizer by dimension, budget and workers.
    while (inner := getattr(backend, "_optim", None) or getattr(backend, "optim", None)) is not None:
        backend = inner
    return backend


def _parts(backend: Backend) -> Iterator[Backend]:
    """Yield the optimizer, and what it selects, chains, wraps or combines, at any depth."""
    yield backend
    for name in ("optim", "_optim", "_optimizer", "optims", "optimizers"):
        found = getattr(backend, name, None)
        for part in found if isinstance(found, list) else [found]:
            if isinstance(part, Backend):
                yield from _parts(part)
