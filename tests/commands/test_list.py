"""`dfo-prompt list` prints lines that fit a terminal, and an entry with its options."""

import json
import sys

import pytest

from dfo_prompt.commands.entry import described
from dfo_prompt.plugin.catalogue import KINDS, catalogue, plugin_files


@pytest.mark.parametrize("columns", [80, 120])
def test_lines_fit_the_terminal(program, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = program("list", "optimizers")[1].splitlines()
    assert max(map(len, lines)) <= columns
    assert not any("dfo_prompt." in line for line in lines)


def test_optimizers_stand_in_families_without_internals(program, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    out = program("list", "optimizers")[1]
    families = {part.splitlines()[0]: part.splitlines()[1:] for part in out.split("\n\n")}
    of = families["cma (8)"]
    assert [line.split()[0] for line in of if line.startswith("cma")] == sorted(
        spec.name for spec in catalogue().optimizers if spec.name.partition(":")[0] == "cma"
    )
    assert list(families)[-1] == "others"
    assert any(line.startswith("random ") for line in families["others"])
    assert "popsize:" not in out
    assert "deterministic" not in out
    shown = [line.split()[0] for lines in families.values() for line in lines if not line.startswith(" ")]
    assert sorted(shown) == sorted(spec.name for spec in catalogue().optimizers)
    assert "linear-quadratic" in out  # not broken at its hyphen


@pytest.mark.parametrize("columns", [80, 120])
def test_an_entry_fits_the_terminal_and_says_what_it_does_with_keys_of_the_study(program, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    out = program("list", "optimizers", "cma")[1]
    assert max(map(len, out.splitlines())) <= columns
    assert "Its popsize is at least 3; a smaller one is raised to that." in out
    assert "It takes 3 options. Set them with --set optimizer.KEY=VALUE." in out
    assert max(map(len, program("list", "optimizers", "cma:lq")[1].splitlines())) <= columns
    assert "It ignores popsize." in program("list", "optimizers", "scipy:Powell")[1]


def test_an_entry_shows_its_options_with_types_defaults_and_meanings(program):
    status, out, _ = program("list", "optimizers", "cma")
    assert status == 0
    assert "Hansen, 2016" in out
    assert "restarts: 'none' | 'ipop' | 'bipop', default 'none'" in out
    assert "restart at x0" in out
    assert "popsize:" not in out  # the study's
    fixed = json.loads(program("list", "optimizers", "cma:sep", "--json")[1])["options"]
    assert "covariance" not in [row["name"] for row in fixed]


@pytest.mark.parametrize(
    ("kind", "name", "options"),
    [
        ("executors", "processes", []),
        ("endpoints", "vllm", ["batch"]),
        ("objectives", "prompt", []),
        ("projections", "file", ["path"]),
        ("projections", "normal", ["alpha", "sigma"]),
        ("losses", "hinge", []),
    ],
)
def test_arguments_that_the_study_supplies_are_no_options(program, kind, name, options):
    assert [row["name"] for row in json.loads(program("list", kind, name, "--json")[1])["options"]] == options


def test_the_flag_of_an_option_is_said(program):
    assert "Set it with --set endpoint.options.KEY=VALUE." in program("list", "endpoints", "vllm")[1]
    assert "Set them with --set prompt.projection_options.KEY=VALUE." in program("list", "projections", "normal")[1]
    assert "Set it with --set trackers.tensorboard.KEY=VALUE." in program("list", "observers", "tensorboard")[1]
    assert "It takes" not in program("list", "losses", "hinge")[1]


def test_a_name_that_is_unknown_is_one_line(program):
    status, _, err = program("list", "optimizers", "cmma")
    assert (status, err.count("\n"), "did you mean 'cma'?" in err) == (2, 1, True)
    assert program("list", "plugins", "cma")[0] == 2


def test_a_name_and_a_registry_exclude_each_other(program):
    status, _, err = program("list", "optimizers", "cma", "--registry", "nevergrad")
    assert (status, err) == (2, "error: give a NAME or --registry, not both\n")


def test_an_entry_whose_extra_is_missing_says_what_it_needs(program, monkeypatch):
    monkeypatch.setitem(sys.modules, "dfo_prompt.suite.on_ray", None)
    status, out, err = program("list", "executors", "ray")
    assert (status, err) == (0, "")
    assert out.startswith("ray: ")
    assert out.endswith("executor 'ray' needs an extra: pip install 'dfo-prompt[ray]'\n")


@pytest.mark.parametrize("kind", KINDS)
def test_every_entry_can_be_shown(program, kind):
    for spec in getattr(catalogue(), kind):
        if spec.name.endswith(":*"):
            continue
        status, out, err = program("list", kind, spec.name)
        assert (status, err) == (0, "")
        assert "Annotated" not in out
        assert "FieldInfo" not in out
        assert " ".join(spec.summary.split()) in " ".join(out.split()) or ".toml" in spec.target


@pytest.mark.parametrize("kind", KINDS)
def test_every_entry_fits_a_terminal(kind):
    for spec in getattr(catalogue(), kind):
        if not spec.target.endswith(".toml"):
            shown = described(kind, spec.name, as_json=False, width=80)
            assert max(map(len, shown.splitlines())) <= 80, shown


@pytest.mark.parametrize("kind", KINDS)
def test_every_option_has_a_meaning(kind):
    for spec in getattr(catalogue(), kind):
        for row in json.loads(described(kind, spec.name, as_json=True, width=120)).get("options", ()):
            assert row["meaning"], f"{kind} {spec.name}: {row['name']} has no line under Args"
            assert not row["meaning"].startswith("see "), f"{kind} {spec.name}: {row['name']} only points elsewhere"


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("optimizers", "nevergrad:*", "the name in the registry."),
        ("optimizers", "blockwise:random", "the name of the blocks' optimizer."),
        ("objectives", "bbob:*", '"1" to "24".'),
        ("optimizers", "cmaes:lra", ""),
    ],
)
def test_the_part_behind_a_colon_is_no_option(program, kind, name, said):
    assert "variant" not in [row["name"] for row in json.loads(program("list", kind, name, "--json")[1])["options"]]
    out = " ".join(program("list", kind, name)[1].split())
    assert "variant:" not in out
    assert (f"The part behind the colon belongs to the name and is no option: {said}" in out) == bool(said)


PLUGIN = """
import dfo_prompt as dp


class Undocumented(dp.Optimizer):
    def ask(self):
        return self.rng.standard_normal((self.popsize, self.dim))

    def tell(self, candidates, losses):
        pass


@dp.hookimpl
def dfo_prompt_optimizers():
    yield dp.OptimizerSpec(name="undocumented", target=f"{__name__}:Undocumented", summary="Draws normal candidates.")
"""


def test_an_entry_without_a_docstring_shows_none_of_its_base_class(tmp_path):
    file = tmp_path / "undocumented.py"
    file.write_text(PLUGIN, encoding="utf-8")
    with plugin_files(file):
        text = described("optimizers", "undocumented", as_json=False, width=120)
    assert text == "undocumented: Draws normal candidates.\n\nIt takes no options."
