"""The single-objective algorithms of pymoo (Blank and Deb, 2020)."""

from collections.abc import Generator
from typing import Any

import numpy as np
from pymoo.algorithms.soo.nonconvex.brkga import BRKGA
from pymoo.algorithms.soo.nonconvex.cmaes import CMAES
from pymoo.algorithms.soo.nonconvex.de import DE
from pymoo.algorithms.soo.nonconvex.direct import DIRECT
from pymoo.algorithms.soo.nonconvex.es import ES
from pymoo.algorithms.soo.nonconvex.g3pcx import G3PCX
from pymoo.algorithms.soo.nonconvex.ga import GA, FitnessSurvival
from pymoo.algorithms.soo.nonconvex.ga_niching import NicheGA
from pymoo.algorithms.soo.nonconvex.isres import ISRES
from pymoo.algorithms.soo.nonconvex.nelder import NelderMead, initialize_simplex
from pymoo.algorithms.soo.nonconvex.pattern import PatternSearch
from pymoo.algorithms.soo.nonconvex.pso import PSO
from pymoo.algorithms.soo.nonconvex.pso_ep import EPPSO
from pymoo.algorithms.soo.nonconvex.sres import SRES
from pymoo.core.evaluator import Evaluator
from pymoo.core.population import Population
from pymoo.core.problem import Problem
from pymoo.core.termination import NoTermination, Termination
from pymoo.problems.static import StaticProblem

from dfo_prompt._util.seeding import seed_of_part
from dfo_prompt.contracts.optimizer import HALF_WIDTH, Best, Optimizer
from dfo_prompt.errors import UnknownNameError
from dfo_prompt.optimizers.cma import ENDLESS, UNCUT
from dfo_prompt.optimizers.isolation import Isolation
from dfo_prompt.types import Json, Matrix, Vector


class Simplex(NelderMead):  # type: ignore[misc]
    """Nelder-Mead with a configurable size of the first simplex, which pymoo fixes at a twentieth of the box.

    The first simplex is also sorted by loss, as each later step expects, and x0 is not asked for again.
    """

    is_simplex_initialized: bool

    def _next(self) -> Generator[Any, Any, None]:
        if self.is_simplex_initialized:
            yield from self._step()
        else:
            points = initialize_simplex(self.problem, self.x0.X, scale=self.init_simplex_scale)
            asked = yield Population.new(X=points)
            self.pop = FitnessSurvival().do(self.problem, Population.merge(self.x0, asked))
            self.is_simplex_initialized = True


class Collapse(Termination):  # type: ignore[misc]
    """Ends a simplex without extent along some coordinate, as at a bound: it could never move along it again."""

    def _update(self, algorithm: Simplex) -> float:
        if algorithm.is_simplex_initialized:
            least = MIN_EXTENT * algorithm.init_simplex_scale * (algorithm.problem.xu - algorithm.problem.xl)
            if (np.ptp(algorithm.pop.get("X"), axis=0) < least).any():
                self.terminate()
        return 0.0


_CLASSES = (BRKGA, CMAES, DE, DIRECT, EPPSO, ES, G3PCX, GA, ISRES, NicheGA, PSO, PatternSearch, SRES)
ALGORITHMS = {cls.__name__: cls for cls in _CLASSES} | {"NelderMead": Simplex}
MIN_EXTENT = 1e-8
"""The smallest extent of a simplex along a coordinate, in units of its first step, before it restarts."""
MIN_POPULATION = 5
"""The number of distinct parents that differential evolution combines."""
SIMPLEX_IN_ONE_DIMENSION = (1.0, 2.0, 0.5, 0.5)
"""Factors of reflection, expansion, contraction and shrinkage (Nelder and Mead, 1965)."""


