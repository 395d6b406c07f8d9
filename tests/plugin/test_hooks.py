"""A plugin file extends each catalogue of a prompt's parts, and its entries run on a tiny model."""

import json

import pytest

from dfo_prompt.errors import PluginError, UnknownNameError
from dfo_prompt.plugin.catalogue import catalogue, plugin_files
from dfo_prompt.prompt.losses import loss_called
from dfo_prompt.tasks.metrics import score

STRANGER = """
from dataclasses import replace

import numpy as np
import pandas as pd
import dfo_prompt as dp

PRESET = {"budget": 24, "dim": 3, "popsize": 4, "sigma": 0.5, "optimizer": "random"}

def errors(predictions, labels, *, scale):  # (B, N), (N,) -> (B,)
    return -scale * (predictions != labels).sum(axis=1)

def brier(logits, labels):  # (B, N, C), (N,) -> (B,)
    right = logits.softmax(dim=-1).gather(-1, labels.expand(len(logits), -1)[..., None])[..., 0]
    return ((1 - right) ** 2).mean(dim=1)

def film(task, sample):
    return dp.Calibration(texts=[("film",) * len(task.fields)])

def bytes_of(objective, candidate, out):
    out.write_bytes(objective.prompt(candidate).cpu().numpy().tobytes())

def best(analysis):
    table = pd.DataFrame({"optimizer": analysis.complete})
    return dp.Section(name="entries", title="Entries", text="All of them.", table=table)

def broken(analysis):
    raise RuntimeError("no luck")

def taken(analysis):
    return [best(analysis)]

def reserved(analysis):
    return replace(best(analysis), name="scores")

@dp.hookimpl
def dfo_prompt_metrics():
    yield dp.MetricSpec(name="errors", target="stranger:errors", summary="Minus errors.", options={"scale": 2}, classes=2)
    yield dp.MetricSpec(name="lame", target="stranger:lame", summary="One number for all.")

def lame(predictions, labels):
    return 1.0

@dp.hookimpl
def dfo_prompt_losses():
    yield dp.Spec(name="brier", target="stranger:brier", summary="Brier score.")
    yield dp.Spec(name="flat", target="stranger:flat", summary="One number for all.")

def flat(logits, labels):
    return logits.mean()

@dp.hookimpl
def dfo_prompt_calibrations():
    return [dp.Spec(name="film", target="stranger:film", summary="By a film.")]

@dp.hookimpl
def dfo_prompt_presets():
    return [dp.Spec(name="quick", target="stranger:PRESET", summary="Few queries.")]

@dp.hookimpl
def dfo_prompt_exporters():
    return [dp.ExporterSpec(name="bytes", target="stranger:bytes_of", summary="Raw floats.", place="prompt.bin")]

@dp.hookimpl
def dfo_prompt_sections():
    yield dp.Spec(name="entries", target="stranger:best", summary="All entries.")
    yield dp.Spec(name="broken", target="stranger:broken", summary="Fails.")
    yield dp.Spec(name="again", target="stranger:taken", summary="A name that is taken.")
    yield dp.Spec(name="scores", target="stranger:reserved", summary="The name of a picture.")
"""


@pytest.fixture
def stranger(tmp_path):
    file = tmp_path / "stranger.py"
    file.write_text(STRANGER)
    return file


def test_metric_loss_calibration_preset_and_exporter_of_a_file(program, tmp_path, stranger, tiny_folder, tiny_task):
    tiny_task.write_text('metric = "errors"\n' + tiny_task.read_text())
    where = ("--model", str(tiny_folder), "--task", str(tiny_task), "--shots", "4", "--prompt-tokens", "2")
    what = ("--preset", "quick", "--loss", "brier", "--calibration", "film")
    status, _, err = program("--plugin", str(stranger), "run", *where, *what, "--out", "s")
    assert status == 0, err
    lines = [json.loads(line) for line in (tmp_path / "s" / "journal.jsonl").read_text().splitlines()]
    assert len(lines) == 24
    assert all(0 <= line["loss"] <= 1 for line in lines)
    assert {line["metrics"]["errors"] % 2 for line in lines} == {0}
    assert json.loads(program("show", "s", "--json")[1])["spent"]["rows"] == 24 * (
        8 + 1
    )  # 4 shots of 2 classes, and the film
    status, out, err = program("--plugin", str(stranger), "export", "s", "--format", "bytes")
    assert (status, out) == (0, "s/prompt.bin\n"), err
    assert len((tmp_path / "s" / "prompt.bin").read_bytes()) == 2 * 32 * 4


