"""Turns a library's `minimize(f, x0)`, which calls the function itself, into ask and tell."""

from abc import abstractmethod
from threading import get_ident
from typing import Any

import numpy as np
from greenlet import getcurrent, greenlet

from dfo_prompt.contracts.optimizer import Best, Optimizer
from dfo_prompt.optimizers.isolation import Isolation
from dfo_prompt.types import Function, Json, Matrix, Vector

MOST_EMPTY_SEARCHES = 100
"""The most consecutive searches that may end without a call of the function on finite numbers."""


class CallbackOptimizer(Optimizer):
    """An optimizer around a library's minimizer, which is suspended whenever it calls the function.

    A subclass implements `minimize`. If the minimizer ends before the budget, or asks for numbers that are not finite, the
    next one starts at a point drawn from N(best, sigma^2 I), clipped to the bounds. Recommends the best candidate told. The
    minimizer runs in a greenlet, so nothing runs between calls, and an abandoned search simply ends. The optimizer must be
    used in the thread that created it. Global random generators and warnings are isolated; `self.rng` is the optimizer's own
    generator.

    Attributes:
        rng: the generator for draws of the subclass.
        restarts: the number of minimizers that have ended.
    """

    def __init__(self, **study: Any) -> None:
        super().__init__(**study)
        self.rng = np.random.default_rng(self.seed)
        self.restarts = -1
        self._isolation = Isolation(self.seed)
        self._best = Best(self.x0)
        self._search: greenlet | None = None
        self._calls = _Calls()
        self._pending: Vector | Matrix = self.x0

    @abstractmethod
    def minimize(self, function: Function, start: Vector) -> None:
        """Minimize `function` from `start` (d,) until the library stops.

        Candidates outside the bounds are clipped before they are evaluated.
        """

    def ask(self) -> Matrix:
        """Return the arguments of the minimizer's pending call, (B, d); B is 1 for a single candidate."""
        if self._search is None:  # not in __init__, before the subclass has set its options
            with self._isolation():
                self._begin()
        return self.inside(np.array(np.atleast_2d(self._pending)))

    def tell(self, candidates: Matrix, losses: Vector) -> None:
        """Return the losses (B,) from the pending call and resume the minimizer until its next call."""
        self._best.learn(candidates, losses)
        with self._isolation():
            self._resume(float(losses[0]) if self._pending.ndim == 1 else losses.copy())

    def recommend(self) -> Vector:
        """Return the best candidate told, (d,)."""
        return self._best.candidate.copy()

    def describe(self) -> dict[str, Json]:
        """Return the number of restarts of the minimizer."""
        return {"restarts": max(self.restarts, 0)}

    def _resume(self, value: float | Vector) -> None:
        assert self._search is not None, "tell without ask"  # noqa: S101
        self._search.parent = getcurrent()
        pending = self._search.switch(value)
        self._calls.check()
        if self._has_ended(pending):
            self._begin()
        else:
            self._pending = pending

    def _begin(self) -> None:
        for _ in range(MOST_EMPTY_SEARCHES):
            self.restarts += 1
            first = not np.isfinite(self._best.loss)
            start = self.x0 if first else self._best.candidate + self.sigma * self.rng.standard_normal(self.dim)
            self._calls = _Calls()
            self._search = greenlet(self.minimize, getcurrent())
            pending = self._search.switch(self._calls, self.inside(start.copy()))
            self._calls.check()
            if not self._has_ended(pending):
                self._pending = pending
                return
        raise RuntimeError(f"minimize() returned {MOST_EMPTY_SEARCHES} times without calling its function on finite numbers")

    def _has_ended(self, pending: Any) -> bool:
        """Tell whether the search has returned, or asks for numbers that are not finite: the loss falls without end."""
        return self._search is None or self._search.dead or not np.isfinite(self.inside(pending)).all()


class _Calls:
    """The function of a minimizer: suspends the minimizer until the losses are told.

    A call from a thread of the library fails, also where the library swallows the error of its thread.
    """

    def __init__(self) -> None:
        self._thread, self._elsewhere = get_ident(), False

    def __call__(self, x: Any) -> Any:
        """Return the loss of a candidate (d,), or the losses (B,) of candidates (B, d)."""
        if get_ident() != self._thread:
            self._elsewhere = True
        self.check()
        return getcurrent().parent.switch(np.array(x, dtype=np.float64))

    def check(self) -> None:
        """Raise RuntimeError if another thread has called."""
        if self._elsewhere:
            raise RuntimeError(
                "minimize() called its function from another thread; call it from its own, with several candidates (B, d)"
            )
