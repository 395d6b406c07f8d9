"""The promises of an objective, one a test."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar

import numpy as np
import pytest

from dfo_prompt.contracts.objective import Composite, Described, Estimating, Evaluation, Objective, Outer, Validated
from dfo_prompt.run.factory import create_objective
from dfo_prompt.types import Matrix, Vector

SPLITS = ("dev", "test")


class ObjectiveConformance:
    """Subclass it, name the objectives, and pytest checks each promise on each.

    Attributes:
        names: as `dfo-prompt list objectives` shows them.
        dim: d, of the candidates.
        options: keyword options, the same for all names.
        deterministic: a candidate has the same loss again; one that draws anew at every call says False.
        tolerance: relative, between the losses of a candidate in different batches: rounding.
    """

    names: ClassVar[tuple[str, ...]] = ()
    dim: ClassVar[int] = 20
    options: ClassVar[Mapping[str, Any]] = {}
    deterministic: ClassVar[bool] = True
    tolerance: ClassVar[float] = 1e-5

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each test once for each name."""
        metafunc.parametrize("name", self.names, scope="class")

    def build(self, name: str, seed: int = 1) -> Objective:
        """Build the objective; override it for options that differ between names or come from fixtures."""
        return create_objective(name, dim=self.dim, seed=seed, **self.options)

    def test_is_an_objective(self, name: str) -> None:
        """It has `evaluate`, and the dimension that it was asked for."""
        objective = self.build(name)
        assert isinstance(objective, Objective), f"{name!r} has no dim and evaluate"
        assert objective.dim == self.dim, f"{name!r} has {objective.dim} dimensions, not {self.dim}"

    def test_scores_every_candidate(self, name: str) -> None:
        """Losses and metrics are finite float64 (B,), costs are whole numbers, for one candidate and for many."""
        for count in (1, 5):
            _check(self.build(name).evaluate(self._candidates(count)), count, name)

    def test_leaves_candidates_alone(self, name: str) -> None:
        """`evaluate` does not change what it is given, and keeps nothing of it."""
        objective, candidates = self.build(name), self._candidates(4)
        copy = candidates.copy()
        losses = objective.evaluate(candidates).losses.copy()
        assert np.array_equal(candidates, copy), f"{name!r} changes the candidates"
        candidates[:] = 9.0
        if self.deterministic:
            again = objective.evaluate(copy).losses
            assert np.array_equal(again, losses), f"{name!r} keeps an array that it was given"

    def test_repeats_itself(self, name: str) -> None:
        """The same seed and candidates give the same losses; another objective in between changes nothing."""
        self._only_if_deterministic()
        candidates = self._candidates(4)
        one, other = self.build(name), self.build(name)
        first = one.evaluate(candidates).losses
        self.build(name, seed=2).evaluate(candidates)
        for objective in (one, other):
            assert np.array_equal(objective.evaluate(candidates).losses, first), f"{name!r} does not repeat itself"

    def test_batches_do_not_matter(self, name: str) -> None:
        """A candidate has the same loss alone and among others."""
        self._only_if_deterministic()
        objective, candidates = self.build(name), self._candidates(5)
        together = objective.evaluate(candidates).losses
        alone = np.concatenate([objective.evaluate(candidate[None]).losses for candidate in candidates])
        said = f"{name!r} scores a candidate differently among others"
        assert np.allclose(alone, together, rtol=self.tolerance, atol=self.tolerance), said

    def test_describes_itself(self, name: str) -> None:
        """`describe`, where there is one, gives what a manifest can hold, the same each time."""
        objectives = [self.build(name) for _ in range(2)]
        said = [
            json.dumps(objective.describe(), allow_nan=False) for objective in objectives if isinstance(objective, Described)
        ]
        assert len(set(said)) <= 1, f"{name!r} describes itself differently each time"

    def test_validates_on_held_out_data(self, name: str) -> None:
        """An objective with held-out examples gives its metric for each candidate, and for the hand-written prompt."""
        objective = self.build(name)
        if not isinstance(objective, Validated):
            pytest.skip("has no held-out examples")
        for split in SPLITS:
            for count, found in ((3, objective.validate(self._candidates(3), split)), (1, objective.baseline(split))):
                _check(found, count, name)
                assert objective.metric in found.metrics, f"{name!r} gives no {objective.metric} on {split}"

    def test_estimates_hold(self, name: str) -> None:
        """What candidates consume is at most what the objective estimates, and more of them consume no less."""
        objective = self.build(name)
        if not isinstance(objective, Estimating):
            pytest.skip("gives no estimate")
        for count in (1, 3):
            most, more = asdict(objective.estimate(count)), asdict(objective.estimate(count + 1))
            calls = {"train": objective.evaluate(self._candidates(count))}
            if isinstance(objective, Composite) and objective.outer is not None:
                calls["outputs"] = objective.evaluate_outputs(self._candidates(count))
            for what, found in calls.items():
                over = {key: used for key, used in asdict(found.usage).items() if 0 < most[key] < used}
                assert not over, f"{name!r} consumes more than its estimate on {what}: {over}"
            assert all(most[key] <= more[key] for key in most), f"{name!r} estimates less for more candidates"

    def test_outputs_give_the_losses(self, name: str) -> None:
        """The outer function of the outputs is the loss, its derivatives are right, and outputs change no loss."""
        objective = self.build(name)
        if not isinstance(objective, Composite) or objective.outer is None:
            pytest.skip("has no outputs")
        outer, candidates = objective.outer, self._candidates(3)
        found = objective.evaluate_outputs(candidates)
        assert found.outputs is not None, f"{name!r} gives no outputs"
        outputs = np.asarray(found.outputs, dtype=np.float64)
        assert outputs.shape == (3, outer.size), f"{name!r} gives outputs of shape {outputs.shape}, not (3, {outer.size})"
        assert self._near(outer.losses(outputs), found.losses), f"the outer function of {name!r} gives other losses"
        if self.deterministic:
            plain = objective.evaluate(candidates)
            assert self._near(plain.losses, found.losses), f"{name!r} scores otherwise where outputs are asked for"
        _check_derivatives(outer, outputs, name)

    def _near(self, one: Vector, other: Vector) -> bool:
        return np.allclose(one, other, rtol=self.tolerance, atol=self.tolerance)

    def _candidates(self, count: int) -> Matrix:
        return np.random.default_rng(0).standard_normal((count, self.dim))

    def _only_if_deterministic(self) -> None:
        if not self.deterministic:
            pytest.skip("declares that it does not repeat itself")


