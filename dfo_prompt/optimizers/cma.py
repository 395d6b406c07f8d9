"""CMA-ES by pycma (Hansen et al.)."""

from contextlib import nullcontext, redirect_stdout
from io import StringIO
from typing import Any, Literal

import cma
import numpy as np
from cma.restricted_gaussian_sampler import GaussVDSampler, GaussVkDSampler

from dfo_prompt.contracts.optimizer import Best, Optimizer
from dfo_prompt.optimizers.isolation import silenced
from dfo_prompt.types import Json, Matrix, Vector

# Disable stopping rules for plateaus, quantised losses and counts: the study's budget ends the search.
ENDLESS = {
    "tolflatfitness": np.inf,
    "tolfacupx": np.inf,
    "tolupsigma": np.inf,
    "tolconditioncov": np.inf,
    "maxiter": np.inf,
    "tolfun": 0,
    "tolfunhist": 0,
    "tolx": 0,
    "tolstagnation": 0,
}
# In a box pycma would cut the step to a third of the width, which fails in one dimension.
UNCUT = {"maxstd": np.inf}
# Use neither the screen, nor files in the working directory, nor the global generator.
ISOLATED = {"verbose": -9, "verb_log": 0, "verb_disp": 0, "signals_filename": "", "seed": np.nan}

RESTRICTED = {"vd": GaussVDSampler, "vkd": GaussVkDSampler}


class Ipop:
    """Restarts with twice the last population (Auger and Hansen, 2005).

    Args:
        popsize: the population of the first run.
        sigma: its step size.
        rng: generator of drawn populations and steps.
    """

    def __init__(self, popsize: int, sigma: float, rng: np.random.Generator) -> None:
        self.popsize, self.sigma, self.rng = popsize, sigma, rng
        self.doublings = 0

    def spend(self, queries: int) -> bool:  # noqa: ARG002
        """Count the queries of a generation; return whether the run must end after it."""
        return False

    def restart(self) -> tuple[int, float]:
        """Return population and step size of the next run."""
        self.doublings += 1
        return self.popsize * 2**self.doublings, self.sigma


class Bipop(Ipop):
    """Restarts with doubled populations or with small ones and smaller steps (Hansen, 2009, section 2).

    The regime that has used fewer queries starts next; the first run counts in neither, and a large one comes first. Only
    large restarts double. A small run has the population floor(lambda (lambda_large / (2 lambda))^(U^2)) and the step
    sigma 10^(-2 U'), U and U' uniform in [0, 1]; it ends at half the queries of the last large run.
    """

    def __init__(self, popsize: int, sigma: float, rng: np.random.Generator) -> None:
        super().__init__(popsize, sigma, rng)
        self.regime = "first"
        self.used = {"first": 0, "large": 0, "small": 0}
        self._run = self._last_large = 0  # queries

    def spend(self, queries: int) -> bool:
        """Count the queries of a generation; return whether it was the last of a small run."""
        self.used[self.regime] += queries
        self._run += queries
        return self.regime == "small" and self._run >= self._last_large / 2

    def restart(self) -> tuple[int, float]:
        """Return population and step size of a run in the regime that has used fewer queries."""
        if self.regime == "large":
            self._last_large = self._run
        self._run = 0
        self.regime = "small" if self.used["small"] < self.used["large"] else "large"
        if self.regime == "large":
            return super().restart()
        popsize = self.popsize * (2**self.doublings / 2) ** (self.rng.uniform() ** 2)
        return int(popsize), self.sigma * 10 ** (-2 * self.rng.uniform())


class CMA(Optimizer):
    """Covariance matrix adaptation evolution strategy; recommends its mean.

    Args:
        covariance: "full", "diagonal" (sep-CMA-ES), "vd" or "vkd" (restricted models for large d).
        active: use negative recombination weights.
        restarts: "none"; "ipop": when pycma stops, restart at x0 with twice the population (Auger and Hansen, 2005);
            "bipop": in the regime that has used fewer queries, doubled populations or small ones with smaller steps
            (Hansen, 2009), also at x0.
        study: see `Optimizer`.
    """

    def __init__(
        self,
        *,
        covariance: Literal["full", "diagonal", "vd", "vkd"] = "full",
        active: bool = True,
        restarts: Literal["none", "ipop", "bipop"] = "none",
        **study: Any,
    ) -> None:
        super().__init__(**study)
        self._rng = np.random.default_rng(self.seed)
        self._least_popsize = 4 if covariance == "vkd" else 3
        self._options = self._study_options(covariance, active=active)
        regimes = {"ipop": Ipop, "bipop": Bipop}
        self._regimes = regimes[restarts](self.popsize, self.sigma, self._rng) if restarts != "none" else None
        if not self._regimes:
            self._options |= ENDLESS
        self._restarts = 0
        self._es = self._start(self.popsize, self.sigma)
        self._best = Best(self.x0)

    def ask(self) -> Matrix:
        """Sample a generation, z ~ N(m, sigma^2 C), (lambda, d)."""
        with silenced():
            return np.array(self._es.ask())

    def tell(self, candidates: Matrix, losses: Vector) -> None:
        """Update mean, step size and covariance; restart when pycma stops."""
        with silenced():
            self._es.tell(list(candidates), losses.tolist())
        self._best.learn(candidates, losses)
        if self._regimes and (self._regimes.spend(len(candidates)) or self._es.stop()):
            self._restarts += 1
            self._es = self._start(*self._regimes.restart())

    def recommend(self) -> Vector:
        """Return the mean of the distribution, (d,); after a restart the best candidate told."""
        if self._restarts:
            return self._best.candidate.copy()
        return np.array(self._es.result.xfavorite if self._es.countiter else self.x0, dtype=np.float64)

    def describe(self) -> dict[str, Json]:
        """Return pycma's population size, parents and restarts."""
        return {"popsize": int(self._es.popsize), "parents": int(self._es.sp.weights.mu), "restarts": self._restarts}

    def _study_options(self, covariance: str, *, active: bool) -> dict[str, Any]:
        options: dict[str, Any] = {
            **ISOLATED,
            **UNCUT,
            "randn": lambda *shape: self._rng.standard_normal(shape),
            "CMA_active": active,
        }
        if self.bounds is not None:
            options["bounds"] = [np.array(side).tolist() for side in self.bounds]
        if covariance == "diagonal":
            options["CMA_diagonal"] = True
        if covariance in RESTRICTED:
            # These samplers ignore the option `randn` and draw from the global generator by default.
            own = np.random.RandomState(self.seed % 2**32)
            options["CMA_sampler_options"] = {"randn": own.randn}
            options = RESTRICTED[covariance].extend_cma_options(options)
        return options

    def _start(self, popsize: int, sigma: float) -> Any:
        # The restricted samplers print warnings in few dimensions.
        mute = redirect_stdout(StringIO()) if "CMA_sampler" in self._options else nullcontext()
        with silenced(), mute:
            options = {**self._options, "popsize": max(popsize, self._least_popsize)}
            return cma.CMAEvolutionStrategy(self.x0.copy(), sigma, options)
