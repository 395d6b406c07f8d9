"""Executors: plugins, lost machines, and executors that take no job."""

import pytest

from dfo_prompt.errors import InputError, PluginError, StudyError
from dfo_prompt.plugin.catalogue import plugin_files
from dfo_prompt.suite.executor import Event, Executor, open_executor
from dfo_prompt.suite.folder import study_path
from dfo_prompt.suite.processes import Processes
from dfo_prompt.suite.queue import Queue
from dfo_prompt.suite.reading import read_suite_file
from dfo_prompt.suite.run import probe_suite, run_suite

SUITE = """\
name = "little"
seeds = [1, 2]
threads = 1
stall_seconds = {stall}
optimizers = ["cma", "random"]
[study]
objective = "sphere"
dim = 5
budget = 33
popsize = 4
"""
PLUGIN = """
import dfo_prompt as dp
from dfo_prompt.plugin.catalogue import given_files
from dfo_prompt.suite.process import WorkerProcess, thread_variables

class InTurn:
    def __init__(self, *, jobs, threads, folder, greeting: str = ""):
        self.worker, self.orders = WorkerProcess(given_files(), thread_variables(threads)), []
        if greeting:
            (folder / ".greeting").write_text(greeting)

    def room(self):
        return [] if self.orders else [""]

    def begin(self, order):
        self.orders.append(order)

    def wait(self, seconds):
        orders, self.orders = self.orders, []
        return [(order.plan.id, event) for order in orders for event in self.worker.run(order)]

    def stop(self, study):
        pass

    def close(self):
        self.worker.kill()

@dp.hookimpl
def dfo_prompt_executors():
    return [dp.Spec(name="in-turn", target="mine:InTurn", summary="A study after the other.")]
"""


@pytest.fixture
def suite(tmp_path):
    def read(stall=60.0):
        (tmp_path / "suite.toml").write_text(SUITE.format(stall=stall))
        return read_suite_file(tmp_path / "suite.toml")

    return read


@pytest.fixture
def losing(monkeypatch):
    """Makes processes lose the machine of a study `times` times, after its first batch."""

    def install(study, times):
        left = [times]

        class Losing(Processes):
            def wait(self, seconds):
                said = []
                for name, event in super().wait(seconds):
                    said.append((name, event))
                    if name == study and event.queries and not event.finished and left[0]:
                        left[0] -= 1
                        if study in self._busy:
                            self.stop(study)
                        said.append((name, Event(finished=True, lost=True, error="its node was lost")))
                        break
                return said

        monkeypatch.setattr("dfo_prompt.suite.processes.Processes", Losing)

    return install


def test_an_executor_that_cannot_be_built_is_named(tmp_path):
    (tmp_path / "mine.py").write_text(PLUGIN)
    with (
        plugin_files(tmp_path / "mine.py"),
        pytest.raises(PluginError, match="executor 'in-turn' cannot be built: .*nowhere"),
    ):
        open_executor("in-turn", {"greeting": "hello"}, jobs=None, threads=None, folder=tmp_path / "nowhere")


def journals(folder, suite):
    return {plan.id: (study_path(folder, plan.id) / "journal.jsonl").read_bytes() for plan in suite.plans}


@pytest.mark.slow
def test_a_stranger_adds_one_and_results_do_not_depend_on_it(program, suite, tmp_path):
    little = suite()
    assert run_suite(little, tmp_path / "processes") == {}
    (tmp_path / "mine.py").write_text(PLUGIN)
    options = ["--executor", "in-turn", "--executor-option", "greeting=hello"]
    status, _, said = program("--plugin", "mine.py", "suite", "run", "suite.toml", "--out", "in-turn", *options)
    assert status == 0, said
    assert (tmp_path / "in-turn" / ".greeting").read_text() == "hello"
    assert journals(tmp_path / "in-turn", little) == journals(tmp_path / "processes", little)
    assert "in-turn    A study after the other." in program("--plugin", "mine.py", "list", "executors")[1]
    with plugin_files(tmp_path / "mine.py"):
        assert probe_suite(little, tmp_path / "none", executor="in-turn")["sphere/random/1"].seconds > 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--executor", "slurm"], "unknown executor 'slurm'"),
        (["--executor-option", "gpus=1"], "executor 'processes' takes no options, so 'gpus' means nothing to it"),
        (["--executor-option", "gpus"], "--executor-option gpus: write KEY=VALUE"),
    ],
)
def test_what_is_wrong_with_options_is_said_before_anything_is_written(program, suite, tmp_path, options, said):
    suite()
    status, _, err = program("suite", "run", "suite.toml", "--out", "out", *options)
    assert status == 2
    assert said in err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_processes_keep_the_contract(tmp_path):
    with pytest.raises(InputError, match="did you mean 'jobs', which the study sets"):
        open_executor("processes", {"job": 1}, jobs=2, threads=1, folder=tmp_path)
    executor = open_executor("processes", {}, jobs=2, threads=1, folder=tmp_path)
    assert isinstance(executor, Executor)
    assert executor.room() == ["", ""]
    assert executor.wait(0.0) == []
    executor.close()


@pytest.mark.slow
def test_a_study_whose_machine_is_lost_goes_on_elsewhere(suite, tmp_path, losing):
    little, seen = suite(), []
    run_suite(little, tmp_path / "whole")
    losing("sphere/cma/2", 3)
    assert run_suite(little, tmp_path / "lost", watch=lambda state: seen.append([state.asked, *state.news])) == {}
    assert journals(tmp_path / "lost", little) == journals(tmp_path / "whole", little)
    news = [line for _, *lines in seen for line in lines]
    assert news.count("sphere/cma/2: its node was lost; it goes on elsewhere") == 3
    assert seen[-1][0] == 4 * 33


@pytest.mark.slow
def test_a_study_that_ends_its_machines_is_given_up(suite, tmp_path, losing):
    losing("sphere/cma/2", 9)
    errors = run_suite(suite(), tmp_path / "out")
    assert errors == {"sphere/cma/2": "its node was lost, the fourth time; it was given up"}


def test_an_executor_that_takes_nothing_ends_the_suite(suite, tmp_path, monkeypatch):
    monkeypatch.setattr(Processes, "room", lambda self: [])
    with pytest.raises(StudyError, match=r"no room for a study for 0\.1 seconds; the same command goes on"):
        run_suite(suite(stall=0.1), tmp_path / "out")


def test_studies_wait_by_the_objective_that_they_share(suite):
    plans = suite().plans
    queue = Queue(plans)
    first = queue.take("")
    assert first == plans[0]
    second = queue.take(plans[-1].group)
    assert second.seed == 2
    queue.put_back(second)
    assert queue.take(second.group) == second
    rest = [queue.take(first.group).id for _ in range(2)]
    assert {first.id, second.id, *rest} == {plan.id for plan in plans}
    assert not queue
