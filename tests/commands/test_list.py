"""`dfo-prompt list`: lines that fit a terminal, and one entry with its options."""

import json

import pytest

from dfo_prompt.plugin.catalogue import KINDS, catalogue


@pytest.mark.parametrize("columns", [80, 120])
def test_lines_fit_the_terminal(program, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = program("list", "optimizers")[1].splitlines()
    assert max(map(len, lines)) <= columns
    assert not any("dfo_prompt." in line for line in lines)


def test_an_entry_shows_its_options_with_types_defaults_and_meanings(program):
    status, out, _ = program("list", "optimizers", "cma")
    assert status == 0
    assert "Hansen, 2016" in out
    assert "restarts: Literal['none', 'ipop', 'bipop'], default 'none'" in out
    assert "start anew at x0" in out
    assert "popsize:" not in out  # the study's
    fixed = json.loads(program("list", "optimizers", "cma:sep", "--json")[1])["options"]
    assert "covariance" not in [row["name"] for row in fixed]


def test_a_name_that_is_unknown_is_one_line(program):
    status, _, err = program("list", "optimizers", "cmma")
    assert (status, err.count("\n"), "did you mean 'cma'?" in err) == (2, 1, True)
    assert program("list", "plugins", "cma")[0] == 2


@pytest.mark.parametrize("kind", KINDS)
def test_every_entry_can_be_shown(program, kind):
    for spec in getattr(catalogue(), kind):
        if spec.name.endswith(":*"):
            continue
        status, out, err = program("list", kind, spec.name)
        assert (status, err) == (0, "")
        assert spec.summary in out or ".toml" in spec.target
