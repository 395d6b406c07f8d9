"""Studies of a problem and seed that used other data, another task or another model are not compared."""

import json
import shutil

import pytest

from dfo_prompt.config.study import StudyConfig
from dfo_prompt.errors import InputError
from dfo_prompt.methods.run import run_method
from dfo_prompt.suite.comparable import Agreement, Beside, Comparable, fingerprints_of
from dfo_prompt.suite.executor import Event
from dfo_prompt.suite.folder import is_finished, study_path
from dfo_prompt.suite.plan import Plan
from dfo_prompt.suite.reading import read_suite_file
from dfo_prompt.suite.run import run_suite


@pytest.fixture
def begun(tmp_path):
    """Returns a study whose manifest has these fingerprints, if any."""

    def begin(optimizer, seed=1, **objective):
        plan = Plan(optimizer=optimizer, problem="p", seed=seed, config=StudyConfig(seed=seed), queries=10)
        place = study_path(tmp_path, plan.id)
        place.mkdir(parents=True)
        if objective:
            manifest = {"config": {"objective": "prompt"}, "objective": objective}
            (place / "manifest.json").write_text(json.dumps(manifest))
        return plan

    return begin


def test_studies_of_a_problem_and_seed_must_agree(begun, tmp_path):
    comparable = Comparable(tmp_path)
    for plan in (
        begun("old", task_fingerprint="a", spread=0.1),
        begun("old", seed=2, task_fingerprint="b"),
        begun("same", task_fingerprint="a", spread=0.2),
    ):
        comparable.check(plan)
    other = begun("other", task_fingerprint="b")
    with pytest.raises(InputError, match="the task of p/other/1 is not that of p/old/1: ") as caught:
        comparable.check(other)
    assert f"remove {study_path(tmp_path, other.id)}, or choose another --out" in str(caught.value)


def test_a_study_without_a_manifest_is_checked_once_it_has_one(begun, tmp_path):
    comparable = Comparable(tmp_path)
    comparable.check(begun("old", data_fingerprint="a"))
    late = begun("late")
    comparable.check(late)
    manifest = {"config": {"objective": "prompt"}, "objective": {"data_fingerprint": "b"}}
    (study_path(tmp_path, late.id) / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="p/late/1"):
        comparable.check(late)


def test_the_fingerprint_of_a_service_identifies_its_objective(begun, tmp_path):
    comparable = Comparable(tmp_path)
    comparable.check(begun("here", fingerprint="a"))
    comparable.check(begun("elsewhere", fingerprint="a"))
    with pytest.raises(InputError, match="the objective of p/other/1 is not that of p/here/1: "):
        comparable.check(begun("other", fingerprint="b"))


@pytest.mark.parametrize("damage", ["{", "[]", '{"config": {}}'])
def test_damaged_manifests_are_left_to_the_report(begun, tmp_path, damage):
    comparable = Comparable(tmp_path)
    damaged = begun("damaged", data_fingerprint="a")
    (study_path(tmp_path, damaged.id) / "manifest.json").write_text(damage)
    comparable.check(damaged)
    comparable.check(begun("new", data_fingerprint="b"))


def test_every_packed_study_must_agree(begun, tmp_path):
    packed = [("p/failed/1", {}), ("p/cma/1", {"data": "a", "objective": ""}), ("p/other/1", {})]
    comparable = Comparable(tmp_path, Beside(name="theirs", file=tmp_path, settings={("p", 1): packed}))
    comparable.check(begun("same", data_fingerprint="a"))
    with pytest.raises(InputError, match="the data of p/other/1 is not that of p/cma/1 of the packed suite 'theirs'"):
        comparable.check(begun("other", data_fingerprint="b"))


@pytest.mark.parametrize("first", [0, 1, 2])
def test_the_order_of_the_studies_does_not_matter(first):
    settings = [{"data": "a"}, {"data": "a", "model": "x"}, {"data": "a", "model": "y"}]
    agreement = Agreement()
    differences = [agreement.difference(f"s{number % 3}", settings[number % 3]) for number in range(first, first + 3)]
    assert sum(difference.startswith("the model of") for difference in differences) == 1


def test_a_setting_has_fingerprints_or_the_name_of_a_function():
    def setting(**objective):
        return fingerprints_of({"config": {"objective": "here"}, "objective": objective})

    assert setting(name="sphere") == {"objective": "here"}
    assert setting(model_fingerprint="a", pool_fingerprint="b") == {"model": "a", "objective": ""}
    local = {"kind": "local", "model": "m", "model_fingerprint": "a"}
    assert setting(task_fingerprint="t", endpoint=local) == {"task": "t", "model": "a", "objective": ""}
    served = {"kind": "openai", "model": "big", "served_model": "big-2026"}
    assert setting(endpoint=served) == {"served model": "big-2026", "objective": ""}


@pytest.fixture
def read(tmp_path, tiny_folder, tiny_task):
    """Returns the suite that compares methods on the tiny task, which `tiny_task` defines."""

    def read(*methods):
        problem = f'[study.problem]\nmodel = "{tiny_folder}"\ntask = "{tiny_task}"\nshots = 4\n'
        head = f'name = "asked"\nseeds = [1]\nthreads = 1\nmethods = {json.dumps(methods)}\n'
        (tmp_path / "suite.toml").write_text(head + problem)
        return read_suite_file(tmp_path / "suite.toml")

    return read


class InThisProcess:
    """An executor whose first event of a study is its last."""

    def __init__(self):
        self.orders = []

    def room(self):
        return [] if self.orders else [""]

    def begin(self, order):
        self.orders.append(order)

    def wait(self, seconds):
        order = self.orders.pop()
        run_method(order.plan.config, out=order.folder)
        return [(order.plan.id, Event(finished=True))]

    def close(self):
        pass


def test_a_changed_task_ends_every_later_run_until_it_is_changed_back(read, tmp_path, tiny_task, monkeypatch):
    monkeypatch.setattr("dfo_prompt.suite.run.open_executor", lambda *_, **__: InThisProcess())
    out, before = tmp_path / "out", tiny_task.read_text()
    assert run_suite(read("manual"), out) == {}
    tiny_task.write_text(before.replace("it was", "this was"))
    later = read("manual", "calibrated")
    manual, refused = later.plans
    for _ in range(2):
        with pytest.raises(InputError, match=f"the task of {refused.id} is not that of {manual.id}: "):
            run_suite(later, out)
        assert is_finished(out, refused)  # a method reports nothing before its result
    tiny_task.write_text(before)
    shutil.rmtree(study_path(out, refused.id))
    assert run_suite(later, out) == {}


def test_a_prompt_in_two_places_is_compared_on_one_task(tmp_path, tiny_folder, tiny_task, monkeypatch):
    monkeypatch.setattr("dfo_prompt.suite.run.open_executor", lambda *_, **__: InThisProcess())
    places = ", ".join(
        f'{{ name = "{place}", optimizer = "random", prompt.place = "{place}" }}' for place in ("ahead", "behind")
    )
    problem = f'[study.problem]\nmodel = "{tiny_folder}"\ntask = "{tiny_task}"\nshots = 4\n'
    study = "[study]\nbudget = 4\ndim = 2\n[study.prompt]\ntokens = 2\n"
    (tmp_path / "suite.toml").write_text(
        f'name = "places"\nseeds = [1]\nthreads = 1\noptimizers = [{places}]\n{study}{problem}'
    )
    suite = read_suite_file(tmp_path / "suite.toml")
    assert run_suite(suite, tmp_path / "out") == {}
    assert all(is_finished(tmp_path / "out", plan) for plan in suite.plans)
