"""Nodes of a cluster run orders, keep their process for the next one, and report seldom."""

from dfo_prompt.suite import on_node
from dfo_prompt.suite.executor import Event, Order
from dfo_prompt.suite.folder import study_path
from dfo_prompt.suite.on_node import Nonce, Runner
from dfo_prompt.suite.process import WorkerProcess, thread_variables
from dfo_prompt.suite.reading import read_suite_file

SUITE = """\
name = "kept"
seeds = [1]
optimizers = ["cma", "random", { name = "again", optimizer = "random" }]
[study]
plugin = "kept.py"
objective = "kept"
dim = 3
budget = 8
"""
KEPT = """
import os, pathlib
import dfo_prompt as dp

class Kept:
    dim = 3

    def evaluate(self, candidates):
        if (FOLDER / "die").exists():
            os._exit(3)
        return dp.Evaluation(losses=(candidates**2).sum(axis=1))

FOLDER = pathlib.Path(__file__).parent

def build(*, dim, seed):
    with (FOLDER / "built").open("a") as file:
        file.write("X")
    return Kept()

@dp.hookimpl
def dfo_prompt_objectives():
    return [dp.Spec(name="kept", target="kept:build", summary="Tells how often it is built; may end its process.")]
"""


def test_events_of_batches_are_told_once_a_second_and_none_is_lost(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(on_node, "monotonic", lambda: now[0])

    def batches():
        yield Event()
        for number in range(1, 31):
            now[0] += 0.1
            yield Event(queries=4 * number, fresh=4 if 10 < number <= 25 else 0)
        yield Event(finished=True)

    told = [*on_node.seldom(batches())]
    assert len(told) <= 6
    assert told[0] == Event()
    assert told[-2].queries == 120
    assert told[-1] == Event(finished=True)
    assert sum(event.fresh for event in told) == 60


def test_a_node_keeps_its_process_and_objective_until_the_process_ends(tmp_path):
    (tmp_path / "kept.py").write_text(KEPT)
    (tmp_path / "suite.toml").write_text(SUITE)
    plans = read_suite_file(tmp_path / "suite.toml").plans
    runner = Runner(Nonce.written(None), (), thread_variables(1))

    def carried_out(plan):
        *_, last = runner.carry_out(Order(plan=plan, folder=study_path(tmp_path / "out", plan.id)))
        assert last.finished
        return last.error

    assert [carried_out(plan) for plan in plans[:2]] == ["", ""]
    assert (tmp_path / "built").read_text() == "X"
    (tmp_path / "die").touch()
    assert carried_out(plans[2]) == "its process ended with exit status 3"
    (tmp_path / "die").unlink()
    assert carried_out(plans[2]) == ""
    assert (tmp_path / "built").read_text() == "XX"
    runner.close()


def test_an_abandoned_order_does_not_report_to_the_next_one(tmp_path):
    (tmp_path / "kept.py").write_text(KEPT)
    (tmp_path / "suite.toml").write_text(SUITE)
    plan, *_ = read_suite_file(tmp_path / "suite.toml").plans
    worker = WorkerProcess((), thread_variables(1))
    run = worker.run(Order(plan=plan, folder=study_path(tmp_path, plan.id)))
    assert next(run) == Event()
    run.close()
    assert not worker.alive
