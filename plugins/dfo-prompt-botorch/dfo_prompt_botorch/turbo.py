"""TuRBO-1 (Eriksson et al., 2019, "Scalable global optimization via local Bayesian optimization")."""

from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch.quasirandom import SobolEngine

import dfo_prompt as dp

with dp.Isolation(0)():  # silences a deprecation warning of gpytorch
    from botorch.fit import fit_gpytorch_mll
    from botorch.generation.sampling import MaxPosteriorSampling
    from botorch.models import SingleTaskGP
    from gpytorch.mlls import ExactMarginalLogLikelihood

Points = Annotated[int, Field(ge=1, le=10**6)]
INITIAL_SIDE, MIN_SIDE, MAX_SIDE = 4.0, 4.0 * 0.5**7 / 0.8, 8.0
"""The initial, smallest and largest side of the trust region, in units of sigma; their ratios are those of the reference
code (0.8, 2^-7 and 1.6 there)."""
SUCCESSES = 3
"""The number of consecutive successes that double the side."""
PERTURBED = 20
"""The mean number of perturbed coordinates of a point for Thompson sampling (section 2, as in the reference code)."""


class TuRBO(dp.Optimizer):
    """Thompson sampling from a Gaussian process of the points since the last restart, in a box around the best of them.

    Three batches in a row that improve double the side of the box; ceil(max(4, d) / popsize) that do not halve it, as in the
    reference code (uber-research/TuRBO, turbo_1.py). A box below the smallest side starts anew at the best point with its
    first side. The first points are x0 and draws of N(x0, sigma^2 I). Recommends the best candidate told.

    Args:
        initial: number of points before the first model.
        points: number of points over which a Thompson sample is minimized.
        memory: number of latest points that the model is fitted to, besides the best; bounds its time.
        fit_steps: largest number of steps of maximizing the likelihood.
        study: see `dfo_prompt.Optimizer`.
    """

    def __init__(
        self,
        *,
        initial: dp.Count = 10,
        points: Points = 1000,
        memory: dp.Count = 200,
        fit_steps: dp.Count = 30,
        **study: Any,
    ) -> None:
        super().__init__(**study)
        self._initial, self._points, self._memory, self._fit_steps = initial, points, memory, fit_steps
        self._rng = np.random.default_rng(self.seed)
        self._isolation = dp.Isolation(self.seed)
        self._failures_allowed = int(np.ceil(max(4, self.dim) / self.popsize))
        self._best = dp.Best(self.x0)
        self._candidates, self._losses = np.zeros((0, self.dim)), np.zeros(0)
        self._restarts = -1
        self._restart(self.x0)

    def ask(self) -> np.ndarray:
        """Return the next candidates, (popsize, d)."""
        if len(self._losses) < self._initial:
            steps = self.sigma * self._rng.standard_normal((self.popsize, self.dim))
            steps[0] *= len(self._losses) > 0
            return self.inside(self._center + steps)
        with self._isolation():
            torch.default_generator.manual_seed(int(self._rng.integers(2**31)))
            return self.inside(self._thompson())

    def tell(self, candidates: np.ndarray, losses: np.ndarray) -> None:
        """Add the losses (B,), and resize the trust region."""
        before, modelled = min(self._losses, default=np.inf), len(self._losses) >= self._initial
        self._candidates = np.concatenate([self._candidates, candidates])
        self._losses = np.concatenate([self._losses, losses])
        self._best.learn(candidates, losses)
        if modelled:
            self._resize(success=losses.min() < before - 1e-3 * abs(before))

    def recommend(self) -> np.ndarray:
        """Return the best candidate told, (d,)."""
        return self._best.candidate.copy()

    def describe(self) -> dict[str, Any]:
        """Return the number of restarts, and the side of the trust region in units of sigma."""
        return {"restarts": self._restarts, "side": self._side}

    def _restart(self, center: np.ndarray) -> None:
        self._restarts += 1
        self._center = center.copy()
        self._candidates, self._losses = np.zeros((0, self.dim)), np.zeros(0)
        self._side = INITIAL_SIDE
        self._successes = self._failures = 0

    def _resize(self, *, success: bool) -> None:
        self._successes, self._failures = (self._successes + 1, 0) if success else (0, self._failures + 1)
        if self._successes == SUCCESSES:
            self._side, self._successes = min(2 * self._side, MAX_SIDE), 0
        elif self._failures == self._failures_allowed:
            self._side, self._failures = self._side / 2, 0
        if self._side < MIN_SIDE:
            self._restart(self._best.candidate)

    def _thompson(self) -> np.ndarray:
        latest = np.arange(len(self._losses))[-self._memory :]
        seen = np.union1d(latest, self._losses.argmin())
        x = torch.as_tensor((self._candidates[seen] - self._center) / (INITIAL_SIDE * self.sigma))  # (n, d)
        y = torch.as_tensor(-self._losses[seen])[:, None]
        spread = y.std()
        model = SingleTaskGP(x, (y - y.mean()) / (spread if spread > 0 else 1.0), outcome_transform=None)
        likelihood = ExactMarginalLogLikelihood(model.likelihood, model)
        fit_gpytorch_mll(likelihood, optimizer_kwargs={"options": {"maxiter": self._fit_steps}})
        choices = self._choices(model, x[y.argmax()])
        with torch.no_grad():
            chosen = MaxPosteriorSampling(model=model, replacement=False)(choices, num_samples=self.popsize)
        return self._center + INITIAL_SIDE * self.sigma * chosen.numpy()

    def _choices(self, model: SingleTaskGP, best: torch.Tensor) -> torch.Tensor:
        """Return points (N, d) in the trust region, whose sides are proportional to the length scales (eq. 1)."""
        kernel = getattr(model.covar_module, "base_kernel", model.covar_module)
        scales = kernel.lengthscale.detach().flatten()
        scales = scales / scales.log().mean().exp()
        half = scales * self._side / INITIAL_SIDE / 2
        count = max(self._points, self.popsize)
        sobol = SobolEngine(self.dim, scramble=True, seed=int(self._rng.integers(2**31)))
        offsets = (2 * sobol.draw(count, dtype=torch.float64) - 1) * half
        moved = torch.rand(count, self.dim) <= min(1.0, PERTURBED / self.dim)
        moved[torch.arange(count), torch.randint(self.dim, (count,))] = True
        return best + torch.where(moved, offsets, 0.0)
