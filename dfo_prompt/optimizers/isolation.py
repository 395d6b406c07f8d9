"""Isolates libraries that use global state from the rest of the process."""

import random
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from dfo_prompt._util.contained import GLOBAL_STATE


@contextmanager
def silenced() -> Iterator[None]:
    """Ignore warnings inside a `with` block, one thread at a time.

    Optimizer libraries warn about settings and stopping rules, which the study decides. The filters are global to the
    process, so threads that exchanged them at the same time would restore the wrong ones.
    """
    with GLOBAL_STATE, warnings.catch_warnings(action="ignore"):
        yield


class Isolation:
    """Runs code with its own state of the global random generators.

    The generators are those of NumPy, `random` and, if it is imported, PyTorch (on the CPU). Code inside the block continues
    with the state at the end of the previous block; code outside is unaffected. PyTorch's default dtype is float32 inside.
    Warnings are ignored inside. Threads take turns. Prefer to pass a generator if the library accepts one: it needs no lock.

        isolation = dp.Isolation(seed)
        with isolation():
            candidates = library.ask()

    Args:
        seed: the seed of all generators; any integer >= 0.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._numpy = np.random.RandomState(seed % 2**32).get_state()
        self._python = random.Random(seed).getstate()  # noqa: S311 - not used for security
        self._torch: Any = None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Swap in the own states, and restore the outer states at the end."""
        library: Any = sys.modules.get("torch")
        torch = getattr(library, "default_generator", None)
        with silenced():
            outer = np.random.get_state(), random.getstate(), torch and torch.get_state()  # noqa: NPY002
            dtype = torch and library.get_default_dtype()
            np.random.set_state(self._numpy)  # noqa: NPY002
            random.setstate(self._python)
            if torch:
                library.set_default_dtype(library.float32)
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
                    library.set_default_dtype(dtype)
