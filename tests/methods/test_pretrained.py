"""The studies that method `pretrained` learns from."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import load_file

from dfo_prompt.config.reading import parse_config
from dfo_prompt.config.stop import StopConfig
from dfo_prompt.errors import InputError
from dfo_prompt.methods import pretrained
from dfo_prompt.methods.run import run_method
from dfo_prompt.methods.setting import Setting
from dfo_prompt.methods.sources import budgets_of_pretrained
from dfo_prompt.plugin.entries import options_of
from dfo_prompt.prompt.projections.learned import TunedPrompt


@pytest.fixture
def config(tiny_folder, tiny_task):
    """A configuration on the task "films", with feedback and tasks "films" and "plots" in another folder."""
    text = tiny_task.read_text()
    (tiny_task.parent / "other").mkdir()
    for name in ("films", "plots"):
        (tiny_task.parent / "other" / f"{name}.toml").write_text(text.replace("films.csv", "../films.csv"))
    feedback = tiny_task.with_name("feedback.csv")
    feedback.write_text("text,label\nfun fun fun fun fun news,good\n")
    problem = {"model": str(tiny_folder), "task": str(tiny_task), "shots": 4, "feedback": str(feedback)}
    options = {"tasks": [str(tiny_task.parent / "other" / f"{name}.toml") for name in ("films", "plots")]}
    return parse_config(
        {
            "method": "pretrained",
            "dim": 6,
            "budget": 4,
            "popsize": 4,
            "optimizer": "random",
            "problem": problem,
            "prompt": {"tokens": 3, "dtype": "float32"},
            "method_options": options,
        }
    )


def tasks_of(config):
    return options_of("method", "pretrained", config.method_options)["tasks"]


def test_feedback_belongs_to_the_own_task_only(config, monkeypatch):
    tuned, tune = [], pretrained.tune

    def watched(setting, config, **more):
        tuned.append(config.problem)
        return tune(setting, config, **more)

    monkeypatch.setattr(pretrained, "tune", watched)
    pretrained.pretrained(Setting(config=config), tasks=tasks_of(config))
    assert [(problem.task.parent.name, problem.task.name) for problem in tuned[:2]] == [("other", "plots.toml")] * 2
    assert [problem.feedback for problem in tuned] == [None, None, config.problem.feedback]


def test_the_own_task_is_no_source_wherever_its_file_is(config, monkeypatch):
    monkeypatch.setattr(pretrained, "tune", None)  # the refusal comes before any study
    with pytest.raises(InputError, match="1 draws on 1 other tasks are fewer than two prompts"):
        pretrained.pretrained(Setting(config=config), tasks=tasks_of(config), draws=1)


def test_a_source_given_twice_is_refused_before_any_study(config, monkeypatch):
    monkeypatch.setattr(pretrained, "tune", None)
    with pytest.raises(InputError, match="two of the tasks have the name 'plots'; leave one out"):
        pretrained.pretrained(Setting(config=config), tasks=[tasks_of(config)[1]] * 2, draws=2)
    with pytest.raises(InputError, match="two of the tasks have the name 'tweets'; leave one out"):
        budgets_of_pretrained(replace(config, method_options={"tasks": ["tweets", "bbc-headlines", "tweets"]}))


def test_a_suite_plans_a_budget_for_each_source_and_the_own_study(config):
    assert budgets_of_pretrained(config) == 1 + 2
    other = replace(config, problem=replace(config.problem, task="bbc-headlines"), method_options={"tasks": ["tweets"]})
    assert budgets_of_pretrained(other) == 1 + 2


def test_all_studies_share_limits_and_time_equally(config, monkeypatch):
    tuned, tune = [], pretrained.tune

    def watched(setting, config, **more):
        tuned.append((config.budget, config.limits, config.stop.time_limit, config.stop.patience))
        return tune(setting, config, **more)

    monkeypatch.setattr(pretrained, "tune", watched)
    shared = replace(config, limits={"rows": 100}, stop=StopConfig(time_limit=900, patience=3))
    pretrained.pretrained(Setting(config=shared), tasks=tasks_of(config))
    assert tuned == [(4, {"rows": 33}, 300, 3)] * 3
    with pytest.raises(InputError, match=r"^3 studies share limits.rows, 2: raise it to 3, or lower draws$"):
        pretrained.pretrained(Setting(config=replace(config, limits={"rows": 2})), tasks=tasks_of(config))


def test_seeds_and_draws_draw_other_random_directions(config, tmp_path, monkeypatch):
    prompts = [TunedPrompt(prompt=np.eye(3, 32) * scale, task="plots", model="m") for scale in (1, 2)]  # of any seed
    learn = pretrained.learn_projection
    monkeypatch.setattr(pretrained, "learn_projection", lambda _, **keys: learn(prompts, **keys))
    monkeypatch.setattr(pretrained, "tune", lambda *args, **more: (None, SimpleNamespace(chosen=None)))
    for name in ("tuned_prompt", "fitted_by"):
        monkeypatch.setattr(pretrained, name, lambda *args: SimpleNamespace(predict=None))
    monkeypatch.setattr(pretrained, "together", lambda *args: None)

    def columns(**keys):
        prompt = replace(config.prompt, draw=keys.pop("draw", 0))
        folder = tmp_path / str(len([*tmp_path.iterdir()]))
        folder.mkdir()
        setting = Setting(config=replace(config, prompt=prompt, **keys), folder=folder)
        pretrained.pretrained(setting, tasks=tasks_of(config))
        return load_file(folder / "projection.safetensors")["projection"][:, 1:]  # the first is learned

    np.testing.assert_array_equal(columns(seed=1), columns(seed=1))
    for other in ({"seed": 2}, {"seed": 1, "draw": 1}):
        overlap = np.linalg.norm(columns(seed=1).T @ columns(**other), axis=1) / np.square(columns(seed=1)).sum(axis=0)
        assert overlap.max() < 0.8, other  # 1 in the same directions


def test_a_run_without_a_result_continues_with_the_projection_that_it_learned(config, tmp_path):
    folder = tmp_path / "s"
    for _ in range(6):  # a file whose bytes depend on chance is another one soon, and its study is refused
        run_method(config, out=folder)
        for file in (folder / "result.json", folder / "study" / "result.json"):
            file.unlink()
