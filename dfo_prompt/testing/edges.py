"""Tests an optimizer at the limits of its settings and in threads."""

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from itertools import product

import numpy as np
import pytest

from dfo_prompt.run.factory import is_deterministic
from dfo_prompt.testing.driving import drive, make, same, stepping
from dfo_prompt.types import Matrix

SEEDS = (0, 2**31, 2**32, 2**63, 2**64)
BATCHES = 5


class EdgesConformance:
    """Tests few dimensions, small populations, large seeds, a single query and several threads."""

    def test_works_in_few_dimensions_with_small_populations(self, name: str) -> None:
        """It works in one and two dimensions, with any bounds, a start on the border and one to three candidates."""
        for dim, bounds, popsize, budget in product((1, 2), (None, (0.0, 1.0), (0.0, np.inf)), (1, 2, 3), (1, 7)):
            settings = {"dim": dim, "bounds": bounds, "popsize": popsize, "budget": budget}
            assert drive(make(name, **settings))[0].spent.queries == budget, f"{name!r} fails with {settings}"

    def test_moves_in_one_dimension(self, name: str) -> None:
        """In one dimension at least a third of the candidates are distinct."""
        for bounds in (None, (-4.0, 4.0)):
            _, batches = drive(make(name, dim=1, bounds=bounds, budget=60))
            distinct = len(np.unique(np.concatenate(batches)))
            assert distinct >= 20, f"{name!r} asks for {distinct} points of a line in 60 queries, bounds {bounds}"

    def test_takes_any_seed(self, name: str) -> None:
        """A seed is any integer >= 0."""
        for seed in SEEDS:
            assert drive(make(name, seed=seed, budget=7))[0].spent.queries == 7, f"{name!r} fails with seed {seed}"

    def test_threads_do_not_meet(self, name: str) -> None:
        """Searches in threads propose the same candidates as each alone."""
        self._only_if_deterministic(name)

        def search(seed: int) -> list[Matrix]:
            return list(stepping(make(name, seed=seed), BATCHES))

        alone = [search(seed) for seed in (1, 2)]
        with ThreadPoolExecutor(2) as pool:
            # Files of `plugin_files` belong to the context, which new threads do not share.
            futures = [pool.submit(copy_context().run, search, seed) for seed in (1, 2)]
        together = [future.result() for future in futures]
        assert all(map(same, alone, together)), f"a concurrent thread changes {name!r}"

    def _only_if_deterministic(self, name: str) -> None:
        if not is_deterministic(name):
            pytest.skip("declares that it does not repeat itself")