def test_a_preset_of_the_plugin_that_a_study_file_names(program, tmp_path, stranger):
    (tmp_path / "study.toml").write_text(f'plugin = "{stranger.name}"\npreset = "quick"\nobjective = "sphere"\n')
    status, out, err = program("run", "study.toml", "--out", "s")
    assert status == 0, err
    assert "24 of 24" in out


@pytest.mark.slow
def test_sections_of_a_file_stand_in_the_report_and_one_that_fails_says_so(program, tmp_path, stranger):
    suite = (
        'name = "s"\nseeds = [1, 2]\noptimizers = ["random", "cma"]\n[study]\nobjective = "sphere"\ndim = 2\nbudget = 20\n'
    )
    (tmp_path / "suite.toml").write_text(suite)
    assert program("suite", "run", "suite.toml", "--out", "s")[0] == 0
    status, _, err = program("--plugin", str(stranger), "suite", "report", "s")
    assert status == 0, err
    page = (tmp_path / "s" / "report" / "report.md").read_text()
    assert "## Entries\n\nAll of them." in page
    assert "## broken\n\nFailed: RuntimeError: no luck" in page
    assert "## again\n\nFailed: PluginError: a table cannot be called 'entries': the name is invalid or taken" in page
    refused = "PluginError: a table cannot be called 'scores': the report has another part of that name (plugin stranger.py)"
    assert f"## scores\n\nFailed: {refused}" in page
    assert (tmp_path / "s" / "report" / "scores.csv").read_text().startswith("optimizer,score,low,high\n")
    assert (tmp_path / "s" / "report" / "entries.csv").read_text().splitlines()[0] == "optimizer"


@pytest.mark.parametrize(
    ("kind", "name", "close"),
    [
        ("metrics", "acuracy", "accuracy"),
        ("losses", "crossentropy", "cross_entropy"),
        ("calibrations", "contextal", "contextual"),
        ("presets", "btbv2", "bbtv2"),
        ("exporters", "safetensor", "safetensors"),
        ("sections", "leaderbord", "leaderboard"),
    ],
)
def test_each_list_is_shown_and_a_misspelt_name_gets_a_suggestion(program, kind, name, close):
    assert close in [row["name"] for row in json.loads(program("list", kind, "--json")[1])]
    with pytest.raises(UnknownNameError, match=f"'{name}'; did you mean '{close}'"):
        getattr(catalogue(), kind).find(name)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "--objective", "sphere", "--preset", "btbv2"), "unknown preset 'btbv2'; did you mean 'bbtv2'?"),
        (("run", "--loss", "crossentropy"), "unknown loss 'crossentropy'; did you mean 'cross_entropy'?"),
        (("run", "--calibration", "contextal"), "unknown calibration 'contextal'; did you mean 'contextual'?"),
    ],
)
def test_a_misspelt_name_is_found_out_before_a_model_is_loaded(program, arguments, said):
    status, _, err = program(*arguments, "--model", "there-is-no-such-model")
    assert (status, said in err) == (2, True), err


def test_what_a_plugin_gives_in_the_wrong_shape_is_named(stranger, monkeypatch):
    import numpy as np
    import torch

    with plugin_files(stranger):
        with pytest.raises(PluginError, match=r"metric 'lame' gives shape \(\) for 3 candidates"):
            score("lame", np.zeros((3, 4), dtype=int), np.zeros(4, dtype=int))
        with pytest.raises(PluginError, match=r"loss 'flat' gives the shape \(\) for 3 candidates"):
            loss_called("flat")(torch.zeros(3, 4, 2), torch.zeros(4, dtype=torch.long))
    monkeypatch.setattr("dfo_prompt.prompt.losses.hinge", lambda logits, labels: np.zeros(len(logits)))
    with pytest.raises(PluginError, match="loss 'hinge' gives a ndarray, not a tensor"):
        loss_called("hinge")(torch.zeros(3, 4, 2), torch.zeros(4, dtype=torch.long))


