"""Trackers, seen by their own readers."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from shutil import copy2

import numpy as np
import pytest
from dfo_prompt_trackers import dfo_prompt_observers
from dfo_prompt_trackers.location import Location

import dfo_prompt as dp
from dfo_prompt.config.reading import parse_config
from dfo_prompt.methods.run import run_method
from dfo_prompt.report.tracked import track_suite
from dfo_prompt.suite.reading import read_suite_file
from dfo_prompt.suite.run import run_suite

STUDY = {"optimizer": "cma", "objective": "sphere", "dim": 3, "popsize": 10}
BUDGET = 40
WANTED = ("best_loss", "batch_loss")


@pytest.fixture(autouse=True)
def _alone(monkeypatch, tmp_path):
    """Keep trackers from the user's settings, and from the network."""
    for name in [name for name in os.environ if name.startswith(("MLFLOW_", "WANDB_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    monkeypatch.chdir(tmp_path)


def run(out, budget=BUDGET, **trackers):
    return run_method(parse_config({**STUDY, "budget": budget, "trackers": trackers}), out=out).result


def suite_of(folder, **trackers):
    (folder / "suite.toml").write_text(
        'name = "two seeds"\noptimizers = ["cma", "random"]\nseeds = [1, 2]\n'
        f'[study]\nobjective = "sphere"\ndim = 3\npopsize = 10\nbudget = {BUDGET}\n'
    )
    return read_suite_file(folder / "suite.toml", {"trackers": trackers})


@pytest.fixture(scope="session")
def database(tmp_path_factory):
    """Give a database file of MLflow without a run: to create its tables takes seconds."""
    pytest.importorskip("mlflow", reason="the extra mlflow is not installed")
    pytest.importorskip("sqlalchemy", reason="the extra mlflow is not installed")
    from mlflow import MlflowClient

    file = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowClient(tracking_uri=f"sqlite:///{file}").search_experiments()
    return file


@pytest.fixture
def mlflow(tmp_path, database):
    """Give MLflow's client of a database file, and the option that leads a tracker there."""
    from mlflow import MlflowClient

    copy2(database, tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    return lambda: MlflowClient(tracking_uri=uri), uri


def runs_of(client):
    experiment = client.get_experiment_by_name("dfo-prompt")
    return client.search_runs([experiment.experiment_id]) if experiment else []


def curves_in(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0}, purge_orphaned_data=False)
    events.Reload()
    return {key: [(point.step, point.value) for point in events.Scalars(key)] for key in events.Tags()["scalars"]}


@pytest.fixture
def tensorboard():
    pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")


pytestmark = [pytest.mark.filterwarnings("ignore:The ``noload``", "ignore::ResourceWarning"), pytest.mark.slow]


def test_trackers_are_listed_and_watch_only_on_request(tmp_path):
    specs = list(dfo_prompt_observers())
    assert [spec.name for spec in specs] == ["mlflow", "tensorboard", "wandb"]
    assert all(spec.on_request and spec.extra == spec.name for spec in specs)
    run(tmp_path / "s")
    assert {file.name for file in tmp_path.iterdir()} == {"s"}
    assert not (tmp_path / "s" / "tracking.json").exists()


def test_a_study_is_the_same_with_and_without_a_tracker(tmp_path, tensorboard):
    run(tmp_path / "without")
    run(tmp_path / "with", tensorboard={})
    run(tmp_path / "with")  # goes on without one, too: no other study
    for name in ("journal.jsonl", "validation.jsonl", "candidates.f64"):
        assert (tmp_path / "with" / name).read_bytes() == (tmp_path / "without" / name).read_bytes()
    with_one, without = (json.loads((tmp_path / one / "manifest.json").read_text()) for one in ("with", "without"))
    assert with_one == without


def test_mlflow_has_parameters_curves_figures_and_files(tmp_path, mlflow):
    client, uri = mlflow
    result = run(tmp_path / "s", mlflow={"uri": uri})
    (found,) = runs_of(client())
    assert (found.info.status, found.info.run_name) == ("FINISHED", "s")
    assert (found.data.params["optimizer"], found.data.params["dim"]) == ("cma", "3")
    history = client().get_metric_history(found.info.run_id, "best_loss")
    assert [point.step for point in history] == [10, 20, 30, 40]
    losses = [json.loads(line)["loss"] for line in (tmp_path / "s" / "journal.jsonl").read_text().splitlines()]
    assert [point.value for point in history] == [min(losses[:end]) for end in (10, 20, 30, 40)]
    batches = client().get_metric_history(found.info.run_id, "batch_loss")
    assert [point.value for point in batches] == pytest.approx([np.mean(losses[i : i + 10]) for i in (0, 10, 20, 30)])
    assert found.data.metrics["final/recommended_loss"] == result.recommended_loss
    assert {file.path for file in client().list_artifacts(found.info.run_id)} == {"manifest.json", "journal.jsonl"}


def test_a_suite_is_one_run_of_mlflow_with_its_studies_below(tmp_path, mlflow):
    client, uri = mlflow
    suite = suite_of(tmp_path, mlflow={"uri": uri})
    assert run_suite(suite, tmp_path / "suite", jobs=2) == {}
    track_suite(suite, tmp_path / "suite")
    runs = {run.info.run_name: run for run in runs_of(client())}
    parent = runs.pop("two seeds")
    assert {*runs} == {f"sphere/{optimizer}/{seed}" for optimizer in ("cma", "random") for seed in (1, 2)}
    assert {run.data.tags["mlflow.parentRunId"] for run in runs.values()} == {parent.info.run_id}
    assert {run.info.status for run in (parent, *runs.values())} == {"FINISHED"}
    assert all(run.data.metrics.keys() >= {*WANTED} for run in runs.values())
    assert [file.path for file in client().list_artifacts(parent.info.run_id)] == ["index.html"]
    assert uri not in (tmp_path / "suite" / "suite.json").read_text()


def test_a_study_beside_those_of_a_suite_is_a_study_of_its_own(tmp_path):
    (tmp_path / "suite.json").write_text('{"settings": {"name": "two seeds"}}')
    found = [
        Location.of(dp.StudyInfo(optimizer="cma", objective="sphere", budget=1, dim=1, seed=1, folder=tmp_path / place))
        for place in ("mine", "studies/cma/1")
    ]
    own, member = Location(name="mine", folder=tmp_path / "mine"), tmp_path / "studies/cma/1"
    assert found == [own, Location(name="cma/1", folder=member, suite=tmp_path, suite_name="two seeds")]


def test_a_suite_in_tensorboard_is_a_folder_with_a_run_for_each_study(tmp_path, tensorboard):
    suite = suite_of(tmp_path, tensorboard={})
    assert run_suite(suite, tmp_path / "suite") == {}
    track_suite(suite, tmp_path / "suite")
    for optimizer in ("cma", "random"):
        for seed in (1, 2):
            study = f"sphere/{optimizer}/{seed}"
            curves = curves_in(tmp_path / "suite" / "tensorboard" / study)
            lines = (tmp_path / "suite" / "studies" / study / "journal.jsonl").read_text().splitlines()
            losses = [json.loads(line)["loss"] for line in lines]
            assert curves["best_loss"] == [(end, pytest.approx(min(losses[:end]))) for end in (10, 20, 30, 40)]
            assert curves["final/best_loss"] == [(BUDGET, pytest.approx(min(losses)))]
    assert (tmp_path / "suite" / "tensorboard" / "suite").is_dir()
    assert (tmp_path / "suite" / "report" / "index.html").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
import dfo_prompt as dp
from dfo_prompt.config.reading import parse_config
from dfo_prompt.methods.run import run_method
import json

class Kill:
    def study_started(self, info): pass
    def batch_evaluated(self, batch):
        if batch.queries == 20:
            os.kill(os.getpid(), signal.SIGKILL)
    def study_finished(self, result): pass

config = parse_config(json.loads(sys.argv[1]))
run_method(config, out=Path("s"), observers=[Kill()])
"""


@pytest.mark.parametrize("tracker", ["mlflow", "tensorboard", "wandb"])
def test_a_killed_study_goes_on_in_the_same_run(tmp_path, tracker, request):
    pytest.importorskip(tracker, reason=f"the extra {tracker} is not installed")
    options = {"uri": request.getfixturevalue("mlflow")[1]} if tracker == "mlflow" else {}
    asked = json.dumps({**STUDY, "budget": BUDGET, "trackers": {tracker: options}})
    # Killed when the second batch is journaled, and not yet told to the tracker: that one comes after in the list.
    done = subprocess.run([sys.executable, "-c", KILLED, asked], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len((tmp_path / "s" / "journal.jsonl").read_text().splitlines()) == 20
    run(tmp_path / "s", **{tracker: options})
    run(tmp_path / "s", **{tracker: options})  # and once more, finished
    if tracker == "mlflow":
        client = request.getfixturevalue("mlflow")[0]()
        (found,) = runs_of(client)
        assert [point.step for point in client.get_metric_history(found.info.run_id, "best_loss")] == [10, 20, 30, 40]
        assert found.info.status == "FINISHED"
    elif tracker == "tensorboard":
        curves = curves_in(tmp_path / "s" / "tensorboard" / "s")
        assert sorted(step for step, _ in curves["best_loss"]) == [10, 20, 30, 40]
        assert [step for step, _ in curves["final/best_loss"]] == [BUDGET]
    else:
        parts = [*(tmp_path / "s" / "wandb").glob("offline-run-*/run-*.wandb")]
        assert len({part.name for part in parts}) == 1  # one id, whatever the number of its parts
        notes = json.loads((tmp_path / "s" / "tracking.json").read_text())["wandb"]
        assert parts[0].name == f"run-{notes['run']}.wandb"
        assert notes["steps"]["best_loss"] == BUDGET


def test_wandb_writes_offline_runs_with_their_files(tmp_path):
    pytest.importorskip("wandb", reason="the extra wandb is not installed")
    suite = suite_of(tmp_path, wandb={})
    assert run_suite(suite, tmp_path / "suite") == {}
    track_suite(suite, tmp_path / "suite")
    runs = [*(tmp_path / "suite" / "wandb").glob("offline-run-*")]
    assert len(runs) == 5  # of four studies, and of the suite
    kept = [{file.name for file in (one / "files").iterdir()} for one in runs]
    assert sum({"manifest.json", "journal.jsonl"} <= files for files in kept) == 4
    assert sum("index.html" in files for files in kept) == 1


def test_a_tracker_that_fails_is_warned_of_once_and_loses_no_query(tmp_path, monkeypatch, tensorboard):
    from dfo_prompt_trackers.on_tensorboard import EventFiles

    run(tmp_path / "without")
    calls = []

    def full(self, step, figures):
        calls.append(step)
        raise OSError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(EventFiles, "log", full)
        with pytest.warns(RuntimeWarning, match="disk full") as warned:
            run(tmp_path / "s", tensorboard={})
    assert (len(warned), calls) == (1, [10])
    assert (tmp_path / "s" / "journal.jsonl").read_bytes() == (tmp_path / "without" / "journal.jsonl").read_bytes()
    run(tmp_path / "s", tensorboard={})  # the same command again adds what the run lacks
    assert [step for step, _ in curves_in(tmp_path / "s" / "tensorboard" / "s")["best_loss"]] == [10, 20, 30, 40]


@pytest.mark.parametrize("name", ["mlflow", "tensorboard", "wandb"])
def test_a_tracker_whose_package_is_missing_says_how_to_install_it(tmp_path, monkeypatch, name):
    module = {"tensorboard": "tensorboard.backend.event_processing.event_accumulator"}.get(name, name)
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, f"dfo_prompt_trackers.on_{name}", raising=False)
    with pytest.raises(dp.InputError, match=rf"pip install 'dfo-prompt-trackers\[{name}\]'"):
        run(tmp_path / "s", **{name: {}})
    assert not (tmp_path / "s").exists()


def test_trackers_work_in_python(tmp_path, tensorboard):
    logs = Path("logs")
    tracker = dp.create_observer("tensorboard", folder=logs)
    dp.minimize(dp.create_objective("sphere", dim=3), budget=BUDGET, popsize=10, observers=[tracker])
    (folder,) = logs.iterdir()
    assert [step for step, _ in curves_in(folder)["best_loss"]] == [10, 20, 30, 40]


def test_studies_of_the_same_name_share_a_folder_of_tensorboard_without_sharing_a_run(tmp_path, tensorboard):
    from dfo_prompt_trackers.on_tensorboard import TensorBoardTracker

    def steps(budget):
        return [*range(10, budget + 1, 10)]

    for budget, out in ((40, "a/study"), (20, "b/study"), (30, None), (40, None), (20, "b/study"), (40, "a/study")):
        settings = {"dim": 3, "budget": budget, "popsize": 10, "out": out and tmp_path / out, "progress": False}
        dp.minimize(dp.create_objective("sphere", dim=3), observers=[TensorBoardTracker(folder=Path("logs"))], **settings)
    curves = {place.name: [step for step, _ in curves_in(place)["best_loss"]] for place in Path("logs").iterdir()}
    memory = sorted({*curves} - {"study", "study-2"})
    assert [curves[name] for name in ("study", "study-2", *memory)] == [steps(budget) for budget in (40, 20, 30, 40)]
    assert memory[1] == f"{memory[0]}-2"
    for out, run in (("a", "study"), ("b", "study-2")):
        notes = json.loads((tmp_path / out / "study" / "tracking.json").read_text())["tensorboard"]
        assert notes == {"run": f"../../logs/{run}"}


def test_a_moved_project_goes_on_in_its_folder_of_tensorboard(tmp_path, tensorboard):
    def run_in(project, budget):
        run(project / "study", budget=budget, tensorboard={"folder": str(project / "logs")})

    run_in(tmp_path / "old", 20)
    (tmp_path / "old").rename(tmp_path / "new")
    run_in(tmp_path / "new", 40)
    (place,) = (tmp_path / "new" / "logs").iterdir()
    assert sorted(step for step, _ in curves_in(place)["best_loss"]) == [10, 20, 30, 40]
    run(tmp_path / "new" / "study", budget=40, tensorboard={"folder": str(tmp_path / "others")})
    assert [step for step, _ in curves_in(tmp_path / "others" / "study")["best_loss"]] == [10, 20, 30, 40]
