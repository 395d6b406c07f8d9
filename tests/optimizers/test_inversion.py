"""Libraries that call the function themselves work through ask and tell."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress

import numpy as np
import pytest

import dfo_prompt as dp
from dfo_prompt.study.checked_optimizer import CheckedOptimizer

SETTINGS = {"dim": 3, "seed": 1, "budget": 50, "popsize": 4, "sigma": 0.5, "x0": np.ones(3)}


class Compass(dp.CallbackOptimizer):
    """Two polls, one point and then a batch; then it ends."""

    def minimize(self, function, start):
        self.starts = [*getattr(self, "starts", []), start]
        self.returned = function(start)
        self.several = function(start + self.sigma * np.eye(self.dim))


def test_calls_become_asks_and_answers_return():
    optimizer = Compass(**SETTINGS)
    np.testing.assert_array_equal(optimizer.ask(), np.ones((1, 3)))
    np.testing.assert_array_equal(optimizer.ask(), np.ones((1, 3)))
    optimizer.tell(optimizer.ask(), np.array([7.0]))
    assert optimizer.returned == 7.0
    np.testing.assert_array_equal(optimizer.ask(), 1 + 0.5 * np.eye(3))
    optimizer.tell(optimizer.ask(), np.array([9.0, 5.0, 8.0]))
    np.testing.assert_array_equal(optimizer.several, [9, 5, 8])
    np.testing.assert_array_equal(optimizer.recommend(), [1, 1.5, 1])


def test_where_it_ends_it_starts_again_near_the_best():
    optimizer = Compass(**SETTINGS)
    for _ in range(6):
        z = optimizer.ask()
        optimizer.tell(z, (z**2).sum(axis=1))
    assert optimizer.describe() == {"restarts": 3}
    assert len(optimizer.starts) == 4
    assert all(0 < np.abs(start - 1).max() < 3 for start in optimizer.starts[1:])


def test_candidates_and_starts_lie_inside_the_bounds():
    optimizer = Compass(**SETTINGS, bounds=(0.9, 1.1))
    for _ in range(6):
        z = optimizer.ask()
        assert ((z >= 0.9) & (z <= 1.1)).all()
        optimizer.tell(z, (z**2).sum(axis=1))
    assert all(((start >= 0.9) & (start <= 1.1)).all() for start in optimizer.starts)


def test_a_minimizer_that_leaves_the_numbers_starts_again():
    class Leaves(dp.CallbackOptimizer):
        def minimize(self, function, start):
            for factor in (1.0, np.inf, 2.0):
                function(start * factor)

    optimizer = CheckedOptimizer(Leaves(**SETTINGS), name="leaves")
    for _ in range(3):
        z = optimizer.ask()
        optimizer.tell(z, -z.sum(axis=1))
    assert optimizer.describe() == {"restarts": 3}


def _in_threads(self, function, start):
    for _ in range(3):  # as a library with a pool of threads that keeps going where one fails
        with ThreadPoolExecutor(1) as pool:
            pool.submit(function, start).exception()


def _in_threads_later(self, function, start):
    function(start)
    _in_threads(self, function, start)
    function(start)


@pytest.mark.parametrize(
    ("minimize", "said"),
    [
        (_in_threads, "'it' failed in ask: RuntimeError: minimize.. called its function from another thread"),
        (
            lambda self, function, start: None,
            "'it' failed in ask: RuntimeError: minimize.. returned 100 times without calling",
        ),
        (lambda self, function, start: 1 / 0, "'it' failed in ask: ZeroDivisionError"),
        (lambda self, function, start: function("abc"), "'it' failed in ask: ValueError"),
    ],
)
def test_a_minimizer_that_cannot_go_on_is_one_line(minimize, said):
    optimizer = CheckedOptimizer(type("It", (dp.CallbackOptimizer,), {"minimize": minimize})(**SETTINGS), name="it")
    with pytest.raises(dp.PluginError, match=said):
        optimizer.ask()


@pytest.mark.parametrize("swallowed", [False, True])
def test_a_minimizer_that_calls_from_other_threads_later_is_one_line(swallowed):
    def minimize(self, function, start):
        with suppress(RuntimeError) if swallowed else nullcontext():
            _in_threads_later(self, function, start)

    optimizer = CheckedOptimizer(type("It", (dp.CallbackOptimizer,), {"minimize": minimize})(**SETTINGS), name="it")
    with pytest.raises(dp.PluginError, match="'it' failed in tell: RuntimeError: minimize.. called .* from another thread"):
        optimizer.tell(optimizer.ask(), np.ones(1))
