"""The derivative-free minimizers of SciPy behind ask and tell."""

from collections.abc import Callable
from typing import Any

import cobyqa
import numpy as np
from scipy.optimize import Bounds, differential_evolution, dual_annealing, minimize

import dfo_prompt as dp


class SciPy(dp.CallbackOptimizer):
    """A method of SciPy; recommends the best candidate told.

    A method that ends before the budget is restarted at a point drawn from N(best, sigma^2 I). An ask returns a single
    candidate, or a population in differential evolution.

    Args:
        method: a method of `scipy.optimize.minimize`, or "dual_annealing" or "differential_evolution".
        study: see `dfo_prompt.Optimizer`.
    """

    def __init__(self, *, method: str, **study: Any) -> None:
        super().__init__(**study)
        self._method = method

    def minimize(self, function: Callable[[Any], Any], start: np.ndarray) -> None:
        """Run the method from `start` (d,)."""
        box = Bounds(*self.box())
        bounds = None if self.bounds is None else Bounds(*(np.broadcast_to(side, self.dim) for side in self.bounds))
        seed = int(self.rng.integers(2**32))
        if self._method == "dual_annealing":
            dual_annealing(function, box, x0=start, rng=seed, maxiter=self.budget, no_local_search=True)
        elif self._method == "differential_evolution":

            def losses(population: np.ndarray) -> Any:  # (d, B) -> (B,)
                return function(population.T)

            differential_evolution(
                losses,
                box,
                init=self._population(start),
                rng=seed,
                maxiter=self.budget,
                tol=0,
                polish=False,
                vectorized=True,
                updating="deferred",
            )
        elif self._method == "COBYQA":  # SciPy's own copy holds a lock while it runs: interleaved studies would deadlock
            cobyqa.minimize(function, start, bounds=bounds, options=self._options(start))
        else:
            search: Any = minimize  # type stubs accept only literal method names
            search(function, start, method=self._method, bounds=bounds, options=self._options(start))

    def describe(self) -> dict[str, Any]:
        """Return the method and the number of restarts."""
        return {"method": self._method, **super().describe()}

    def _options(self, start: np.ndarray) -> dict[str, Any]:
        step, limit = self.sigma, 10 * self.budget  # the study ends before the limit
        match self._method:
            case "COBYQA":
                largest = np.inf if self.bounds is None else 0.49 * float(np.min(self.bounds[1] - self.bounds[0]))
                return {"radius_init": min(step, largest), "radius_final": 1e-8 * step, "maxfev": limit, "maxiter": limit}
            case "COBYLA":
                return {"rhobeg": step, "tol": 1e-8 * step, "maxiter": limit}
            case "Nelder-Mead":
                steps = step * np.eye(self.dim)
                if self.bounds is not None:  # step inwards, at most half the box: clipping would flatten the simplex
                    half = np.broadcast_to((self.bounds[1] - self.bounds[0]) / 2, self.dim)
                    steps = np.diag(np.minimum(step, half))
                    steps = np.where(start + steps > self.bounds[1], -steps, steps)
                simplex = self.inside(np.vstack([start, start + steps]))
                return {"initial_simplex": simplex, "adaptive": self.dim > 1, "maxiter": limit, "maxfev": limit}
            case _:
                return {"direc": step * np.eye(self.dim), "maxiter": limit, "maxfev": limit}

    def _population(self, start: np.ndarray) -> np.ndarray:
        # differential_evolution requires at least five members.
        steps = self.rng.standard_normal((max(self.popsize, 5), self.dim))
        steps[0] = 0.0
        population = start + self.sigma * steps
        return population.clip(*self.box())