def _check_derivatives(outer: Outer, outputs: Matrix, name: str) -> None:
    step = 1e-6 * max(1.0, float(np.abs(outputs).max()))
    directions = np.random.default_rng(1).standard_normal(outputs.shape)
    ahead, behind = outputs + step * directions, outputs - step * directions
    slopes = (outer.losses(ahead) - outer.losses(behind)) / (2 * step)
    given = (outer.gradient(outputs) * directions).sum(axis=1)
    assert np.allclose(given, slopes, rtol=1e-4, atol=1e-6), f"the outer gradient of {name!r} is not that of its losses"
    turns = (outer.gradient(ahead) - outer.gradient(behind)) / (2 * step)
    curved = outer.curvature(outputs, directions)
    assert np.allclose(curved, turns, rtol=1e-4, atol=1e-6), f"the outer curvature of {name!r} is not that of its gradient"
    bent = (curved * directions).sum(axis=1)
    assert (bent >= -1e-9 * np.abs(curved).max(initial=1)).all(), f"the outer function of {name!r} is not convex"


def _check(found: Evaluation, count: int, name: str) -> None:
    for what, values in {"losses": found.losses, **found.metrics}.items():
        assert np.shape(values) == (count,), f"{name!r} gives {what} of shape {np.shape(values)}, not ({count},)"
        assert np.asarray(values).dtype == np.float64, f"{name!r} gives {what} as {np.asarray(values).dtype}"
        assert np.isfinite(values).all(), f"{name!r} gives {what} that are not finite"
    for currency, cost in asdict(found.usage).items():
        assert isinstance(cost, int), f"{name!r} gives {cost!r} for {currency}, not a whole number"
        assert cost >= 0, f"{name!r} gives {cost} for {currency}"
