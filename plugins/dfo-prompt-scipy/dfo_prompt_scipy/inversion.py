"""Turns a minimizer that calls the function itself into one that is asked and told."""

from collections.abc import Callable
from typing import Any

import numpy as np
from greenlet import getcurrent, greenlet

Minimizer = Callable[[Callable[[np.ndarray], Any]], object]
"""Takes the function and minimizes it, until it thinks that it is done."""


class Inverted:
    """A minimizer that is suspended whenever it calls its function; where it ends, the next one begins.

    A greenlet shares the caller's thread: nothing runs between two calls, and a search that is dropped just ends.

    Args:
        following: gives the first minimizer, and another whenever one has ended.

    Attributes:
        asked: what the function is called with.
        searches: minimizers begun.
    """

    def __init__(self, following: Callable[[], Minimizer]) -> None:
        self._following = following
        self.searches = 0
        self.asked = self._begin()

    def answer(self, value: Any) -> None:
        """Let the function return `value`, and go on until it is called again."""
        self._search.parent = getcurrent()
        asked = self._search.switch(value)
        self.asked = self._begin() if self._search.dead else asked

    def _begin(self) -> np.ndarray:
        while True:
            self.searches += 1
            self._search = greenlet(self._following(), getcurrent())
            asked: np.ndarray = self._search.switch(_suspend)
            if not self._search.dead:  # else it ended without a single call
                return asked


def _suspend(x: np.ndarray) -> Any:
    return getcurrent().parent.switch(np.array(x, dtype=np.float64))
