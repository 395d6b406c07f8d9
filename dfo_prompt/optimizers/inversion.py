"""Inverts libraries that call the function themselves: an author gives `minimize(f, x0)`, and gets ask and tell."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from greenlet import getcurrent, greenlet

from dfo_prompt.contracts.optimizer import Best, Optimizer
from dfo_prompt.optimizers.isolation import Isolation
from dfo_prompt.types import Json, Matrix, Vector

Function = Callable[[Any], Any]
"""Takes one candidate (d,) and returns its loss, a float; or takes candidates (B, d) and returns their losses (B,)."""
PATIENCE = 100
"""Searches in a row that may end without a single call."""


class CallbackOptimizer(Optimizer):
    """An optimizer made of a library's minimizer, which is suspended whenever it calls its function.

    A subclass implements `minimize`. Where the minimizer ends before the budget, the next one starts at a point drawn from
    N(best, sigma^2 I), clipped to the bounds. Recommends the best candidate told. The minimizer runs in a greenlet: nothing
    runs between two calls, and a search that is dropped just ends. It must be used in the thread that created it. Global
    random generators and warnings are isolated; a generator of its own is `self.rng`.

    Attributes:
        rng: for draws of the subclass.
        restarts: minimizers that have ended.
    """

    def __init__(self, **study: Any) -> None:
        super().__init__(**study)
        self.rng = np.random.default_rng(self.seed)
        self.restarts = -1
        self._isolation = Isolation(self.seed)
        self._best = Best(self.x0)
        self._search: greenlet | None = None
        self._asked: Vector | Matrix = self.x0

    @abstractmethod
    def minimize(self, function: Function, start: Vector) -> None:
        """Minimize `function` from `start` (d,) until the library thinks that it is done.

        A candidate outside the bounds is clipped before it is evaluated.
        """

    def ask(self) -> Matrix:
        """Return what the function was called with, (B, d); B is 1 where that was one candidate."""
        if self._search is None:  # not in __init__, where a subclass has not set its options yet
            with self._isolation():
                self._begin()
        return self.inside(np.array(np.atleast_2d(self._asked)))

    def tell(self, candidates: Matrix, losses: Vector) -> None:
        """Let the function return the losses (B,), and the minimizer go on until it calls again."""
        self._best.learn(candidates, losses)
        with self._isolation():
            self._resume(float(losses[0]) if self._asked.ndim == 1 else losses.copy())

    def recommend(self) -> Vector:
        """Return the best candidate told, (d,)."""
        return self._best.candidate.copy()

    def describe(self) -> dict[str, Json]:
        """Return how often the minimizer was started again."""
        return {"restarts": max(self.restarts, 0)}

    def _resume(self, value: float | Vector) -> None:
        assert self._search is not None, "tell without ask"  # noqa: S101
        self._search.parent = getcurrent()
        asked = self._search.switch(value)
        if self._search.dead:
            self._begin()
        else:
            self._asked = asked

    def _begin(self) -> None:
        for _ in range(PATIENCE):
            self.restarts += 1
            first = not np.isfinite(self._best.loss)
            start = self.x0 if first else self._best.candidate + self.sigma * self.rng.standard_normal(self.dim)
            self._search = greenlet(self.minimize, getcurrent())
            asked = self._search.switch(_suspend, self.inside(start.copy()))
            if not self._search.dead:  # else it ended without a single call
                self._asked = asked
                return
        raise RuntimeError(f"minimize() returned {PATIENCE} times without calling its function")


def _suspend(x: Any) -> Any:
    return getcurrent().parent.switch(np.array(x, dtype=np.float64))
