"""Studies of a problem and seed that use other data, another task or another model end the suite."""

import json

import pytest

from dfo_prompt.config.study import StudyConfig
from dfo_prompt.errors import InputError
from dfo_prompt.suite.comparable import Beside, Comparable, setting_of
from dfo_prompt.suite.folder import is_finished, read_suite_folder, study_path
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


def test_a_new_study_must_agree_with_the_finished_ones_of_its_problem_and_seed(begun, tmp_path):
    old = [begun("old", task_fingerprint="a", spread=0.1), begun("old", seed=2, task_fingerprint="b")]
    comparable = Comparable(tmp_path, old, None)
    comparable.check(begun("same", task_fingerprint="a", spread=0.2))
    comparable.check(begun("same", seed=2, task_fingerprint="b"))
    with pytest.raises(InputError, match="the task of p/other/1 is not that of p/old/1: it was changed between two runs"):
        comparable.check(begun("other", task_fingerprint="b"))


def test_studies_of_one_run_must_agree_too(begun, tmp_path):
    comparable = Comparable(tmp_path, [], None)
    comparable.check(begun("first", data_fingerprint="a"))
    with pytest.raises(InputError, match="the data of p/second/1 is not that of p/first/1"):
        comparable.check(begun("second", data_fingerprint="b"))


def test_a_difference_that_was_refused_once_is_refused_again(begun, tmp_path):
    finished = [begun("new", data_fingerprint="b"), begun("old", data_fingerprint="a")]
    with pytest.raises(InputError, match="the data of p/old/1 is not that of p/new/1"):
        Comparable(tmp_path, finished, None).check(begun("newer", data_fingerprint="b"))


def test_a_study_without_a_manifest_is_checked_once_it_has_one(begun, tmp_path):
    comparable = Comparable(tmp_path, [begun("old", data_fingerprint="a")], None)
    late = begun("late")
    comparable.check(late)
    manifest = {"config": {"objective": "prompt"}, "objective": {"data_fingerprint": "b"}}
    (study_path(tmp_path, late.id) / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="p/late/1"):
        comparable.check(late)


def test_a_damaged_manifest_of_a_finished_study_is_left_to_the_report(begun, tmp_path):
    damaged = begun("damaged", data_fingerprint="a")
    (study_path(tmp_path, damaged.id) / "manifest.json").write_text("{")
    Comparable(tmp_path, [damaged], None).check(begun("new", data_fingerprint="b"))


def test_packed_studies_must_agree(begun, tmp_path):
    beside = Beside(name="theirs", file=tmp_path, settings={("p", 1): {"data": "a", "objective": ""}})
    comparable = Comparable(tmp_path, [], beside)
    comparable.check(begun("same", data_fingerprint="a"))
    with pytest.raises(InputError, match="the data of p/other/1 is not that of the packed studies of 'theirs'"):
        comparable.check(begun("other", data_fingerprint="b"))


def test_objectives_without_fingerprints_are_told_apart_by_name():
    named = {"config": {"objective": "sphere"}, "objective": {"name": "sphere"}}
    assert setting_of(named) == {"objective": "sphere"}
    fingerprinted = {"config": {"objective": "prompt"}, "objective": {"model_fingerprint": "a"}}
    assert setting_of(fingerprinted) == {"model": "a", "objective": ""}


@pytest.mark.slow
def test_a_task_that_changed_between_two_runs_ends_the_second(tmp_path, tiny_folder, tiny_task):
    problem = f'[study.problem]\nmodel = "{tiny_folder}"\ntask = "{tiny_task}"\nshots = 4\n'

    def read(methods):
        (tmp_path / "suite.toml").write_text(f'name = "asked"\nseeds = [1]\nthreads = 1\nmethods = {methods}\n{problem}')
        return read_suite_file(tmp_path / "suite.toml")

    out = tmp_path / "out"
    assert run_suite(read(["manual"]), out) == {}
    tiny_task.write_text(tiny_task.read_text().replace("it was", "this was"))
    for _ in range(2):
        with pytest.raises(InputError, match="the task of .* is not that of .*: it was changed between two runs"):
            run_suite(read(["manual", "calibrated"]), out)
    assert is_finished(out, read_suite_folder(out).plans[0])
