"""A study continues with a raised budget, and ends like a study that began with it."""

import json
import shutil

import numpy as np
import pytest
from fakes import Bowl, HeldOutBowl

import dfo_prompt as dp
from dfo_prompt.config.reading import parse_config
from dfo_prompt.methods.run import run_method
from dfo_prompt.plugin.catalogue import plugin_files
from dfo_prompt.run.objectives import Objectives
from dfo_prompt.study import raised_budget
from dfo_prompt.study.identity import read_manifest
from dfo_prompt.study.raised_budget import BUDGETS
from dfo_prompt.study.result import StudyResult
from dfo_prompt.study.saved import load_result

COMPARED = ("journal.jsonl", "validation.jsonl", "candidates.f64", "validation.f64", "candidates.npz")
VECTORS = ("best", "recommended", "chosen")


def search(out, budget, *, optimizer="cma", objective=None, **more):
    given = {"popsize": 10, "validate_every": 20, "sigma": 0.5, "x0": np.ones(3)} | more
    return dp.minimize(objective or HeldOutBowl(), optimizer=optimizer, budget=budget, out=out, **given)


def files(folder, names=COMPARED):
    return {name: (folder / name).read_bytes() for name in names}


@pytest.mark.parametrize("optimizer", ["cma", "random", "coordinate", "pymoo:DE"])
@pytest.mark.parametrize("budget", [40, 57])  # whole batches, and one that the budget cut
def test_a_study_goes_on_as_if_it_had_begun_with_the_raised_budget(tmp_path, optimizer, budget):
    objective = HeldOutBowl()
    search(tmp_path / "s", budget, optimizer=optimizer, objective=objective)
    before, asked = (tmp_path / "s" / "journal.jsonl").read_bytes(), objective.queries
    raised = search(tmp_path / "s", 120, optimizer=optimizer, objective=objective)
    whole = search(tmp_path / "whole", 120, optimizer=optimizer)
    assert objective.queries - asked <= 120 - budget + 2  # the new ones, a check of the objective, and the answer
    assert (tmp_path / "s" / "journal.jsonl").read_bytes().startswith(before)
    assert files(tmp_path / "s", COMPARED[:4]) == files(tmp_path / "whole", COMPARED[:4])
    for name in VECTORS:
        assert np.array_equal(getattr(raised, name), getattr(whole, name))
    assert (raised.held_out, raised.spent.queries) == (whole.held_out, 120)
    assert read_manifest(tmp_path / "s")[BUDGETS] == [budget, 120]
    assert BUDGETS not in read_manifest(tmp_path / "whole")
    assert raised.validation.repeated > whole.validation.repeated  # what the first end scored is not hidden


def test_a_budget_is_raised_again_and_the_same_command_finds_the_study_finished(tmp_path):
    for budget in (23, 41, 60):
        result = search(tmp_path / "s", budget)
    again = search(tmp_path / "s", 60)
    search(tmp_path / "whole", 60)
    assert files(tmp_path / "s", COMPARED[:4]) == files(tmp_path / "whole", COMPARED[:4])
    assert read_manifest(tmp_path / "s")[BUDGETS] == [23, 41, 60]
    assert (again.spent, again.best_loss) == (result.spent, result.best_loss)
    with pytest.raises(dp.InputError, match="budget is 60 there and 41 here"):
        search(tmp_path / "s", 41)


def test_the_same_command_goes_on_where_the_default_of_validate_every_grew_with_the_budget(tmp_path):
    for budget in (100, 400, 400, 900, 900):  # its default is 10, 40 and 90
        search(tmp_path / "s", budget, validate_every=None)
    assert read_manifest(tmp_path / "s")["config"]["validate_every"] == 10


def test_queries_whose_costs_were_lost_are_kept(tmp_path):
    objective = HeldOutBowl()
    search(tmp_path / "s", 40, objective=objective)
    before, asked = (tmp_path / "s" / "journal.jsonl").read_bytes(), objective.queries
    (tmp_path / "s" / "ledger.jsonl").unlink()
    assert search(tmp_path / "s", 60, objective=objective).spent.unpriced == 40
    assert objective.queries - asked <= 60 - 40 + 2
    assert (tmp_path / "s" / "journal.jsonl").read_bytes().startswith(before)


@pytest.mark.parametrize("keep", [0, 7])
def test_a_torn_batch_runs_again_under_a_raised_budget(tmp_path, keep):
    search(tmp_path / "s", 40)
    lines = (tmp_path / "s" / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "s" / "journal.jsonl").write_bytes(b"".join(lines[: 30 + keep]))
    assert search(tmp_path / "s", 60).spent.unpriced == 0
    search(tmp_path / "whole", 60)
    assert files(tmp_path / "s", COMPARED[:4]) == files(tmp_path / "whole", COMPARED[:4])


@pytest.mark.parametrize("optimizer", ["cma", "random"])
@pytest.mark.parametrize("budgets", [(47,), (30,), (47, 62)])  # where the cut batch is looked at on dev, or the whole one
def test_what_was_chosen_on_dev_after_a_cut_batch_is_looked_at_again(tmp_path, optimizer, budgets):
    for budget in (*budgets, 120):
        search(tmp_path / "s", budget, optimizer=optimizer, validate_every=15)
    search(tmp_path / "whole", 120, optimizer=optimizer, validate_every=15)
    assert files(tmp_path / "s", COMPARED[:4]) == files(tmp_path / "whole", COMPARED[:4])


def test_a_study_that_was_interrupted_goes_on_with_a_raised_budget_too(tmp_path):
    class Interrupt:
        def study_started(self, info):
            pass

        def batch_evaluated(self, batch):
            if batch.queries == 20:
                raise KeyboardInterrupt

        def study_finished(self, result):
            pass

    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "s", 40, observers=[Interrupt()])
    search(tmp_path / "s", 60)
    search(tmp_path / "whole", 60)
    assert files(tmp_path / "s", COMPARED[:4]) == files(tmp_path / "whole", COMPARED[:4])


