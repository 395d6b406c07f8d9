"""The studies that method `pretrained` learns from."""

from dataclasses import replace

import pytest

from dfo_prompt.config.reading import parse_config
from dfo_prompt.errors import InputError
from dfo_prompt.methods import pretrained
from dfo_prompt.methods.run import run_method
from dfo_prompt.methods.setting import Setting
from dfo_prompt.methods.sources import budgets_of_pretrained
from dfo_prompt.plugin.entries import options_of


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


def test_a_run_without_a_result_continues_with_the_projection_that_it_learned(config, tmp_path):
    folder = tmp_path / "s"
    for _ in range(6):  # a file whose bytes depend on chance is another one soon, and its study is refused
        run_method(config, out=folder)
        for file in (folder / "result.json", folder / "study" / "result.json"):
            file.unlink()
