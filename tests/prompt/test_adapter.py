"""The exported folder labels texts as the study's objective does, with only peft and transformers."""

import io
import json
import os
import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import PeftModel
from safetensors import SafetensorError

import dfo_prompt as dp
from dfo_prompt.prompt.adapter import save_for_peft
from dfo_prompt.prompt.objective import PromptObjective
from dfo_prompt.prompt.problem import Problem
from dfo_prompt.prompt.projections.affine import Projection, Space
from dfo_prompt.prompt.projections.dense import normal
from dfo_prompt.report import card
from dfo_prompt.tasks.examples import Example
from dfo_prompt.tasks.sampling import FewShot
from dfo_prompt.tasks.sections import Source
from dfo_prompt.tasks.task import Task
from dfo_prompt.testing.tiny import MIDDLE, TASK, few_shot, tiny_lm

TOKENS, DIM = 4, 6
PAIRS = Task(
    name="pairs",
    summary="",
    template="{text_b} and {text_a} . {answer}",
    labels={"0": "bad film", "1": "good", "2": "it was a"},
)
MASKED_PAIRS = Task(
    name="pairs",
    summary="",
    template="{text_b} was {answer} and {text_a} .",
    labels={"0": "bad film", "1": "good", "2": "it was"},
)


def objective(family="llama", task=TASK, calibration="none", **tokenizer):
    lm = tiny_lm(family, **tokenizer)
    space = Space(dim=DIM, tokens=TOKENS, width=lm.width, mean=0.0, std=0.5)
    projection = Projection(normal(space, np.random.default_rng(0)), torch.zeros(TOKENS, lm.width))
    problem = Problem(lm=lm, task=task, data=data(task), seed=0)
    sizes = {"prompt_tokens": TOKENS, "dim": DIM}
    return PromptObjective(problem=problem, projection=projection, **sizes, dtype="float32", calibration=calibration)


def data(task: Task) -> FewShot:
    plain = few_shot()
    parts = {
        name: tuple(Example(texts=one.texts * len(task.fields), label=one.label) for one in getattr(plain, name))
        for name in ("train", "dev", "test")
    }
    return FewShot(**parts)


def classified(folder, base, texts, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["classify.py", "--base", str(base), *("\t".join(text) for text in texts)])
    capsys.readouterr()
    runpy.run_path(str(folder / "classify.py"), run_name="__main__")
    return [list(json.loads(line)["probabilities"].values()) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
@pytest.mark.parametrize(
    ("family", "task", "calibration", "tokenizer"),
    [
        ("llama", TASK, "none", {}),
        ("llama", PAIRS, "contextual", {"bos": True}),
        ("qwen3", PAIRS, "median", {}),
        ("opt", TASK, "domain", {"bos": True}),
        ("bert", MIDDLE, "none", {}),
        ("bert", MASKED_PAIRS, "contextual", {}),
        ("electra", TASK, "median", {}),
        ("llama", replace(PAIRS, data=Source(most_words=3)), "none", {}),
        ("bert", replace(MASKED_PAIRS, data=Source(most_words=3)), "contextual", {}),
    ],
)
def test_the_program_in_the_folder_scores_as_the_objective_does(
    family, task, calibration, tokenizer, tmp_path, monkeypatch, capsys
):
    ours, z = objective(family, task, calibration, **tokenizer), np.random.default_rng(1).standard_normal(DIM)
    save_base(ours, tmp_path / "base")
    save_for_peft(ours, z, tmp_path / "adapter")
    # Some are too long for the model; some hold marks of the template.
    texts = [
        *ours.problem.texts("test"),
        *(("very long " * n + "{text} bad",) * len(task.fields) for n in (12, 25, 26, 27, 40)),
    ]
    found = classified(tmp_path / "adapter", tmp_path / "base", texts, monkeypatch, capsys)
    np.testing.assert_allclose(found, ours.predict(z, texts), atol=1e-5)
    assert np.ptp(np.array(found), axis=0).max() > 1e-3  # not the same for all texts


def save_base(ours, folder):
    ours.problem.lm.model.save_pretrained(folder)
    ours.problem.lm.tokenizer.save_pretrained(folder)


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
@pytest.mark.parametrize(("family", "task"), [("llama", TASK), ("bert", MIDDLE)])
def test_lines_of_standard_input_are_read_as_predict_reads_them(family, task, tmp_path, monkeypatch, capsys):
    ours, z = objective(family, task), np.zeros(DIM)
    save_base(ours, tmp_path / "base")
    save_for_peft(ours, z, tmp_path / "adapter")
    monkeypatch.setattr(
        sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xef\xbb\xbfgood film\r\n\r\n bad\x0cfilm\n"), newline="\n")
    )
    found = classified(tmp_path / "adapter", tmp_path / "base", [], monkeypatch, capsys)
    np.testing.assert_allclose(found, ours.predict(z, [("good film",), (" bad\x0cfilm",)]), atol=1e-5)


@pytest.mark.parametrize(
    ("task", "given", "fault"),
    [
        (TASK, b"good\nbad\tfilm", "text 2 has 2 texts separated by tabs, and the task has 1"),
        (PAIRS, b"good\tfilm\ngood\t ", "text 2 is empty, or half of a pair is"),
        (PAIRS, b"good", "text 1 has 1 texts separated by tabs, and the task has 2"),
        (TASK, b"good\n\xff", "text 2 holds bytes that are not UTF-8"),
    ],
)
@pytest.mark.parametrize("by_argument", [True, False])
def test_texts_that_the_program_cannot_label_are_refused_in_a_line(
    task, given, fault, by_argument, tmp_path, monkeypatch, capsys
):
    save_for_peft(objective("llama", task), np.zeros(DIM), tmp_path / "adapter")
    texts = os.fsdecode(given).split("\n") if by_argument else []
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given), encoding="utf-8"))
    with pytest.raises(SystemExit, match=fault):
        classified(tmp_path / "adapter", tmp_path / "base", [(text,) for text in texts], monkeypatch, capsys)


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """Runs Python where importing dfo_prompt fails, as where it is not installed."""
    (tmp_path / "nothing").mkdir()
    (tmp_path / "nothing" / "dfo_prompt.py").write_text("raise ModuleNotFoundError('dfo_prompt is not here')\n")
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "nothing"), "HF_HUB_OFFLINE": "1"}

    def call(*arguments):
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    status, _, err = call("-c", "import dfo_prompt")
    assert (status, "dfo_prompt is not here" in err) == (1, True)
    return call