def test_a_metric_for_two_classes_is_not_for_three(stranger):
    from dfo_prompt.tasks.task import Task

    labels = {"a": "A", "b": "B", "c": "C"}
    with plugin_files(stranger), pytest.raises(ValueError, match="errors is for 2 classes, not 3; use accuracy or"):
        Task(name="t", summary="", template="{text} {answer}", labels=labels, metric="errors")
    with pytest.raises(ValueError, match="unknown metric 'errors'"):
        Task(name="t", summary="", template="{text} {answer}", labels={"a": "A", "b": "B"}, metric="errors")


def test_a_preset_that_is_no_table_is_named(tmp_path, stranger):
    from dfo_prompt.config.presets import read_preset

    stranger.write_text(STRANGER.replace("PRESET = {", "PRESET = 3, {"))
    with plugin_files(stranger), pytest.raises(PluginError, match="preset 'quick' is a tuple, not a table of keys"):
        read_preset("quick")


def test_the_settings_of_a_preset_that_is_a_mapping_are_shown(program, stranger):
    status, said, _ = program("--plugin", str(stranger), "list", "presets", "quick")
    assert status == 0
    assert json.loads(said)["budget"]


@pytest.mark.parametrize("command", [("predict", "s", "a film"), ("export", "s", "--format", "safetensors")])
def test_a_study_folder_runs_no_plugin_file_that_it_names(program, tmp_path, stranger, tiny_folder, tiny_task, command):
    marker = tmp_path / "was-run"
    study = f'plugin = "{stranger.name}"\npreset = "quick"\n[prompt]\ntokens = 2\nloss = "brier"\n'
    study += f'[problem]\nmodel = "{tiny_folder}"\ntask = "{tiny_task.name}"\nshots = 4\n'
    (tmp_path / "study.toml").write_text(study)
    status, _, err = program("run", "study.toml", "--out", "s")
    assert status == 0, err
    stranger.write_text(STRANGER + f"\nimport pathlib\npathlib.Path({str(marker)!r}).touch()\n")
    moved = stranger.rename(tmp_path / "s" / stranger.name)
    manifest = json.loads((tmp_path / "s" / "manifest.json").read_text())
    named = manifest["config"]["plugin"], manifest["config"]["problem"]["task"]
    assert named == (f"file:../{stranger.name}", "file:../films.toml")
    for place in (stranger.name, str(moved), "../s/stranger.py"):
        manifest["config"] |= {"plugin": place, "preset": "quick"}
        (tmp_path / "s" / "manifest.json").write_text(json.dumps(manifest))
        status, _, err = program(*command)
        assert (status, "used the plugin file stranger.py; if you trust that file, begin the command with" in err) == (
            2,
            True,
        )
        assert err.count("\n") == 1
        assert not marker.exists()
    status, out, err = program("--plugin", str(moved), *command)
    assert (status, bool(out), marker.exists()) == (0, True, True), err


def test_a_manifest_shows_no_folders_and_is_read_from_anywhere(
    program, tmp_path, stranger, tiny_folder, tiny_task, monkeypatch
):
    (tmp_path / "runs").mkdir()
    where = ("--model", str(tiny_folder), "--task", str(tiny_task), "--data", "films.csv", "--shots", "4")
    sizes = ("--prompt-tokens", "2", "--dim", "3", "--budget", "8", "--popsize", "4", "--out", "runs/s")
    assert program("run", *where, *sizes)[0] == 0
    config = json.loads((tmp_path / "runs" / "s" / "manifest.json").read_text())["config"]
    assert config["problem"]["data"] == "file:../../films.csv"
    assert config["problem"]["task"] == "file:../../films.toml"
    monkeypatch.chdir("/")
    status, out, err = program("predict", str(tmp_path / "runs" / "s"), "a film")
    assert (status, out.count("\n")) == (0, 1), err
