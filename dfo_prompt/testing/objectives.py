"""Tests the promises of an objective, one per test."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar

import numpy as np
import pytest

from dfo_prompt.contracts.objective import Composite, Described, Estimating, Evaluation, Objective, Outer, Validated
from dfo_prompt.run.factory import create_objective
from dfo_prompt.testing.naming import parametrize_names
from dfo_prompt.types import Matrix, Vector

SPLITS = ("dev", "test")


class ObjectiveConformance:
    """Subclass this and name the objectives; pytest checks each promise for each of them.

    Attributes:
        names: names of `dfo-prompt list objectives`.
        dim: the dimension d of candidates.
        options: keyword options for all names.
        deterministic: whether a candidate always has the same loss.
        tolerance: the relative tolerance between losses of a candidate in different batches.
    """

    names: ClassVar[tuple[str, ...]] = ()
    dim: ClassVar[int] = 20
    options: ClassVar[Mapping[str, Any]] = {}
    deterministic: ClassVar[bool] = True
    tolerance: ClassVar[float] = 1e-5

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each test once for each name."""
        parametrize_names(metafunc, self.names)

    def build(self, name: str, seed: int = 1) -> Objective:
        """Build the objective; override this for options that differ between names or come from fixtures."""
        return create_objective(name, dim=self.dim, seed=seed, **self.options)

    def test_is_an_objective(self, name: str) -> None:
        """It has `evaluate` and the requested dimension."""
        objective = self.build(name)
        assert isinstance(objective, Objective), f"{name!r} has no dim and evaluate"
        assert objective.dim == self.dim, f"{name!r} has {objective.dim} dimensions, not {self.dim}"

    def test_scores_every_candidate(self, name: str) -> None:
        """Losses and metrics are finite float64 (B,), and costs are integers, for one candidate and for many."""
        for count in (1, 5):
            _check(self.build(name).evaluate(self._candidates(count)), count, name)

    def test_leaves_candidates_alone(self, name: str) -> None:
        """`evaluate` neither changes nor keeps its argument."""
        objective, candidates = self.build(name), self._candidates(4)
        copy = candidates.copy()
        losses = objective.evaluate(candidates).losses.copy()
        assert np.array_equal(candidates, copy), f"{name!r} changes the candidates"
        candidates[:] = 9.0
        if self.deterministic:
            again = objective.evaluate(copy).losses
            assert np.array_equal(again, losses), f"{name!r} keeps an array that it was given"

    def test_repeats_itself(self, name: str) -> None:
        """The same seed and candidates give the same losses, also with another objective in between."""
        self._only_if_deterministic()
        candidates = self._candidates(4)
        first, second = self.build(name), self.build(name)
        losses = first.evaluate(candidates).losses
        self.build(name, seed=2).evaluate(candidates)
        for objective in (first, second):
            assert np.array_equal(objective.evaluate(candidates).losses, losses), f"{name!r} does not repeat itself"

    def test_batches_do_not_matter(self, name: str) -> None:
        """A candidate has the same loss alone and among others."""
        self._only_if_deterministic()
        objective, candidates = self.build(name), self._candidates(5)
        together = objective.evaluate(candidates).losses
        alone = np.concatenate([objective.evaluate(candidate[None]).losses for candidate in candidates])
        message = f"{name!r} scores a candidate differently among others"
        assert np.allclose(alone, together, rtol=self.tolerance, atol=self.tolerance), message

    def test_describes_itself(self, name: str) -> None:
        """`describe`, if implemented, returns the same JSON data each time."""
        objectives = [self.build(name) for _ in range(2)]
        descriptions = [
            json.dumps(objective.describe(), allow_nan=False) for objective in objectives if isinstance(objective, Described)
        ]
        assert len(set(descriptions)) <= 1, f"{name!r} describes itself differently each time"

    def test_validates_on_held_out_data(self, name: str) -> None:
        """An objective with held-out examples returns its metric for each candidate and for the hand-written prompt."""
        objective = self.build(name)
        if not isinstance(objective, Validated):
            pytest.skip("has no held-out examples")
        for split in SPLITS:
            for count, evaluation in ((3, objective.validate(self._candidates(3), split)), (1, objective.baseline(split))):
                _check(evaluation, count, name)
                assert objective.metric in evaluation.metrics, f"{name!r} gives no {objective.metric} on {split}"

    def test_estimates_hold(self, name: str) -> None:
        """Candidates consume at most the objective's estimate, which does not decrease with their number."""
        objective = self.build(name)
        if not isinstance(objective, Estimating):
            pytest.skip("gives no estimate")
        for count in (1, 3):
            most, more = asdict(objective.estimate(count)), asdict(objective.estimate(count + 1))
            calls = {"train": objective.evaluate(self._candidates(count))}
            if isinstance(objective, Composite) and objective.outer is not None:
                calls["outputs"] = objective.evaluate_outputs(self._candidates(count))
            for call, evaluation in calls.items():
                over = {key: used for key, used in asdict(evaluation.usage).items() if 0 < most[key] < used}
                assert not over, f"{name!r} consumes more than its estimate on {call}: {over}"
            assert all(most[key] <= more[key] for key in most), f"{name!r} estimates less for more candidates"

    def test_outputs_give_the_losses(self, name: str) -> None:
        """The outer function of the outputs is the loss, its derivatives are correct, and outputs do not change losses."""
        objective = self.build(name)
        if not isinstance(objective, Composite) or objective.outer is None:
            pytest.skip("has no outputs")
        outer, candidates = objective.outer, self._candidates(3)
        evaluation = objective.evaluate_outputs(candidates)
        assert evaluation.outputs is not None, f"{name!r} gives no outputs"
        outputs = np.asarray(evaluation.outputs, dtype=np.float64)
        assert outputs.shape == (3, outer.size), f"{name!r} gives outputs of shape {outputs.shape}, not (3, {outer.size})"
        assert self._near(outer.losses(outputs), evaluation.losses), f"the outer function of {name!r} gives other losses"
        if self.deterministic:
            plain = objective.evaluate(candidates)
            assert self._near(plain.losses, evaluation.losses), f"{name!r} scores candidates differently with outputs"
        _check_derivatives(outer, outputs, name)

    def _near(self, first: Vector, second: Vector) -> bool:
        return np.allclose(first, second, rtol=self.tolerance, atol=self.tolerance)

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
    products = (outer.gradient(outputs) * directions).sum(axis=1)
    assert np.allclose(products, slopes, rtol=1e-4, atol=1e-6), f"the outer gradient of {name!r} is not that of its losses"
    turns = (outer.gradient(ahead) - outer.gradient(behind)) / (2 * step)
    curved = outer.curvature(outputs, directions)
    assert np.allclose(curved, turns, rtol=1e-4, atol=1e-6), f"the outer curvature of {name!r} is not that of its gradient"
    bent = (curved * directions).sum(axis=1)
    assert (bent >= -1e-9 * np.abs(curved).max(initial=1)).all(), f"the outer function of {name!r} is not convex"


def _check(evaluation: Evaluation, count: int, name: str) -> None:
    for figure, values in {"losses": evaluation.losses, **evaluation.metrics}.items():
        assert np.shape(values) == (count,), f"{name!r} gives {figure} of shape {np.shape(values)}, not ({count},)"
        assert np.asarray(values).dtype == np.float64, f"{name!r} gives {figure} as {np.asarray(values).dtype}"
        assert np.isfinite(values).all(), f"{name!r} gives {figure} that are not finite"
    for currency, cost in asdict(evaluation.usage).items():
        assert isinstance(cost, int), f"{name!r} gives {cost!r} for {currency}, not a whole number"
        assert cost >= 0, f"{name!r} gives {cost} for {currency}"