def probabilities(lines):
    return np.array([list(json.loads(line)["probabilities"].values()) for line in lines.splitlines()])


def test_names_in_the_card_are_no_markup():
    label = {"label": "a` <img src=x> `|", "word": " <b>*"}
    base = {"model": "m`", "hub": False, "same": True, "options": {}, "fingerprint": "f"}
    said = card._rule({"task": "t<i>", "labels": [label], "base": base})
    assert said["classes"] == '`` a` <img src=x> `| `` (by the word "&lt;b&gt;\\*")'
    assert said["title"].endswith("t&lt;i&gt;")
    assert "`` m` ``" in said["origin"]


@pytest.mark.slow
def test_a_study_s_prompt_labels_texts_where_only_peft_and_transformers_are(
    program, alone, tiny_folder, tiny_task, tmp_path
):
    tiny_task.write_text(tiny_task.read_text().replace('good = "good"', 'good = "great film"'))
    where = ["--model", str(tiny_folder), "--task", str(tiny_task), "--shots", "4", "--calibration", "contextual"]
    sizes = ["--prompt-tokens", "3", "--dim", "4", "--budget", "6", "--popsize", "3"]
    assert program("run", *where, *sizes, "--out", "s")[0] == 0
    status, out, err = program("export", "s", "--out", "moved")
    assert (status, out.strip(), "python moved/classify.py TEXT" in err) == (0, "moved", True)
    texts = ["a great story and very good fun", "the plot was terrible", "very " * 80 + "dull"]
    _, ours, _ = program("predict", "s", *texts, "--json", "--dtype", "float32")
    status, theirs, err = alone(tmp_path / "moved" / "classify.py", "--base", tiny_folder, *texts)
    assert status == 0, err
    np.testing.assert_allclose(probabilities(theirs), probabilities(ours), atol=1e-4)
    assert [json.loads(line)["label"] for line in theirs.splitlines()] == [
        json.loads(line)["label"] for line in ours.splitlines()
    ]


def test_the_card_has_the_study_s_figures_and_no_path(program, tiny_folder, tiny_task, tmp_path):
    where = ["--model", str(tiny_folder), "--task", str(tiny_task), "--shots", "4", "--dtype", "float32"]
    sizes = ["--prompt-tokens", "3", "--dim", "4", "--budget", "6", "--popsize", "3", "--seed", "5"]
    assert program("run", *where, *sizes, "--out", "s")[0] == 0
    assert program("export", "s")[0] == 0
    held_out = json.loads((tmp_path / "s" / "result.json").read_text())["held_out"]
    card = (tmp_path / "s" / "adapter" / "README.md").read_text()
    row = f"| this prompt | {held_out['dev_metric']:.4g} | {held_out['test_metric']:.4g} |"
    assert row in card
    assert all(
        part in card for part in ("| budget | 6 queries, 6 spent;", "| optimizer | `cma`, population 3 |", "| seed | 5 |")
    )
    assert f"tuned on a local folder, `{tiny_folder.name}`, without a hub id" in card
    assert "$" not in card
    written = "".join(path.read_text() for path in (tmp_path / "s" / "adapter").iterdir() if path.suffix != ".safetensors")
    assert str(tiny_folder) not in written
    assert str(tmp_path) not in written
    card_of_hub = pytest.importorskip("huggingface_hub").ModelCard(card)
    assert card_of_hub.data.eval_results[0].metric_value == held_out["test_metric"]


