import json
import re
from pathlib import Path

import numpy as np
import pytest

from dfo_prompt.config import presets
from dfo_prompt.config.prompt import PromptConfig
from dfo_prompt.config.reading import parse_config, read_config
from dfo_prompt.config.study import default_popsize
from dfo_prompt.errors import InputError

PRESETS = Path(presets.__file__).parent


def test_defaults_are_those_of_black_box_tuning():
    config = parse_config({})
    assert (config.optimizer, config.objective) == ("cma", "prompt")
    assert (config.budget, config.dim, config.popsize, config.sigma) == (8000, 500, 20, 1.0)
    assert config.validate_every == 100


@pytest.mark.parametrize(("dim", "popsize"), [(1, 4), (10, 10), (500, 22)])
def test_default_popsize_is_hansens(dim, popsize):
    assert default_popsize(dim) == popsize
    assert parse_config({"dim": dim, "popsize": None}).popsize == popsize


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"budget": 0}, "test: budget: Input should be greater than or equal to 1, not 0"),
        ({"budget": -5}, "test: budget: .*not -5"),
        ({"budget": "10"}, "test: budget: Input should be a valid integer, not '10'"),
        ({"budgte": 10}, "test: unknown key: 'budgte'; did you mean 'budget'?"),
        (
            {"problem": {"shot": 3}},
            "test: unknown key of problem: 'shot'; did you mean 'shots'\\? known: data, device, .*, task",
        ),
        ({"stop": {"patence": 3}}, "test: unknown key of stop: 'patence'; did you mean 'patience'\\? known: min_delta, on"),
        ({"problem": {"model": 3}}, "test: problem.model: Input should be a valid string, not 3"),
        ({"stop": {"min_delta": 0.1}}, "test: stop: set time_limit, patience or target"),
        ({"seed": -1}, "test: seed: "),
        ({"sigma": 0.0}, "test: sigma: "),
        ({"sigma": float("nan")}, "test: sigma: "),
        ({"bounds": [1, 1]}, r"test: bounds must be \[low, high\] with low < high"),
        ({"bounds": [1, 2, 3]}, "test: bounds"),
        ({"dim": 2, "x0": [1.0]}, "test: x0 has 1 coordinates, dim is 2"),
        ({"bounds": [[0, 1], [1, 2, 3]], "dim": 2}, "test: bounds have 3 coordinates, dim is 2"),
        ({"bounds": [[0, 5], 5], "dim": 2}, "test: bounds must be .* not in coordinate 2"),
        ({"bounds": ["inf", 5]}, r"test: bounds must be \[low, high\] with low < high"),
        ({"bounds": [0, float("nan")]}, r"test: bounds must be \[low, high\] with low < high"),
        ({"bounds": [0, "wide"]}, "test: bounds.1: Input should be a valid number, not 'wide'"),
        ({"bounds": [0]}, "test: bounds.1: Field required"),
        ({"bounds": [-1, 1], "dim": 2, "x0": [0.5, 3.0]}, "test: x0 starts at 3, outside the bounds"),
        ({"popsize": 0}, "test: popsize: "),
        ({"optimizer_options": {"rate": object()}}, "test: <object object at .*> is no plain data"),
        ({"popsize": 10**13}, "test: popsize: Input should be less than or equal to 100000, not 10000000000000"),
    ],
)
def test_a_mistake_is_one_line_that_names_its_key(data, message):
    with pytest.raises(InputError, match=message) as caught:
        parse_config(data, where="test")
    assert "\n" not in str(caught.value)


def test_a_file_is_read_and_the_command_line_wins(tmp_path):
    file = tmp_path / "study.toml"
    file.write_text('budget = 30\nbounds = [-5, 5]\n[problem]\ntask = "tweets"\ndata = "examples.csv"\n')
    config = read_config(file, {"budget": 40, "problem": {"shots": 4}})
    assert config.budget == 40
    assert config.bounds == (-5.0, 5.0)
    assert (config.problem.task, config.problem.data, config.problem.shots) == ("tweets", tmp_path / "examples.csv", 4)


