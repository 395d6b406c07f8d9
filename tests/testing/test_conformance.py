"""Conformance finds optimizers that reuse arrays, runs plugin files in processes of their own, and bounds queries."""

from types import SimpleNamespace

import pytest

from dfo_prompt.plugin.catalogue import plugin_files
from dfo_prompt.testing import MethodConformance, ObjectiveConformance, OptimizerConformance
from dfo_prompt.testing.methods import BUDGET

REUSE = """
import numpy as np
import dfo_prompt as dp

class Reuse(dp.Optimizer):
    def __init__(self, *, reuse, **study):
        super().__init__(**study)
        self.reuse, self.rng, self.best = reuse, np.random.default_rng(self.seed), dp.Best(self.x0)
        self.batch, self.answer = np.zeros((self.popsize, self.dim)), np.zeros(self.dim)
    def ask(self):
        self.batch[:] = self.inside(self.best.candidate + self.sigma * self.rng.standard_normal(self.batch.shape))
        return self.batch if self.reuse == "candidates" else self.batch.copy()
    def tell(self, candidates, losses): self.best.learn(candidates, losses)
    def recommend(self):
        self.answer[:] = self.best.candidate
        return self.answer if self.reuse == "answer" else self.answer.copy()

@dp.hookimpl
def dfo_prompt_optimizers():
    for reuse in ("candidates", "answer", "none"):
        yield dp.OptimizerSpec(name=f"reuse-{reuse}", target="reuse:Reuse", options={"reuse": reuse}, summary="")
"""


@pytest.fixture(autouse=True)
def reuse(tmp_path):
    (tmp_path / "reuse.py").write_text(REUSE)
    with plugin_files(tmp_path / "reuse.py"):
        yield


@pytest.mark.parametrize("what", ["candidates", "answer"])
def test_a_returned_array_that_is_written_again_is_found(what):
    with pytest.raises(AssertionError, match="an array that was returned before is written again"):
        OptimizerConformance().test_leaves_arrays_alone(f"reuse-{what}")


def test_new_arrays_pass():
    OptimizerConformance().test_leaves_arrays_alone("reuse-none")


@pytest.mark.slow
def test_an_optimizer_of_a_file_runs_in_another_process():
    OptimizerConformance().test_lets_the_process_end("reuse-none")


@pytest.mark.parametrize("name", ["manual", "study"])
def test_more_queries_than_the_budget_must_be_stated(name):
    class Stated(MethodConformance):
        most_queries = {name: BUDGET + 1}  # noqa: RUF012

    spent = SimpleNamespace(queries=BUDGET + 1, rows=8, tokens=8)
    result = SimpleNamespace(fitted=SimpleNamespace(spent=spent), result=SimpleNamespace(training_seconds=0.0))
    Stated().test_counts_its_costs((result, result), name)
    with pytest.raises(AssertionError, match=f"'{name}' spent 25 queries, more than 24; see most_queries"):
        MethodConformance().test_counts_its_costs((result, result), name)


@pytest.mark.parametrize("kind", [OptimizerConformance, ObjectiveConformance, MethodConformance])
def test_a_class_needs_names_and_a_text_is_one_name(kind):
    def tested(names):
        run = []
        metafunc = SimpleNamespace(
            cls=type("TestA", (kind,), {}),
            config=SimpleNamespace(getoption=lambda *_: []),
            parametrize=lambda argument, values, **_: run.extend(values),
        )
        type("TestA", (kind,), {"names": names})().pytest_generate_tests(metafunc)
        return run

    assert tested("sphere") == ["sphere"]
    assert tested(("a", "b")) == ["a", "b"]
    with pytest.raises(pytest.UsageError, match=r"TestA: set names, such as names = \('mine',\)"):
        tested(())
