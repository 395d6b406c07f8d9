"""Keeps libraries that use global state apart from everything else in the process."""

import random
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any

import numpy as np

_TURN = RLock()
"""Whoever exchanges global state holds it: studies in threads take turns, and each finds its own state."""


@contextmanager
def silenced() -> Iterator[None]:
    """Ignore warnings inside a `with` block, one thread at a time.

    Warnings of optimizer libraries are notes on settings and stopping rules, which a study decides. The filters belong to
    the whole process, so two threads that exchanged them at once would leave the wrong ones behind.
    """
    with _TURN, warnings.catch_warnings(action="ignore"):
        yield


class Isolation:
    """Lends a piece of code the global random generators, in a state of its own.

    The generators are those of NumPy, `random` and, where it is imported, PyTorch (on the CPU). What runs inside continues
    where the last use of this object stopped; what runs outside never notices. Warnings are ignored inside. Threads that
    share the process take turns. Where a library takes a generator as an argument, that is better: it needs no turn.

        isolation = dp.Isolation(seed)
        with isolation():
            candidates = library.ask()

    Args:
        seed: of all generators; any integer >= 0.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._numpy = np.random.RandomState(seed % 2**32).get_state()
        self._python = random.Random(seed).getstate()  # noqa: S311 - nothing here is secret
        self._torch: Any = None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Swap the states in and, at the end, out."""
        torch = getattr(sys.modules.get("torch"), "default_generator", None)
        with silenced():
            outer = np.random.get_state(), random.getstate(), torch and torch.get_state()  # noqa: NPY002
            np.random.set_state(self._numpy)  # noqa: NPY002
            random.setstate(self._python)
            if torch and self._torch is None:
                torch.manual_seed(self._seed % 2**63)
            elif torch:
                torch.set_state(self._torch)
            try:
                yield
            finally:
                self._numpy, self._python = np.random.get_state(), random.getstate()  # noqa: NPY002
                np.random.set_state(outer[0])  # noqa: NPY002
                random.setstate(outer[1])
                if torch:
                    self._torch = torch.get_state()
                    torch.set_state(outer[2])
