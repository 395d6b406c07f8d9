"""Tests the promises of a method on a tiny model with random weights and a task with two classes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from dfo_prompt.config.reading import parse_config
from dfo_prompt.methods.reopen import reopen_method
from dfo_prompt.methods.run import MethodResult, run_method
from dfo_prompt.plugin.catalogue import catalogue
from dfo_prompt.study.identity import MANIFEST
from dfo_prompt.study.saved import RESULT
from dfo_prompt.testing.naming import parametrize_names
from dfo_prompt.testing.tiny import WORDS, save_tiny_model

BUDGET, CLASSES = 24, ("bad", "good")
TASK = """\
summary = "Tiny."
template = "{text} . it was {answer}"
[labels]
bad = "bad"
good = "good"
[[patterns]]
template = "{text} . the film was {answer}"
[data]
path = "texts.csv"
columns = { text = "text", label = "label" }
"""
TEXTS = (("bad film",), ("the plot was very dull",), ("fun",), ("it was short . very good",))

Results = tuple[MethodResult, MethodResult]
FOLDER, RAN = pytest.StashKey[Path](), pytest.StashKey[dict[tuple[type, str], Results]]()


class MethodConformance:
    """Subclass this and name the methods; pytest checks each promise for each of them.

    Attributes:
        names: names of `dfo-prompt list methods`.
        options: method options by name, for methods that need them or are slow without them.
        most_queries: the most queries by name, for methods that take more than the budget.
        seed: the seed of split and method.
    """

    names: ClassVar[tuple[str, ...]] = ()
    options: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    most_queries: ClassVar[Mapping[str, int]] = {}
    seed: ClassVar[int] = 1

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each test once for each name."""
        parametrize_names(metafunc, self.names)

    @pytest.fixture
    def folder(self, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """Return the folder of the model, the task's data, the task, and the same task under another name."""
        stash = request.config.stash
        if FOLDER not in stash:
            stash[FOLDER] = _write_problem(tmp_path_factory.mktemp("tiny"))
        return stash[FOLDER]

    @pytest.fixture
    def results(self, request: pytest.FixtureRequest, name: str, folder: Path) -> Results:
        """Run the method twice with the same settings; all tests share the results."""
        ran = request.config.stash.setdefault(RAN, {})
        key = (type(self), name)
        if key not in ran:
            ran[key] = (self.run(name, folder), self.run(name, folder))
        return ran[key]

    def run(self, name: str, folder: Path, *, out: Path | None = None) -> MethodResult:
        """Run the method on the tiny problem."""
        problem = {"model": str(folder / "model"), "task": str(folder / "one.toml"), "shots": 4}
        study = {"optimizer": "random", "budget": BUDGET, "dim": 6, "popsize": 4, "seed": self.seed}
        method = {"method": name, "method_options": dict(self.options.get(name, {}))}
        return run_method(parse_config({**study, **method, "problem": problem, "prompt": {"tokens": 3}}), out=out)

    def test_scores_every_class(self, results: Results, name: str) -> None:
        """`predict` returns probabilities (N, C) for a single text and for several."""
        for texts in (TEXTS[:1], TEXTS):
            found = results[0].fitted.predict(texts)
            wanted = (len(texts), len(CLASSES))
            assert np.shape(found) == wanted, f"{name!r} gives probabilities of shape {np.shape(found)}, not {wanted}"
            assert np.isfinite(found).all(), f"{name!r} gives probabilities that are not finite"
            assert (found >= 0).all(), f"{name!r} gives negative probabilities"
            assert np.allclose(found.sum(axis=1), 1, atol=1e-3), f"{name!r} gives probabilities that do not add up to 1"

    def test_repeats_itself(self, results: Results, name: str) -> None:
        """The same seed gives the same probabilities and the same metrics."""
        first, second = results
        assert np.array_equal(first.fitted.predict(TEXTS), second.fitted.predict(TEXTS)), f"{name!r} does not repeat itself"
        assert first.result.held_out == second.result.held_out, f"{name!r} differs in its metrics"

    def test_batches_do_not_matter(self, results: Results, name: str) -> None:
        """A text has the same probabilities alone and among others, up to rounding."""
        predict = results[0].fitted.predict
        alone = np.concatenate([predict((text,)) for text in TEXTS])
        message = f"{name!r} scores a text differently among others"
        assert np.allclose(alone, predict(TEXTS), rtol=1e-3, atol=1e-4), message

    def test_counts_its_costs(self, results: Results, name: str) -> None:
        """It counts its queries reproducibly, at most the budget or `most_queries`; a search spends the budget."""
        spent, again = (result.fitted.spent for result in results)
        counted = (spent.queries, spent.rows, spent.tokens)
        assert all(isinstance(count, int) and count >= 0 for count in counted), f"{name!r} counts {counted}"
        assert counted == (again.queries, again.rows, again.tokens), f"{name!r} counts differently the second time"
        assert results[0].result.training_seconds >= 0, f"{name!r} took negative time"
        if catalogue().methods.find(name).searches:
            assert spent.queries >= BUDGET, f"{name!r} says that it searches, and spent {spent.queries} of {BUDGET} queries"
        most = self.most_queries.get(name, BUDGET)
        assert spent.queries <= most, f"{name!r} spent {spent.queries} queries, more than {most}; see most_queries"

    def test_reports_figures(self, results: Results, name: str) -> None:
        """Metrics lie between 0 and 1, and its description is JSON data."""
        fitted, held_out = results[0].fitted, results[0].result.held_out
        assert held_out is not None, f"{name!r} was not scored"
        for split, metric in (("dev", held_out.dev_metric), ("test", held_out.test_metric)):
            assert metric is not None, f"{name!r} has no metric on {split}"
            assert 0 <= metric <= 1, f"{name!r} has the metric {metric} on {split}"
        json.dumps(dict(fitted.about), allow_nan=False)

    def test_labels_from_its_folder(self, name: str, folder: Path, tmp_path: Path) -> None:
        """It writes a manifest and a result into its folder, and the folder labels texts as it does."""
        out = tmp_path / "study"
        fitted = self.run(name, folder, out=out).fitted
        assert {MANIFEST, RESULT} <= {file.name for file in out.iterdir()}
        if not catalogue().methods.find(name).tunes:
            reopened = reopen_method(out).predict(TEXTS)
            assert np.array_equal(reopened, fitted.predict(TEXTS)), f"{name!r} labels otherwise from its folder"


def _write_problem(folder: Path) -> Path:
    save_tiny_model(folder / "model")
    rng = np.random.default_rng(0)
    rows = [f"{' '.join(rng.choice(WORDS[:12], 5))},{CLASSES[i % 2]}" for i in range(60)]
    (folder / "texts.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    for task in ("one", "other"):
        (folder / f"{task}.toml").write_text(TASK)
    return folder