class Pymoo(Optimizer):
    """An algorithm of pymoo; recommends the best candidate told.

    The first population is x0 and draws from N(x0, sigma^2 I), clipped to the box. Searches from a point start at x0 with
    steps of sigma. DIRECT divides the box, which is centred at x0 unless bounds are given. CMAES restarts at the best
    candidate where it would end; a simplex that has collapsed restarts at a draw from N(best, sigma^2 I).

    Args:
        variant: a name in `ALGORITHMS`.
        study: see `Optimizer`.

    Raises:
        UnknownNameError: there is no such algorithm.
    """

    def __init__(self, *, variant: str, **study: Any) -> None:
        super().__init__(**study)
        if variant not in ALGORITHMS:
            raise UnknownNameError.among("algorithm of pymoo", variant, ALGORITHMS)
        self._isolation = Isolation(self.seed)
        self._population = max(self.popsize, MIN_POPULATION)
        self._box = self.box()
        self._problem = Problem(n_var=self.dim, n_obj=1, xl=self._box[0], xu=self._box[1])
        self._asked: Any = None
        self._best, self._restarts = Best(self.x0), 0
        self._variant = variant
        self._algorithm = self._start(self.x0)

    def ask(self) -> Matrix:
        """Return the next candidates, (B, d); B depends on the algorithm."""
        with self._isolation():
            self._asked = self._algorithm.ask()
        # A single candidate is an individual, not a population. Crossovers exceed the box by rounding errors.
        return np.atleast_2d(np.array(self._asked.get("X"), dtype=np.float64)).clip(*self._box)

    def tell(self, candidates: Matrix, losses: Vector) -> None:
        """Pass on the losses (B,)."""
        self._best.learn(candidates, losses)
        answers = StaticProblem(self._problem, F=losses.reshape(-1, 1).copy())
        with self._isolation():
            Evaluator(skip_already_evaluated=False).eval(answers, self._asked)
            self._algorithm.tell(infills=self._asked)
        if self._algorithm.termination.force_termination:  # CMAES or a simplex, when it degenerates
            self._restarts += 1
            best = self._best.candidate
            self._algorithm = self._start(self._first(best)[1] if isinstance(self._algorithm, Simplex) else best)

    def recommend(self) -> Vector:
        """Return the best candidate told, (d,)."""
        return self._best.candidate.copy()

    def describe(self) -> dict[str, Json]:
        """Return the effective population size, the box and the number of restarts."""
        box: list[Json] = [float(self._box[0].min()), float(self._box[1].max())]
        return {"popsize": self._population, "box": box, "restarts": self._restarts}

    def _start(self, x0: Vector) -> Any:
        seed = self._own_seed() % 2**32 or 2**32 - 1  # CMAES reads zero as the time
        with self._isolation():
            algorithm = ALGORITHMS[self._variant](**self._settings(x0))
            termination = Collapse() if isinstance(algorithm, Simplex) else NoTermination()
            algorithm.setup(self._problem, termination=termination, seed=seed)
        return algorithm

    def _own_seed(self) -> int:
        """Return the study's seed, or after a restart a seed drawn from it."""
        return seed_of_part(self.seed, self._restarts) if self._restarts else self.seed

    def _first(self, x0: Vector) -> Matrix:
        steps = np.random.default_rng(self._own_seed()).standard_normal((self._population, self.dim))
        steps[0] = 0.0
        first: Matrix = (x0 + self.sigma * steps).clip(*self._box)
        return first

    def _settings(self, x0: Vector) -> dict[str, Any]:
        n, first = self._population, {"sampling": self._first(x0)}
        point = {"sampling": x0[None, :].copy(), "n_sample_points": 1}
        quiet = {**ENDLESS, **UNCUT, "verb_disp": 0, "signals_filename": ""}
        # (mu, lambda) with seven offspring per parent, as in Runarsson and Yao (2005).
        strategy = {"n_offsprings": n, "pop_size": max(1, n // 7), **first}
        keys = {"n_elites": max(1, n // 5), "n_mutants": max(1, n // 10)}  # pymoo's default shares
        special: dict[str, dict[str, Any]] = {
            **dict.fromkeys(("ES", "SRES", "ISRES"), strategy),
            "BRKGA": {**keys, "n_offsprings": n - sum(keys.values()), **first},
            "CMAES": {"x0": x0.copy(), "normalize": False, "sigma": self.sigma, "pop_size": n, **quiet},
            "DIRECT": {},
            "NelderMead": {**self._simplex(), **point},
            "PatternSearch": {"init_delta": self.sigma / (self._box[1] - self._box[0]), **point},
        }
        return special.get(self._variant, {"pop_size": n, **first})

    def _simplex(self) -> dict[str, Any]:
        """Return the size of the first simplex relative to the box and, in one dimension, the fixed factors of its moves."""
        if self.bounds is None or np.ndim(self.bounds[0]) == 0:
            part = 0.5 / HALF_WIDTH if self.bounds is None else min(0.5, self.sigma / (self.bounds[1] - self.bounds[0]))
        else:
            part = np.minimum(0.5, self.sigma / (self._box[1] - self._box[0]))
        return {"init_simplex_scale": part, **({"func_params": lambda _: SIMPLEX_IN_ONE_DIMENSION} if self.dim == 1 else {})}