@pytest.mark.real
def test_the_real_model_labels_the_same_elsewhere(program, alone, tmp_path):
    from dfo_prompt.lm import smollm

    sizes = [
        "--dim",
        "50",
        "--prompt-tokens",
        "5",
        "--popsize",
        "5",
        "--shots",
        "4",
        "--test-examples",
        "20",
        "--budget",
        "10",
    ]
    assert program("run", *sizes, "--sigma", "0.5", "--out", "s")[0] == 0
    assert program("export", "s")[0] == 0
    base = json.loads((tmp_path / "s" / "adapter" / "task.json").read_text())["base"]
    assert (base["model"], base["hub"]) == ("HuggingFaceTB/SmolLM2-135M-Instruct", True)
    texts = ["Striker signs new deal at Chelsea", "Bank raises rates", "Film festival opens", "PM calls a vote"]
    _, ours, _ = program("predict", "s", *texts, "--json", "--dtype", "float32")
    status, theirs, err = alone(tmp_path / "s" / "adapter" / "classify.py", "--base", smollm.fetch(), *texts)
    assert status == 0, err
    np.testing.assert_allclose(probabilities(theirs), probabilities(ours), atol=1e-3)


def test_what_peft_has_no_place_for_is_refused(tmp_path):
    behind = Task(name="behind", summary="", template="the {text} . {prompt} it was {answer}", labels=TASK.labels)
    with pytest.raises(dp.InputError, match="peft supports a prompt only ahead of the text; use --format safetensors"):
        save_for_peft(objective(task=behind), np.zeros(DIM), tmp_path / "adapter")
    assert not (tmp_path / "adapter").exists()
    (tmp_path / "adapter").touch()
    with pytest.raises(dp.InputError, match="cannot write .*adapter"):
        save_for_peft(objective(), np.zeros(DIM), tmp_path / "adapter")


def test_an_export_that_is_cut_off_leaves_whole_files_and_a_full_disk_one_line(tmp_path, monkeypatch):
    whole, folder = tmp_path / "whole", tmp_path / "adapter"
    save_for_peft(objective(), np.zeros(DIM), whole)
    contents = {file.name: file.read_bytes() for file in whole.iterdir()}
    save_model = PeftModel.save_pretrained

    def torn(self, place, **more):
        save_model(self, place, **more)
        Path(place, ".tmpAbC").write_bytes(b"half")  # as the library leaves after a kill
        raise KeyboardInterrupt

    def full(self, place, **more):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    with monkeypatch.context() as patch:
        patch.setattr(PeftModel, "save_pretrained", torn)
        with pytest.raises(KeyboardInterrupt):
            save_for_peft(objective(), np.zeros(DIM), folder)
    assert not [file for file in folder.rglob("*") if file.is_file()]
    (folder / ".part").mkdir()
    (folder / ".part" / ".tmpAbC").write_bytes(b"half")
    with monkeypatch.context() as patch:
        patch.setattr(PeftModel, "save_pretrained", full)
        with pytest.raises(dp.ModelError, match="cannot write .*adapter: .*No space left on device"):
            save_for_peft(objective(), np.zeros(DIM), folder)
    save_for_peft(objective(), np.zeros(DIM), folder)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == contents


def test_the_hub_id_stands_for_a_model_that_has_one(tmp_path):
    from dfo_prompt.lm import SMOLLM
    from dfo_prompt.lm.origin import Origin, origin_of
    from dfo_prompt.lm.smollm import REVISION

    lm = replace(tiny_lm(), name="smollm2-135m")
    lm.model.config.name_or_path = lm.model.name_or_path = str(tmp_path)
    assert origin_of(lm) == Origin(model=SMOLLM, hub=True, same=False)  # from the quantised copy
    (tmp_path / REVISION).write_text("abc\n")
    assert origin_of(lm) == Origin(model=SMOLLM, options={"revision": "abc"}, hub=True)
    assert origin_of(replace(lm, name="mine")) == Origin(model=tmp_path.name)
    assert origin_of(replace(lm, name="q.gguf")) == Origin(model=tmp_path.name, options={"gguf_file": "q.gguf"})
    lm.model.config.name_or_path = lm.model.name_or_path = "some/model"
    assert origin_of(replace(lm, name="some/model")) == Origin(model="some/model", hub=True)