@pytest.mark.parametrize("step", ["_forget_the_end", "write_json"])
def test_a_kill_while_the_folder_is_made_ready_loses_nothing(tmp_path, monkeypatch, step):
    search(tmp_path / "s", 40)

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(raised_budget, step, killed)
        with pytest.raises(KeyboardInterrupt):
            search(tmp_path / "s", 60)
    shutil.copytree(tmp_path / "s", tmp_path / "small")
    search(tmp_path / "s", 60)
    search(tmp_path / "whole", 60)
    assert files(tmp_path / "s", COMPARED[:4]) == files(tmp_path / "whole", COMPARED[:4])
    search(tmp_path / "small", 40)  # the smaller one can still be finished
    assert load_result(tmp_path / "small").spent.queries == 40


DEPENDENT = """
import numpy as np
import dfo_prompt as dp

class Cooling(dp.Optimizer):
    def __init__(self, **study):
        super().__init__(**study)
        self._rng, self._asked = np.random.default_rng(self.seed), 0

    def ask(self):
        self._asked += self.popsize
        step = 1.0 if self._asked < 25 else 1.0 - self._asked / (2 * self.budget)
        return self.x0 + step * self._rng.standard_normal((self.popsize, self.dim))

    def tell(self, candidates, losses):
        pass

    def recommend(self):
        return self.x0

class Restless(Cooling):
    pass

@dp.hookimpl
def dfo_prompt_optimizers():
    return [
        dp.OptimizerSpec(name="cooling", target="cooling:Cooling", summary=""),
        dp.OptimizerSpec(name="restless", target="cooling:Restless", summary="", deterministic=False),
    ]
"""


def refused(tmp_path, match, budget=60, **more):
    names = [file.name for file in (tmp_path / "s").iterdir() if file.name not in ("ledger.jsonl", ".lock")]
    before = files(tmp_path / "s", names)
    with pytest.raises(dp.InputError, match=match) as error:
        search(tmp_path / "s", budget, **more)
    assert "\n" not in str(error.value)
    assert files(tmp_path / "s", names) == before  # finished as it was
    assert isinstance(load_result(tmp_path / "s"), StudyResult)


@pytest.mark.parametrize(
    ("optimizer", "match"),
    [("cooling", "depends on the budget: with 60 queries it asks others from query 21 on"), ("restless", "cannot repeat")],
)
def test_an_optimizer_that_depends_on_the_budget_is_refused(tmp_path, optimizer, match):
    (tmp_path / "cooling.py").write_text(DEPENDENT)
    with plugin_files(tmp_path / "cooling.py"):
        search(tmp_path / "s", 40, optimizer=optimizer)
        refused(tmp_path, match, optimizer=optimizer)


def test_whatever_else_differs_is_another_study(tmp_path):
    search(tmp_path / "s", 40)
    refused(tmp_path, "sigma is 0.5 there and 0.7 here", sigma=0.7)
    refused(tmp_path, "budget is 40 there and 30 here", budget=30)


def test_another_objective_leaves_the_folder_as_it_is(tmp_path):
    class Other(HeldOutBowl):
        def evaluate(self, candidates):
            return dp.Evaluation(losses=super().evaluate(candidates).losses + 1.0)

    Other.__name__ = HeldOutBowl.__name__
    search(tmp_path / "s", 40)
    refused(tmp_path, "the objective gives", objective=Other())


def test_looks_at_dev_stay_where_only_the_budget_would_move_them(tmp_path):
    search(tmp_path / "s", 40, validate_every=None, objective=Bowl())
    search(tmp_path / "s", 900, validate_every=None, objective=Bowl())
    assert read_manifest(tmp_path / "s")["config"]["validate_every"] == 10
    refused(tmp_path, "validate_every|budget", budget=1000, validate_every=50, objective=Bowl())


def test_the_command_goes_on_and_says_which_budgets_there_were(program, tmp_path):
    command = ("run", "--objective", "sphere", "--dim", "4", "--out", "s", "--budget")
    assert program(*command, "40")[0] == 0
    status, out, error = program(*command, "60")
    assert (status, "60 of 60" in out) == (0, True), error
    assert program(*command, "60")[0] == 0
    assert json.loads((tmp_path / "s" / "manifest.json").read_text())[BUDGETS] == [40, 60]


def test_a_study_in_a_method_checks_the_objective_once(tmp_path):
    evaluated = []

    class Counting(Bowl):
        def evaluate(self, candidates):
            evaluated.extend(candidates)
            return super().evaluate(candidates)

    objectives = Objectives()
    objectives.get = lambda _: Counting()
    for budget, more in ((20, 21), (40, 22)):  # the queries, the answer and, later, the check
        run_method(parse_config({"objective": "sphere", "dim": 3, "budget": budget}), out=tmp_path, objectives=objectives)
        assert len(evaluated) == more
        evaluated.clear()


def test_limits_hold_over_both_budgets(tmp_path):
    def limited(out, budget):
        keys = {"objective": "sphere", "dim": 3, "popsize": 10, "budget": budget, "limits": {"rows": 50}}
        return run_method(parse_config(keys), out=out).result

    limited(tmp_path / "s", 35)
    result = limited(tmp_path / "s", 100)
    limited(tmp_path / "whole", 100)
    assert (result.stop_reason, result.spent.rows) == ("limits.rows", 50)
    assert files(tmp_path / "s", COMPARED[:1]) == files(tmp_path / "whole", COMPARED[:1])
