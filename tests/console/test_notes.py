"""The commands suggested after a study can be run as they are."""

import shlex

import pytest


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "options", "form"),
    [
        ("", [], ""),
        ("", ["--set", "prompt.place=behind"], " --format safetensors"),
        ("", ["--set", "prompt.layers=all", "--optimizer", "blockwise:cma"], " --format safetensors"),
        ("{prompt} ", [], " --format safetensors"),  # at a mark of the template
        ("", ["--objective", "trigger", "--optimizer", "coordinate"], ""),
    ],
)
def test_the_export_that_is_suggested_succeeds(program, tmp_path, tiny_folder, tiny_task, change, options, form):
    tiny_task.write_text(tiny_task.read_text().replace("it was", f"{change}it was"))
    where = ["--model", str(tiny_folder), "--task", str(tiny_task), "--shots", "4", "--prompt-tokens", "2", "--dim", "12"]
    status, _, err = program("run", *where, "--budget", "10", *options, "--out", "s")
    assert status == 0, err
    _, _, command = err.rpartition("next: ")[2].partition(", or ")
    assert command.strip() == f"dfo-prompt export s{form}"
    status, _, err = program(*shlex.split(command)[1:])
    assert status == 0, err
