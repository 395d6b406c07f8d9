"""CMA-ES by the library cmaes (Nomura and Shibata, 2024)."""

from pathlib import Path
from typing import Any, Literal

import cmaes
import numpy as np

import dfo_prompt as dp

GENERATORS = {"full": cmaes.CMA, "sep": cmaes.SepCMA}
MAX_COORDINATE = 1e30
"""The largest coordinate before a restart. The library fails beyond 1e32, which a step size can reach on a plateau."""


class CyberCMA(dp.Optimizer):
    """CMA-ES; recommends its mean.

    Args:
        variant: "full" or "sep" (diagonal covariance).
        learning_rate_adaptation: whether to adapt the learning rates to noise; "full" only.
        warm_start: an .npz file with `candidates` (n, d) and `losses` (n,) of a similar study, whose best candidates define
            the initial mean, step size and covariance (Nomura et al., 2021); rows that are not finite are left out; "full"
            only.
        study: see `dfo_prompt.Optimizer`.

    Raises:
        InputError: the file is invalid, its mean lies outside the bounds, or the variant does not take an option.
    """

    def __init__(
        self,
        *,
        variant: Literal["full", "sep"] = "full",
        learning_rate_adaptation: bool = False,
        warm_start: Path | None = None,
        **study: Any,
    ) -> None:
        super().__init__(**study)
        if variant != "full" and (learning_rate_adaptation or warm_start):
            raise dp.InputError(f"cmaes: {variant!r} takes neither learning_rate_adaptation nor warm_start")
        self._restarts = 0
        self._variant = variant
        self._settings: dict[str, Any] = {"lr_adapt": True} if learning_rate_adaptation else {}
        # The library needs at least two coordinates; the second is ignored.
        self._mean, self._sigma = np.append(self.x0, self.x0) if self.dim == 1 else self.x0.copy(), self.sigma
        if warm_start:
            self._mean, self._sigma, self._settings["cov"] = self._warm_start(warm_start)
        self._backend = self._start()
        self._answer = self.x0.copy()
        self._asked: list[Any] = []

    def ask(self) -> np.ndarray:
        """Sample a generation, (lambda, d)."""
        self._asked = [self._backend.ask() for _ in range(self._backend.population_size)]
        return np.stack(self._asked)[:, : self.dim]

    def tell(self, candidates: np.ndarray, losses: np.ndarray) -> None:  # noqa: ARG002 - the same as those asked
        """Update the distribution; restart at x0 before it overflows."""
        self._backend.tell(list(zip(self._asked, losses.tolist(), strict=True)))
        mean = self._current_mean()
        if np.abs(mean).max() + self._current_sigma() < MAX_COORDINATE and np.isfinite(mean).all():
            self._answer = mean
        else:
            self._restarts += 1
            self._backend = self._start()

    def recommend(self) -> np.ndarray:
        """Return the mean, (d,)."""
        return self.inside(self._answer.copy())

    def describe(self) -> dict[str, Any]:
        """Return the effective population size and the number of restarts."""
        return {"popsize": int(self._backend.population_size), "restarts": self._restarts}

    def _start(self) -> Any:
        bounds = None
        if self.bounds is not None:
            bounds = np.stack([np.broadcast_to(side, len(self._mean)) for side in self.bounds], axis=1).astype(np.float64)
        seed = self.seed % 2**32
        if self._restarts:  # a sum of both would be the seed of the next study
            seed = int(np.random.SeedSequence([self.seed, self._restarts]).generate_state(1)[0])
        return GENERATORS[self._variant](
            mean=self._mean.copy(),
            sigma=self._sigma,
            bounds=bounds,
            seed=seed,
            population_size=max(self.popsize, 4),
            **self._settings,
        )

    def _current_mean(self) -> np.ndarray:
        return np.array(self._backend._mean[: self.dim], dtype=np.float64)

    def _current_sigma(self) -> float:
        return float(self._backend._sigma)

    def _warm_start(self, path: Path) -> tuple[np.ndarray, float, np.ndarray]:
        try:
            with np.load(path, allow_pickle=False) as file:
                candidates, losses = file["candidates"], file["losses"]
            # NaN has no place in the order that the library sorts by, and minus infinity would come first.
            finite = np.isfinite(candidates).all(axis=1) & np.isfinite(losses)
            solutions = list(zip(candidates[finite], losses[finite].tolist(), strict=True))
            with np.errstate(divide="ignore", invalid="ignore"):  # by a determinant of zero, which is refused below
                start = cmaes.get_warm_start_mgd(solutions)
        except (OSError, KeyError, ValueError, TypeError, AssertionError, IndexError) as error:
            raise dp.InputError(f"cmaes: cannot start from {path}: {error}") from error
        if len(start[0]) != self.dim:
            raise dp.InputError(f"cmaes: cannot start from {path}: its candidates have {len(start[0])} coordinates")
        if not start[1] > 0:  # the determinant underflowed, as it does for few candidates in many coordinates
            few = f"its best candidates span too few of {self.dim} coordinates"
            raise dp.InputError(f"cmaes: cannot start from {path}: {few}; give more candidates, or leave out warm_start")
        self._check_inside(start[0], path)
        return start

    def _check_inside(self, mean: np.ndarray, path: Path) -> None:
        """Refuse an initial mean (d,) outside the bounds, as a study refuses such an x0."""
        outside = np.flatnonzero(self.inside(mean) != mean)
        if not len(outside):
            return
        at = outside[0]
        low, high = (np.broadcast_to(side, self.dim)[at] for side in self.bounds or ())
        place = f"{mean[at]:g} in coordinate {at + 1}, outside the bounds [{low:g}, {high:g}]"
        raise dp.InputError(
            f"cmaes: cannot start from {path}: the mean of its best candidates is {place}; "
            "widen the bounds, or leave out warm_start"
        )
