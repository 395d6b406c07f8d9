"""Configurations that name a plugin file, and options with the names of other keys."""

import pytest

from dfo_prompt._util.parsing import FILE
from dfo_prompt.config.reading import parse_config, read_config
from dfo_prompt.errors import InputError
from dfo_prompt.run.built import objective_of, plugin_of

PLUGIN = """
from pathlib import Path

import dfo_prompt as dp

class Own:
    def __init__(self, *, dim: int, seed: int, shots: int = 1, data: Path | None = None, budget: float = 0.0):
        self.dim, self.shots, self.data, self.budget = dim, shots, data, budget
    def evaluate(self, candidates):
        return dp.Evaluation(losses=(candidates**2).sum(axis=1))

@dp.hookimpl
def dfo_prompt_objectives():
    return [dp.Spec(name="own", target="mine:Own", summary="")]
"""


@pytest.fixture
def plugin(tmp_path):
    (tmp_path / "mine.py").write_text(PLUGIN)
    return {"plugin": str(tmp_path / "mine.py"), "objective": "own", "dim": 3}


def test_an_objective_may_have_options_with_the_names_of_other_keys(plugin, tmp_path):
    (tmp_path / "study.toml").write_text('[objective_options]\nshots = 5\ndata = "rows.csv"\nbudget = 0.5\n')
    config = read_config(tmp_path / "study.toml", plugin)
    with plugin_of(config):
        objective = objective_of(config)
    assert (objective.shots, objective.data, objective.budget) == (5, tmp_path / "rows.csv", 0.5)
    assert (config.problem.shots, config.problem.data, config.budget) == (16, None, 8000)


@pytest.mark.parametrize(
    ("objective", "option", "said"),
    [
        ("own", "dim", "dim is no option of the objective; write dim"),
        ("own", "tokens", "tokens is no option of the objective; write prompt.tokens"),
        ("own", "problem", "problem is no option of the objective; write problem"),
        ("sphere", "shots", "shots is no option of the objective; write problem.shots"),
        ("prompt", "shots", "shots is no option of the objective; write problem.shots"),
        ("prompt", "prompt", "prompt is no option of the objective; write prompt"),
    ],
)
def test_other_names_are_sent_to_their_place(plugin, objective, option, said):
    with pytest.raises(InputError, match=said):
        parse_config({**plugin, "objective": objective, "objective_options": {option: 3}})


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"optimizer_options": {"outer": 3}, "objective": "sphere"}, "unknown option of optimizer 'cma': 'outer'"),
        ({"method_options": {"setting": 3}, "method": "manual"}, "'setting'"),
    ],
)
def test_what_the_study_supplies_and_no_key_sets_is_no_option(data, said):
    with pytest.raises(InputError, match=said):
        parse_config(data)


@pytest.mark.parametrize("mark", ["", FILE])
def test_a_plugin_file_may_lie_in_the_home_folder(plugin, tmp_path, monkeypatch, mark):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert parse_config({**plugin, "plugin": f"{mark}~/mine.py"}).plugin == tmp_path / "mine.py"


@pytest.mark.parametrize("named", ["", 'preset = "bbtv2"\n'])
def test_a_preset_of_the_command_line_replaces_that_of_the_file_and_leaves_its_keys(tmp_path, named):
    (tmp_path / "study.toml").write_text(f"{named}budget = 40\ndim = 7\n[prompt]\ntokens = 3\n")
    config = read_config(tmp_path / "study.toml", {"preset": "bbt", "dim": 8, "problem": {"shots": 4}})
    assert (config.budget, config.dim, config.prompt.tokens, config.problem.shots) == (40, 8, 3, 4)
    assert (config.optimizer, config.prompt.layers, config.prompt.start) == (
        "cma",
        parse_config({}).prompt.layers,
        "vocabulary",
    )
