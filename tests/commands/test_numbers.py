"""Flags whose values are finite numbers above zero."""

import pytest

COMMANDS = {
    "--batch-seconds": ["run", "--objective", "sphere"],
    "--study-seconds": ["run", "--objective", "sphere"],
    "--alpha": ["pretrain-projection", "prompt.safetensors", "--dim", "2"],
}


@pytest.mark.parametrize("flag", COMMANDS)
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "0"])
def test_other_values_are_refused_in_one_line(program, tmp_path, flag, value):
    (tmp_path / "prompt.safetensors").touch()
    status, out, err = program(*COMMANDS[flag], flag, value)
    assert (status, out, err.count("\n"), f"Invalid value for '{flag}'" in err) == (2, "", 1, True), err
