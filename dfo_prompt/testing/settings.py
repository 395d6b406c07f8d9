"""Tests whether an optimizer respects the study's start, step size, population size and bounds, as its spec declares."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pytest

from dfo_prompt.run.factory import declarations
from dfo_prompt.testing.driving import drive, make, stepping, tell
from dfo_prompt.types import Bounds, Matrix, Vector

SIGMA, START, ELSEWHERE = 0.5, 1.0, 11.0
WIDE: Bounds = (-9.0, 31.0)
"""A box whose middle is neither START nor ELSEWHERE, both many steps away from its borders."""
NARROW: Bounds = (0.0, 2.0)
BOXES = (None, WIDE)
FIRST = 18
"""The number of first candidates to test: three asks."""
NEAR = 3.0
"""The largest distance between the start and the median of the first candidates, in sigma."""
SHORT, LONG = 0.4, 8.0
"""Limits of the upper quartile of the first steps (largest coordinate, in sigma): about 2 for normal draws, 7 for Cauchy."""


class SettingsConformance:
    """Tests each setting. A setting that the spec `ignores` must have no effect; one that it `adapts` must have an effect.

    Attributes:
        seeds: the number of searches whose first candidates are pooled.
        popsizes: the population sizes to test.
    """

    seeds: ClassVar[int] = 5
    popsizes: ClassVar[tuple[int, ...]] = (1, 2, 3, 6, 7, 12)

    def test_starts_at_x0(self, name: str) -> None:
        """The first candidates lie around x0, without bounds and in a box with another middle."""
        changed = {"x0": np.full(5, ELSEWHERE)}
        if _is_declared(name, "x0", changed):
            return
        for start in (START, ELSEWHERE):
            for box in BOXES:
                candidates = np.concatenate(
                    [_first(name, x0=np.full(5, start), bounds=box, seed=s) for s in range(self.seeds)]
                )
                away = float(np.abs(np.median(candidates, axis=0) - start).max()) / SIGMA
                where = "without bounds" if box is None else f"in the box {box}"
                message = (
                    f"{name!r} does not start at x0 {where}: its first candidates lie {away:.1f} sigma away; {_advice('x0')}"
                )
                assert away <= NEAR, message

    def test_steps_by_sigma(self, name: str) -> None:
        """The lengths of the first steps are proportional to sigma, also in a box."""
        if _is_declared(name, "sigma", {"sigma": 2 * SIGMA}):
            return
        for box in BOXES:
            where = "without bounds" if box is None else f"in the box {box}"
            steps = [_first_step(name, seeds=self.seeds, sigma=sigma, bounds=box) for sigma in (SIGMA, 2 * SIGMA)]
            problem = f"{name!r} does not step by sigma {where}: {steps[0]:.2g} and {steps[1]:.2g} times sigma"
            assert all(SHORT <= step <= LONG for step in steps), f"{problem}; {_advice('sigma')}"
            assert 2 / 3 <= steps[1] / steps[0] <= 3 / 2, f"{problem} where sigma is doubled; {_advice('sigma')}"
        single, double = (_first(name, sigma=sigma, bounds=NARROW) for sigma in (1.0, 2.0))
        message = f"{name!r} cuts sigma in a narrow box: 1 and 2 give the same candidates in {NARROW}; {_advice('sigma')}"
        assert not np.array_equal(single, double), message

    def test_asks_for_popsize(self, name: str) -> None:
        """An ask returns `popsize` candidates; the first ask may return x0 alone."""
        if _is_declared(name, "popsize", {"popsize": 12}):
            return
        least = declarations(name).least_popsize
        for popsize in self.popsizes:
            sizes = [len(batch) for batch in stepping(make(name, popsize=popsize, budget=400), 4)]
            wrong = [size for size in sizes[sizes[0] == 1 :] if size != max(popsize, least)]
            assert not wrong, f"{name!r} asks for {wrong[0]} candidates where popsize is {popsize}; {_advice('popsize')}"

    def test_reaches_the_borders(self, name: str) -> None:
        """The search follows a loss that decreases towards a corner, for each corner."""
        if "bounds" in declarations(name).ignores:
            pytest.skip("declares that it ignores bounds")
        for sign in (1.0, -1.0):
            slope: Callable[[Matrix], Vector] = lambda z, sign=sign: sign * z.sum(axis=1)  # type: ignore[misc]  # noqa: E731
            result, _ = drive(make(name, bounds=(-1.0, 3.0), sigma=1.0, budget=300), slope)
            reached = float(-sign * (result.best - START).mean()) / 2
            assert reached > 0.3, f"{name!r} goes {reached:.0%} of the way to the border that the loss falls to"


def _is_declared(name: str, setting: str, changed: dict[str, Any]) -> bool:
    """Check the spec's declaration on a setting, and tell whether there is one."""
    spec = declarations(name)
    if spec.deterministic and setting in spec.adapts:
        assert _matters(name, None, changed), f"{name!r} ignores {setting}; declare it so"
    elif spec.deterministic and setting in spec.ignores:
        message = f"{name!r} declares that it ignores {setting}, which changes its candidates; say in `adapts` how"
        assert not any(_matters(name, box, changed) for box in BOXES), message
    return setting in spec.adapts or setting in spec.ignores


def _matters(name: str, box: Bounds | None, changed: dict[str, Any]) -> bool:
    """Tell whether a setting changes the candidates or the batch sizes."""
    plain, varied = _first_batches(name, bounds=box), _first_batches(name, bounds=box, **changed)
    return not all(np.array_equal(first, second) for first, second in zip(plain, varied, strict=False))


def _first(name: str, **changes: Any) -> Matrix:
    """Return the first candidates of a search, (n, d)."""
    return np.concatenate(_first_batches(name, **changes))[:FIRST]


def _first_batches(name: str, **changes: Any) -> list[Matrix]:
    """Return the first batches (B, d) of a search whose loss is the squared distance to its start."""
    optimizer = make(name, **{"sigma": SIGMA, "budget": 400} | changes)
    batches: list[Matrix] = []
    while sum(map(len, batches)) < FIRST:
        batches.append(optimizer.ask())
        assert len(batches[-1]), f"{name!r} asks for no candidate"
        tell(optimizer, batches[-1].copy(), ((batches[-1] - optimizer.x0) ** 2).sum(axis=1))
    return batches


def _first_step(name: str, *, seeds: int, sigma: float, bounds: Bounds | None) -> float:
    steps = [np.abs(_first(name, sigma=sigma, bounds=bounds, seed=s) - START).max(axis=1) for s in range(seeds)]
    moved = np.concatenate(steps)
    where = "without bounds" if bounds is None else f"in the box {bounds}"
    assert moved.any(), f"{name!r} asks for x0 only in its first {FIRST} candidates {where}"
    return float(np.quantile(moved[moved > 0], 0.75)) / sigma


def _advice(setting: str) -> str:
    return f"declare {setting} in the spec's `ignores` or `adapts`"
