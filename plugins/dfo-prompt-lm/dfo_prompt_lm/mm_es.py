"""MM-ES (He, Zheng and Zhou, 2021, "MMES: mixture model-based evolution strategy for large-scale optimization")."""

from math import ceil, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np

from dfo_prompt_lm.strategy import Few, Strategy


class MMES(Strategy):
    """MM-ES, whose directions mix a normal vector with a few evolution paths from an archive, mostly recent ones.

    Rates and archive follow the authors' code (MMES.m), with c_a = 3.8 / d instead of the paper's 4 / d; comments name the
    differences. Samples are not mirrored.

    Args:
        mixed: m_s, the number of paths in each direction.
        study: see `dfo_prompt.Optimizer`.
    """

    def __init__(self, *, mixed: Few = 4, **study: Any) -> None:
        super().__init__(**study)
        self._mixed = mixed
        self._archive_size = 2 * ceil(sqrt(self.dim))  # m
        self._c_c = min(0.4 / sqrt(self.dim), 0.5)
        self._c_a = min(3.8 / self.dim, 0.95)  # without a limit there
        self._gap = ceil(1 / self._c_c)  # T
        self._path = np.zeros(self.dim)
        self._archive: list[np.ndarray] = []  # the newest last
        self._ages: list[int] = []  # the generations of the paths
        self._generations = 0
        self._before: np.ndarray | None = None
        self._success = 0.0

    def draw(self) -> np.ndarray:
        """Draw d = sqrt(1 - gamma) z + sqrt(gamma / m_s) sum_l r_l q_l (fast mixture sampling)."""
        z = self.rng.standard_normal((self.size, self.dim))
        if not self._archive:
            return z
        archive = np.array(self._archive)  # (n, d)
        # There the share of m paths from the start, with vectors near zero in empty places: first steps smaller than sigma.
        gamma = 1 - (1 - self._c_a) ** len(archive)
        back = (self.rng.geometric(self._c_a, (self.size, self._mixed)) - 1) % len(archive)
        share = np.zeros((self.size, len(archive)))  # the share of each path in each direction
        draws = self.rng.standard_normal(back.shape)
        np.add.at(share, (np.arange(self.size)[:, None], len(archive) - 1 - back), draws)
        mixed: np.ndarray = sqrt(1 - gamma) * z + sqrt(gamma / self._mixed) * (share @ archive)
        return mixed

    def learn(self, order: np.ndarray, losses: np.ndarray, step: np.ndarray) -> None:
        """Update the path, the archive and the step size, by a paired test of two generations."""
        c = self._c_c
        self._path = (1 - c) * self._path + sqrt(c * (2 - c) * self.mu_w) * step
        self._store()
        self._generations += 1
        self._adapt(losses[order])

    def _store(self) -> None:
        if len(self._archive) == self._archive_size:
            gaps = np.diff(self._ages)
            # Drop the oldest if all are far enough apart, and otherwise the later of the closest pair.
            dropped = 0 if gaps.min() > self._gap else int(gaps.argmin()) + 1
            del self._archive[dropped], self._ages[dropped]
        self._archive.append(self._path.copy())
        self._ages.append(self._generations)

    def _adapt(self, ranked: np.ndarray) -> None:
        before, self._before = self._before, ranked.copy()
        if before is None:
            return
        # Under the null hypothesis, a member of the new generation beats the last one's of equal rank with probability 1/2.
        # All ranks weigh the same, and a tie is half a win; there the better half has the weights of recombination.
        better = float((ranked < before).sum() + 0.5 * (ranked == before).sum())
        z = 2 / sqrt(self.size) * (better - self.size / 2)
        self._success = 0.7 * self._success + sqrt(0.3 * 1.7) * z
        self.step *= float(np.exp(NormalDist().cdf(self._success) - 0.95))
