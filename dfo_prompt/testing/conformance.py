"""Tests the promises of an optimizer, one per test."""

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from dfo_prompt.plugin.catalogue import catalogue, given_files
from dfo_prompt.run.factory import is_deterministic
from dfo_prompt.testing.driving import SETTINGS, completed, drive, interrupted, make, same, sphere, stepping, tell
from dfo_prompt.testing.edges import EdgesConformance
from dfo_prompt.testing.naming import parametrize_names
from dfo_prompt.testing.pytest_plugin import OPTION, QUICK
from dfo_prompt.testing.settings import SettingsConformance
from dfo_prompt.types import Matrix, Vector

EXIT_SECONDS = 120
UNFINISHED = """
import sys
from pathlib import Path
from dfo_prompt.plugin.catalogue import plugin_files
from dfo_prompt.testing.driving import make
with plugin_files(*map(Path, sys.argv[2:])):
    make(sys.argv[1]).ask()
"""
"""A program that begins a search by the optimizer and plugin files in its arguments."""
OWN_ENDS = [-0.5, 0.0, 0.5, -3.0, 1.0], [1.5, 1.0, 4.0, 1.25, 9.0]
"""A box with different bounds per coordinate; the start lies on the border in some."""
ONE_SIDED = [-np.inf, -0.5, -np.inf, 0.5, 1.0], [1.5, np.inf, np.inf, 1.5, np.inf]


