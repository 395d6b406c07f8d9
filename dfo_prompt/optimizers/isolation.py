"""Keeps libraries that draw from global random generators apart from everything else in the process."""

import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


class GlobalFence:
    """Lends a piece of code the global generators of NumPy and `random`, in a state of its own.

    What runs inside continues where the last use of this fence stopped; what runs outside never notices. Warnings stay
    inside: those of optimizer libraries are notes on settings and stopping rules, which a study decides.
    """

    def __init__(self, seed: int) -> None:
        self._numpy = np.random.RandomState(seed % 2**32).get_state()
        self._python = random.Random(seed).getstate()  # noqa: S311 - nothing here is secret

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Swap the states in and, at the end, out."""
        outer = np.random.get_state(), random.getstate()  # noqa: NPY002
        np.random.set_state(self._numpy)  # noqa: NPY002
        random.setstate(self._python)
        try:
            with warnings.catch_warnings(action="ignore"):
                yield
        finally:
            self._numpy, self._python = np.random.get_state(), random.getstate()  # noqa: NPY002
            np.random.set_state(outer[0])  # noqa: NPY002
            random.setstate(outer[1])
