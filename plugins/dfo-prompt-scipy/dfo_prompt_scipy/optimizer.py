"""The derivative-free minimizers of SciPy, behind ask and tell."""

from typing import Any

import cobyqa
import numpy as np
from scipy.optimize import Bounds, differential_evolution, dual_annealing, minimize

import dfo_prompt as dp
from dfo_prompt_scipy.inversion import Inverted, Minimizer


class SciPy(dp.Optimizer):
    """One method of SciPy; recommends the best candidate told.

    A method that ends before the budget is started again, from a point drawn from N(best, sigma^2 I). Asks are for one
    candidate, for a population in differential evolution.

    Args:
        method: of `scipy.optimize.minimize`, or "dual_annealing" or "differential_evolution".
        study: see `dfo_prompt.Optimizer`.
    """

    def __init__(self, *, method: str, **study: Any) -> None:
        super().__init__(**study)
        self._method = method
        self._rng = np.random.default_rng(self.seed)
        self._isolation = dp.Isolation(self.seed)
        self._best = dp.Best(self.x0)
        with self._isolation():
            self._search = Inverted(self._following)

    def ask(self) -> np.ndarray:
        """Return the next candidates, (B, d)."""
        asked = np.atleast_2d(self._search.asked if self._search.asked.ndim == 1 else self._search.asked.T)
        return self.inside(asked.astype(np.float64))

    def tell(self, candidates: np.ndarray, losses: np.ndarray) -> None:
        """Pass on the losses (B,), and run the method until it needs the next."""
        self._best.learn(candidates, losses)
        with self._isolation():
            self._search.answer(float(losses[0]) if self._search.asked.ndim == 1 else losses.copy())

    def recommend(self) -> np.ndarray:
        """Return the best candidate told, (d,)."""
        return self._best.candidate.copy()

    def describe(self) -> dict[str, Any]:
        """Return the method and how often it was started again."""
        return {"method": self._method, "restarts": self._search.searches - 1}

    def _following(self) -> Minimizer:
        first = not np.isfinite(self._best.loss)
        start = self.x0.copy() if first else self._best.candidate + self.sigma * self._rng.standard_normal(self.dim)
        start = self.inside(start)
        box = Bounds(*self.box())
        seed = int(self._rng.integers(2**32))
        if self._method == "dual_annealing":
            return lambda f: dual_annealing(f, box, x0=start, rng=seed, maxiter=self.budget, no_local_search=True)
        if self._method == "differential_evolution":
            population = self._population(start)
            return lambda f: differential_evolution(
                f,
                box,
                init=population,
                rng=seed,
                maxiter=self.budget,
                tol=0,
                polish=False,
                vectorized=True,
                updating="deferred",
            )
        bounds = None if self.bounds is None else box
        if self._method == "COBYQA":  # SciPy's copy holds a lock as long as it runs: two studies in turn would wait forever
            options = self._options(start)
            return lambda f: cobyqa.minimize(f, start, bounds=bounds, options=options)
        search: Any = minimize  # its stubs know a method by a literal only
        return lambda f: search(f, start, method=self._method, bounds=bounds, options=self._options(start))

    def _options(self, start: np.ndarray) -> dict[str, Any]:
        step, enough = self.sigma, 10 * self.budget
        match self._method:
            case "COBYQA":
                widest = np.inf if self.bounds is None else 0.49 * (self.bounds[1] - self.bounds[0])
                return {"radius_init": min(step, widest), "radius_final": 1e-8 * step, "maxfev": enough, "maxiter": enough}
            case "COBYLA":
                return {"rhobeg": step, "tol": 1e-8 * step, "maxiter": enough}
            case "Nelder-Mead":
                steps = step * np.eye(self.dim)
                if self.bounds is not None:  # inwards, where a corner would fall back onto the start
                    steps = np.where(start + steps > self.bounds[1], -steps, steps)
                simplex = self.inside(np.vstack([start, start + steps]))
                return {"initial_simplex": simplex, "adaptive": self.dim > 1, "maxiter": enough, "maxfev": enough}
            case _:
                return {"direc": step * np.eye(self.dim), "maxiter": enough, "maxfev": enough}

    def _population(self, start: np.ndarray) -> np.ndarray:
        # differential_evolution combines five members at least.
        steps = self._rng.standard_normal((max(self.popsize, 5), self.dim))
        steps[0] = 0.0
        population = start + self.sigma * steps
        return population.clip(*self.box())
