"""The commands suggested after a study can be run as they are."""

import shlex

import pytest
from servers import LABELLING, Server

from dfo_prompt.testing.tiny import save_tiny_model


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "options", "form"),
    [
        ("", [], ""),
        ("", ["--set", "prompt.place=behind"], " --format safetensors"),
        ("", ["--set", "prompt.layers=all", "--optimizer", "cma"], " --format safetensors"),
        ("{prompt} ", [], " --format safetensors"),  # at a mark of the template
        ("", ["--objective", "trigger", "--optimizer", "coordinate"], ""),
        (
            "",
            ["--objective", "trigger", "--optimizer", "coordinate", "--set", "prompt.place=behind"],
            " --format safetensors",
        ),
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


def test_no_plain_export_is_suggested_for_an_encoder_decoder(program, tmp_path, tiny_task):
    save_tiny_model(tmp_path / "t5", "t5")
    where = ["--model", "t5", "--task", str(tiny_task), "--shots", "4", "--prompt-tokens", "2", "--dim", "4"]
    status, _, err = program("run", *where, "--budget", "4", "--popsize", "4", "--out", "s")
    assert (status, err.splitlines()[-1]) == (
        0,
        "next: dfo-prompt predict s TEXT, or dfo-prompt export s --format safetensors",
    )
    status, _, err = program("export", "s", "--format", "safetensors")
    assert status == 0, err


def test_no_export_is_suggested_for_a_prompt_behind_a_server(program, tmp_path):
    (tmp_path / "labelling_plugin.py").write_text(LABELLING)
    server = Server(tmp_path, "--objective", "labelling", "--dim", "3", plugin=tmp_path / "labelling_plugin.py").start()
    try:
        where = ["--objective", "remote", "--set", f"objective.url={server.url}", "--dim", "3"]
        status, _, err = program("run", *where, "--budget", "4", "--popsize", "4", "--out", "s")
    finally:
        server.stop()
    assert (status, err.splitlines()[-1]) == (0, "next: dfo-prompt predict s TEXT")
