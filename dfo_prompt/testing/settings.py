"""Whether an optimizer works with the study's start, step size, population size and bounds, as its spec declares."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pytest

from dfo_prompt.run.factory import declarations
from dfo_prompt.testing.driving import drive, make, tell
from dfo_prompt.types import Bounds, Matrix, Vector

SIGMA, START, ELSEWHERE = 0.5, 1.0, 11.0
WIDE: Bounds = (-9.0, 31.0)
"""Its middle is neither START nor ELSEWHERE, and both lie many steps away from its borders."""
NARROW: Bounds = (0.0, 2.0)
BOXES = (None, WIDE)
FIRST = 18
"""Candidates that are looked at: three asks."""
NEAR = 3.0
"""Steps of sigma between the start and the median of the first candidates, at most."""
SHORT, LONG = 0.4, 8.0
"""Upper quartile of the first steps, their largest coordinate, in sigma: about 2 for five normal draws, 7 for Cauchy's."""


class SettingsConformance:
    """One test a setting. A spec that `ignores` one is held to that; where it `adapts` one, the setting must matter.

    Attributes:
        seeds: searches whose first candidates are looked at together.
        popsizes: population sizes that are asked for.
    """

    seeds: ClassVar[int] = 5
    popsizes: ClassVar[tuple[int, ...]] = (1, 2, 3, 6, 7, 12)

    def test_starts_at_x0(self, name: str) -> None:
        """The first candidates lie around x0, without bounds and in a box whose middle is elsewhere."""
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
                said = (
                    f"{name!r} does not start at x0 {where}: its first candidates lie {away:.1f} sigma away; {_advice('x0')}"
                )
                assert away <= NEAR, said

    def test_steps_by_sigma(self, name: str) -> None:
        """The first steps are as long as sigma says, and twice as long when it is doubled, also in a box."""
        if _is_declared(name, "sigma", {"sigma": 2 * SIGMA}):
            return
        for box in BOXES:
            where = "without bounds" if box is None else f"in the box {box}"
            steps = [_first_step(name, seeds=self.seeds, sigma=sigma, bounds=box) for sigma in (SIGMA, 2 * SIGMA)]
            said = f"{name!r} does not step by sigma {where}: {steps[0]:.2g} and {steps[1]:.2g} times sigma"
            assert all(SHORT <= step <= LONG for step in steps), f"{said}; {_advice('sigma')}"
            assert 2 / 3 <= steps[1] / steps[0] <= 3 / 2, f"{said} where sigma is doubled; {_advice('sigma')}"
        one, two = (_first(name, sigma=sigma, bounds=NARROW) for sigma in (1.0, 2.0))
        said = f"{name!r} cuts sigma in a narrow box: 1 and 2 give the same candidates in {NARROW}; {_advice('sigma')}"
        assert not np.array_equal(one, two), said

    def test_asks_for_popsize(self, name: str) -> None:
        """An ask is for `popsize` candidates; a first ask for x0 alone is allowed."""
        if _is_declared(name, "popsize", {"popsize": 12}):
            return
        least = declarations(name).least_popsize
        for popsize in self.popsizes:
            sizes = _sizes(name, popsize)
            wrong = [size for size in sizes[sizes[0] == 1 :] if size != max(popsize, least)]
            assert not wrong, f"{name!r} asks for {wrong[0]} candidates where popsize is {popsize}; {_advice('popsize')}"

    def test_reaches_the_borders(self, name: str) -> None:
        """A loss that falls towards a corner is followed there, whichever corner it is."""
        if "bounds" in declarations(name).ignores:
            pytest.skip("declares that it ignores bounds")
        for sign in (1.0, -1.0):
            slope: Callable[[Matrix], Vector] = lambda z, sign=sign: sign * z.sum(axis=1)  # type: ignore[misc]  # noqa: E731
            result, _ = drive(make(name, bounds=(-1.0, 3.0), sigma=1.0, budget=300), slope)
            reached = float(-sign * (result.best - START).mean()) / 2
            assert reached > 0.3, f"{name!r} goes {reached:.0%} of the way to the border that the loss falls to"


def _is_declared(name: str, setting: str, changed: dict[str, Any]) -> bool:
    """Check what the spec declares of a setting that it does not honour in full, and tell whether it declares something."""
    spec = declarations(name)
    if spec.deterministic and setting in spec.adapts:
        assert _matters(name, None, changed), f"{name!r} ignores {setting}; declare it so"
    elif spec.deterministic and setting in spec.ignores:
        said = f"{name!r} declares that it ignores {setting}, which changes its candidates; say in `adapts` how"
        assert not any(_matters(name, box, changed) for box in BOXES), said
    return setting in spec.adapts or setting in spec.ignores


def _matters(name: str, box: Bounds | None, changed: dict[str, Any]) -> bool:
    """Tell whether a setting changes the candidates, or how many are asked for at once."""
    plain, other = _first_batches(name, bounds=box), _first_batches(name, bounds=box, **changed)
    return not all(np.array_equal(each, another) for each, another in zip(plain, other, strict=False))


def _first(name: str, **changes: Any) -> Matrix:
    """Return the first candidates of a search, (n, d)."""
    return np.concatenate(_first_batches(name, **changes))[:FIRST]


def _first_batches(name: str, **changes: Any) -> list[Matrix]:
    """Return the first batches (B, d) of a search whose loss is the squared distance to its start."""
    optimizer = make(name, **{"sigma": SIGMA, "budget": 400} | changes)
    batches: list[Matrix] = []
    while sum(map(len, batches)) < FIRST:
        batches.append(optimizer.ask())
        tell(optimizer, batches[-1].copy(), ((batches[-1] - optimizer.x0) ** 2).sum(axis=1))
    return batches


def _first_step(name: str, *, seeds: int, sigma: float, bounds: Bounds | None) -> float:
    steps = [np.abs(_first(name, sigma=sigma, bounds=bounds, seed=s) - START).max(axis=1) for s in range(seeds)]
    moved = np.concatenate(steps)
    return float(np.quantile(moved[moved > 0], 0.75)) / sigma


def _sizes(name: str, popsize: int) -> list[int]:
    optimizer, sizes = make(name, popsize=popsize, budget=400), []
    for _ in range(4):
        batch = optimizer.ask()
        sizes.append(len(batch))
        tell(optimizer, batch, ((batch - optimizer.x0) ** 2).sum(axis=1))
    return sizes


def _advice(setting: str) -> str:
    return f"declare {setting} in the spec's `ignores` or `adapts`"