class OptimizerConformance(SettingsConformance, EdgesConformance):
    """Subclass this and name the optimizers; pytest checks each promise for each of them.

    Attributes:
        names: names of `dfo-prompt list optimizers`; by default those of `--dfo-prompt-optimizer`.
        dims: the dimensions to test.
        progress_budget: the queries within which the loss on the five-dimensional sphere must halve.
        plateau_budget: the queries on a plateau.
    """

    names: ClassVar[tuple[str, ...]] = ()
    dims: ClassVar[tuple[int, ...]] = (1, 2, 50, 1000)
    progress_budget: ClassVar[int] = 600
    plateau_budget: ClassVar[int] = 400

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each test once for each name; an optimizer that cannot be imported is one error."""
        chosen = metafunc.config.getoption(OPTION, [])
        for name in () if self.names else chosen:
            catalogue().optimizers.find(name).load()
        parametrize_names(metafunc, self.names or tuple(chosen))

    @pytest.fixture(autouse=True)
    def _quick(self, request: pytest.FixtureRequest) -> None:
        if request.config.getoption(QUICK, default=False):
            vars(self).update(dims=(1, 2, 10), plateau_budget=60, seeds=2, popsizes=(1, 3, 12))

    def test_asks_for_finite_float64_candidates(self, name: str) -> None:
        """`ask` returns (B, d) float64, B >= 1, all finite."""
        optimizer = make(name)
        for batch in stepping(optimizer, 3):
            assert batch.dtype == np.float64, "candidates must be float64"
            assert batch.ndim == 2, "candidates must be (B, d)"
            assert batch.shape[1] == optimizer.dim, "candidates must have d columns"
            assert len(batch), "a batch must have a candidate"
            assert np.isfinite(batch).all(), "candidates must be finite"

    def test_spends_exactly_the_budget(self, name: str) -> None:
        """The study ends with the budget spent, for any batch sizes."""
        for budget in (1, 61):
            assert drive(make(name, budget=budget))[0].spent.queries == budget

    def test_takes_a_population_larger_than_the_budget(self, name: str) -> None:
        """A truncated first batch causes no failure."""
        assert drive(make(name, budget=7, popsize=40))[0].spent.queries == 7

    def test_works_in_every_dimension(self, name: str) -> None:
        """It works from one dimension to a thousand."""
        for dim in self.dims:
            result, _ = drive(make(name, dim=dim, budget=30))
            assert result.best_loss is not None, f"no loss in {dim} dimensions"

    def test_keeps_inside_the_bounds(self, name: str) -> None:
        """Every candidate, and the recommendation, lies in the box."""
        if "bounds" in catalogue().optimizers.find(name).ignores:
            pytest.skip("declares that it ignores bounds")
        for low, high in ((-0.5, 1.5), OWN_ENDS, ONE_SIDED):
            _, batches = drive(make(name, bounds=(low, high), sigma=2.0))
            outside = f"a candidate lies outside the bounds {low}, {high}"
            assert all(((batch >= low) & (batch <= high)).all() for batch in batches), outside
            moved = len(np.unique(np.concatenate(batches), axis=0))
            assert moved > 1, f"{name!r} asks for one point only in the bounds {low}, {high}"

    def test_repeats_itself(self, name: str) -> None:
        """The same arguments and losses give the same candidates throughout the search, also for seed 0."""
        self._only_if_deterministic(name)
        for settings in ({"seed": 0, "dim": 2, "budget": 200}, {"seed": 7}):
            once, again = (drive(make(name, **settings))[1] for _ in range(2))
            assert same(once, again), f"with {settings} it does not repeat itself"

    def test_neither_reads_nor_changes_global_generators(self, name: str) -> None:
        """The global generators of NumPy, random and torch have no effect and are left unchanged."""
        runs = []
        make(name)  # import everything first
        for seed in (11, 12):
            _seed_globals(seed)
            before = _global_draws(seed)
            runs.append(drive(make(name))[1])
            assert _global_draws(None) == before, "a global random generator was used"
        if is_deterministic(name):
            assert same(*runs), "the global random generators change the candidates"

    def test_interleaved_studies_do_not_meet(self, name: str) -> None:
        """Two instances stepped in turn propose the same candidates as each alone."""
        self._only_if_deterministic(name)
        alone = [list(stepping(make(name, seed=seed), 6)) for seed in (1, 2)]
        both = list(zip(stepping(make(name, seed=1), 6), stepping(make(name, seed=2), 6), strict=True))
        assert same(alone[0], [outcome for outcome, _ in both]), "another instance changes the candidates"
        assert same(alone[1], [second for _, second in both]), "another instance changes the candidates"

    def test_leaves_arrays_alone(self, name: str) -> None:
        """Arguments are not changed, and returned arrays are not reused."""
        optimizer, twin = make(name), make(name)
        returned: list[Matrix | Vector] = []  # overwritten with NaN
        for _ in range(6):
            candidates, expected = optimizer.ask(), twin.ask()
            if is_deterministic(name):
                assert np.array_equal(candidates, expected), "writing into an array that was handed out changed the search"
            losses = sphere(candidates)
            copies = candidates.copy(), losses.copy()
            tell(optimizer, candidates, losses)
            tell(twin, expected, sphere(expected))
            assert np.array_equal(candidates, copies[0]), "tell changed the candidates"
            assert np.array_equal(losses, copies[1]), "tell changed the losses"
            answer = optimizer.recommend()
            assert all(np.isnan(array).all() for array in returned), "an array that was returned before is written again"
            candidates[:], losses[:], answer[:] = np.nan, np.nan, np.nan
            returned += [candidates, answer]
        assert np.isfinite(optimizer.recommend()).all(), "the recommendation is an array that was handed out before"

    def test_recommends_x0_first(self, name: str) -> None:
        """Before any loss, the recommendation is the initial point."""
        assert np.array_equal(make(name).recommend(), np.ones(SETTINGS["dim"]))

    def test_survives_plateaus(self, name: str) -> None:
        """Equal or few-valued losses do not end the search before the budget."""
        for levels in (0, 2):
            result, _ = drive(make(name, dim=3, budget=self.plateau_budget), lambda z, levels=levels: _quantised(z, levels))  # type: ignore[misc]
            assert result.spent.queries == self.plateau_budget

    def test_replays_from_a_journal(self, name: str, tmp_path: Path) -> None:
        """An interrupted and continued study ends with the same journal."""
        self._only_if_deterministic(name)
        for folder in ("whole", "broken"):
            (tmp_path / folder).mkdir()
        whole = completed(name, tmp_path / "whole")
        interrupted(name, tmp_path / "broken", after=3)
        assert completed(name, tmp_path / "broken") == whole

    def test_asks_twice(self, name: str) -> None:
        """A second ask before a tell returns candidates, and the search continues with them."""
        optimizer = make(name)
        optimizer.ask()
        candidates = optimizer.ask()
        tell(optimizer, candidates, sphere(candidates))
        assert optimizer.ask().shape[1] == optimizer.dim

    def test_uses_no_file_of_the_working_directory(self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The working directory is neither read nor written."""
        plain = drive(make(name))[1]
        (tmp_path / "cma_signals.in").write_text("'stop now': True\n")
        monkeypatch.chdir(tmp_path)
        elsewhere = drive(make(name))[1]
        assert [entry.name for entry in tmp_path.iterdir()] == ["cma_signals.in"], "a file was written"
        if is_deterministic(name):
            assert same(plain, elsewhere), "a file of the working directory was read"

    def test_lets_the_process_end(self, name: str) -> None:
        """A process with an unfinished search exits."""
        arguments = [name, *map(str, given_files())]
        subprocess.run([sys.executable, "-W", "ignore", "-c", UNFINISHED, *arguments], timeout=EXIT_SECONDS, check=True)  # noqa: S603

    def test_makes_progress_on_the_sphere(self, name: str) -> None:
        """The best loss is at most half that of the start."""
        result, _ = drive(make(name, budget=self.progress_budget))
        assert result.best_loss is not None
        assert result.best_loss <= 0.5 * SETTINGS["dim"], f"best loss {result.best_loss} from {SETTINGS['dim']}"

    def test_describes_itself(self, name: str) -> None:
        """`describe` returns JSON data."""
        json.dumps(make(name).describe(), allow_nan=False)


def _quantised(candidates: Matrix, levels: int) -> Vector:
    return np.floor(levels * sphere(candidates)) if levels else np.ones(len(candidates))


def _seed_globals(seed: int) -> None:
    np.random.seed(seed)  # noqa: NPY002
    random.seed(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)


def _global_draws(seed: int | None) -> tuple[float, ...]:
    """Draw from each global generator, and seed them again by `_seed_globals(seed)` if a seed is given."""
    draws = [float(np.random.random()), random.random()]  # noqa: NPY002, S311
    if "torch" in sys.modules:
        draws.append(float(sys.modules["torch"].rand(())))
    if seed is not None:
        _seed_globals(seed)
    return tuple(draws)