@pytest.mark.slow
def test_tasks_of_a_method_are_relative_to_the_file(tmp_path):
    file = tmp_path / "study.toml"
    file.write_text('method = "pretrained"\nmethod_options = { tasks = ["tweets", "mine.toml"], draws = 2 }\n')
    assert read_config(file, {}).method_options == {"tasks": ["tweets", f"file:{tmp_path / 'mine.toml'}"], "draws": 2}


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("bbt", {"dim": 500, "popsize": 20, "budget": 8000, "bounds": None, "sigma": 1.0, "optimizer": "cma"}),
        ("bbt-uniform", {"dim": 500, "popsize": 20, "budget": 8000, "bounds": (-5.0, 5.0), "optimizer": "cma"}),
        ("bbt-rgb", {"dim": 24 * 500, "popsize": 20, "budget": 8000, "optimizer": "two-stage:blockwise:cma"}),
        (
            "bbtv2",
            {
                "dim": 24 * 500,
                "popsize": 20,
                "budget": 8000,
                "sigma": 0.2,
                "optimizer": "blockwise:cma",
                "optimizer_options": {"blocks": 24},
            },
        ),
    ],
)
def test_presets_are_the_published_settings(preset, expected):
    config = parse_config({"preset": preset})
    assert {key: getattr(config, key) for key in expected} == expected
    of = {
        "bbt": {"projection": "normal"},
        "bbt-uniform": {"projection": "uniform"},
        "bbt-rgb": {"projection": "normal", "layers": "all", "projection_options": {"alpha": 0.2, "sigma": 0.2}},
        "bbtv2": {"projection": "normal", "layers": "all", "projection_options": {"alpha": 0.2, "sigma": 0.2}},
    }
    assert config.prompt == PromptConfig(tokens=50, start="vocabulary", **of[preset])
    assert config.problem.shots == 16


def test_the_files_that_presets_cite_exist():
    cited = {name for file in PRESETS.glob("*.toml") for name in re.findall(r"benchmarks/[\w./-]*\w", file.read_text())}
    assert "benchmarks/results/gradients" in cited
    assert [name for name in cited if not (Path(__file__).parents[2] / name).exists()] == []


def test_the_efficient_preset_puts_the_prompt_behind_the_texts():
    config = parse_config({"preset": "efficient"})
    assert (config.optimizer, config.prompt.place, config.prompt.tokens) == ("structured:cma", "behind", 10)
    assert 100 <= config.budget <= 1000


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"budget =", "study.toml is not valid TOML"), (b"\xff", "not valid TOML"), (None, "cannot read .*study.toml")],
)
def test_a_bad_file_is_one_line(tmp_path, content, message):
    file = tmp_path / "study.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_config(file, {})


def test_numbers_of_numpy_are_numbers():
    config = parse_config({"budget": np.int64(20), "sigma": np.float32(0.5), "bounds": np.array([-1.0, 1.0])})
    assert (config.budget, config.sigma, config.bounds) == (20, 0.5, (-1.0, 1.0))


def test_plain_data_gives_the_same_configuration_again():
    config = parse_config({"bounds": [-1.0, 1.0], "optimizer_options": {"active": False}})
    assert parse_config(config.as_dict()) == config


PLUGIN = """\
from pathlib import Path
import dfo_prompt as dp

class Table:
    def __init__(self, file, dim):
        self.dim, self.shift = dim, float(file.read_text())

    def evaluate(self, candidates):
        return dp.Evaluation(losses=((candidates - self.shift) ** 2).sum(axis=1))

def table(*, dim: int, seed: int, file: Path):
    return Table(file, dim)

@dp.hookimpl
def dfo_prompt_objectives():
    return [dp.Spec(name="table", target="tables_plugin:table", summary="A shifted sphere.")]
"""


def test_a_path_option_of_a_plugin_is_relative_to_the_file_it_stands_in(program, tmp_path):
    there = tmp_path / "there"
    there.mkdir()
    (there / "tables_plugin.py").write_text(PLUGIN)
    (there / "shift.txt").write_text("0.5")
    (there / "study.toml").write_text(
        'plugin = "tables_plugin.py"\nobjective = "table"\ndim = 2\nbudget = 20\n[objective_options]\nfile = "shift.txt"\n'
    )
    status, _, err = program("run", "there/study.toml", "--out", "s")
    assert status == 0, err
    config = json.loads((tmp_path / "s" / "manifest.json").read_text())["config"]
    assert (config["plugin"], config["objective_options"]) == (
        "file:../there/tables_plugin.py",
        {"file": "file:../there/shift.txt"},
    )
    status, _, err = program("run", "there/study.toml", "--set", "objective.file=there/shift.txt", "--out", "s")
    assert status == 0, err  # the same file, from the command line: relative to the working directory
