"""Text prompts on the command line: run, show, export, predict, and the error for a wrong dimension."""

import json

import numpy as np
import pytest

from dfo_prompt.config.reading import parse_config
from dfo_prompt.contracts.spec import TEXT_FILE
from dfo_prompt.errors import InputError
from dfo_prompt.lm.local import LocalEndpoint
from dfo_prompt.prompt.text.build import words_of
from dfo_prompt.run.reopen import reopen
from dfo_prompt.tasks.task import Task
from dfo_prompt.testing.tiny import tiny_lm


@pytest.fixture
def where(tiny_folder, tiny_task, tmp_path):
    (tmp_path / "pool.txt").write_text("the film was {answers}\nthe story\n")
    flags = f"--preset text --model {tiny_folder} --task {tiny_task} --shots 4 --dtype float32"
    return (*flags.split(), "--set", "objective.demonstrations=2", "--set", "objective.instructions=pool.txt")


def test_a_study_from_its_start_to_the_text_file(program, where, tmp_path):
    status, _, err = program("run", *where, "--budget", "25", "--popsize", "5", "--optimizer", "random", "--out", "s")
    assert status == 0, err
    config = json.loads((tmp_path / "s" / "manifest.json").read_text())["config"]
    assert (config["dim"], config["objective_options"]["instructions"]) == (8 + 3, "file:../pool.txt")
    text = (tmp_path / "s" / TEXT_FILE).read_text()
    assert text.endswith("\n\n{text} . it was\n")
    shown = program("show", "s")[1]
    assert text in shown
    assert "25 of 25" in shown
    assert program("export", "s", "--out", "mine.txt")[:2] == (0, "mine.txt\n")
    assert (tmp_path / "mine.txt").read_bytes() == (tmp_path / "s" / TEXT_FILE).read_bytes()
    lm = tiny_lm()
    row = text.removesuffix("\n").replace("{text}", "a great film")
    task = Task(name="t", summary="", template="{text} . it was {answer}", labels={"bad": "bad", "good": "good"})
    labels = [word[0] for word in words_of(lm, task).labels]
    logs = LocalEndpoint(lm).score([row], labels).logs[0]
    said = json.loads(program("predict", "s", "--json", "a great film")[1])["probabilities"]
    expected = np.exp(logs) / np.exp(logs).sum()
    np.testing.assert_allclose([said["bad"], said["good"]], expected, atol=1e-5)


def test_a_stopped_study_goes_on_shows_no_text_before_its_end_and_costs_the_same(program, where, tmp_path, monkeypatch):
    flags = (*where, "--budget", "30", "--popsize", "5", "--validate-every", "10")
    assert program("run", *flags, "--out", "whole")[0] == 0
    score, left = LocalEndpoint.score, [9]

    def broken(self, rows, labels):
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        return score(self, rows, labels)

    monkeypatch.setattr(LocalEndpoint, "score", broken)
    assert program("run", *flags, "--out", "broken")[0] != 0
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert "{text}" not in program("show", "broken")[1]
    assert program("export", "broken", "--format", "text")[0] == 0
    assert program("run", *flags, "--out", "broken")[0] == 0
    for name in ("journal.jsonl", "validation.jsonl", TEXT_FILE):
        assert (tmp_path / "broken" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    one, other = (json.loads(program("show", name, "--json")[1]) for name in ("whole", "broken"))
    for account in ("spent", "validation"):
        assert all(one[account][key] == other[account][key] for key in ("queries", "rows", "tokens", "requests", "uploaded"))
    assert one["spent"]["requests"] < 30  # some of thirty candidates had one text


def test_a_study_continues_with_feedback_and_its_candidates_keep_their_texts(program, where, tmp_path):
    flags = ("--budget", "5", "--popsize", "5", "--optimizer", "random")
    assert program("run", *where, *flags, "--out", "first")[0] == 0
    (tmp_path / "more.csv").write_text("text,label\nfun fun fun fun fun news,good\nvery dull dull dull dull story,bad\n")
    grown = ("--start-from", "first", "--continue-with", "more.csv", *flags[:2], "--out", "second")
    status, _, err = program("run", *grown)
    assert status == 0, err
    (first, z), (second, _) = (reopen(tmp_path / name) for name in ("first", "second"))
    assert (second.dim, len(second.split.data.train)) == (first.dim, len(first.split.data.train) + 2)
    assert second.text(z) == first.text(z)


def test_a_wrong_dimension_is_one_line_that_says_the_right_one(program, where):
    status, _, err = program("run", *where, "--dim", "12", "--out", "s")
    assert (status, err.splitlines()[-1]) == (
        2,
        "error: objective 'text-prompt' has 11 dimensions in these settings, not 12; set dim to that, or leave it out",
    )


def test_the_dimension_of_the_settings_is_taken_where_none_is_given(tiny_task, tmp_path):
    file = {"objective": "text-prompt", "problem": {"task": str(tiny_task), "shots": 3}}
    config = parse_config({**file, "popsize": None})
    assert (config.dim, config.popsize) == (6 + 8, 4 + int(3 * np.log(14)))
    assert parse_config({**file, "dim": 5}).dim == 5  # and refused when the objective is built
    assert parse_config({"objective": "sphere"}).dim == 500
    with pytest.raises(InputError, match="demonstrations must be between 1 and the 6 training examples"):
        parse_config({**file, "objective_options": {"demonstrations": 7}})
    with pytest.raises(InputError, match="x0 has 2 coordinates, dim is 14"):
        parse_config({**file, "x0": [0.0, 1.0], "dim": 14})


def test_a_changed_pool_is_another_study(program, where, tmp_path):
    assert program("run", *where, "--budget", "5", "--popsize", "5", "--optimizer", "random", "--out", "s")[0] == 0
    (tmp_path / "pool.txt").write_text("the film was {answers}\nthe plot\n")
    with pytest.raises(InputError, match="pool_fingerprint is .* its candidates mean nothing here"):
        reopen(tmp_path / "s")


def test_formats_for_the_other_kind_of_prompt_are_refused(program, where, tmp_path):
    assert program("run", *where, "--budget", "5", "--popsize", "5", "--optimizer", "random", "--out", "s")[0] == 0
    status, _, err = program("export", "s", "--format", "safetensors")
    assert (status, err) == (
        2,
        "error: safetensors is no format for a text prompt, which the study in s tunes; use --format text\n",
    )
    soft = (*where[2:10], "--dim", "4", "--prompt-tokens", "2", "--budget", "5", "--popsize", "5", "--optimizer", "random")
    assert program("run", *soft, "--out", "soft")[0] == 0
    status, _, err = program("export", "soft", "--format", "text")
    assert "text is no format for a soft prompt, which the study in soft tunes; use --format peft" in err


def test_other_settings_of_a_prompt_are_refused(program, where):
    status, _, err = program("run", *where, "--projection", "uniform", "--out", "s")
    assert status == 2
    assert "objective 'text-prompt' takes only these keys of [prompt]: loss, calibration, dtype" in err


@pytest.fixture
def near(tiny_folder, tiny_task):
    flags = f"--preset text-tokens --model {tiny_folder} --task {tiny_task} --shots 4 --dtype float32 --dim 6"
    return (*flags.split(), "--set", "prompt.start=text:it was a film", "--set", "prompt.projection_options.alpha=1")


def test_token_substitutions_from_start_to_the_text_file(program, near, tmp_path):
    status, _, err = program("run", *near, "--budget", "40", "--popsize", "8", "--out", "s")
    assert status == 0, err
    lines = [json.loads(line) for line in (tmp_path / "s" / "journal.jsonl").read_text().splitlines()]
    objective, _ = reopen(tmp_path / "s")
    result = json.loads((tmp_path / "s" / "result.json").read_text())
    about = json.loads((tmp_path / "s" / "manifest.json").read_text())["objective"]
    assert about.items() >= {"nearness": "cosine", "instruction_tokens": 4}.items()
    assert len(lines) == 40
    assert 1 < result["spent"]["requests"] < 40  # some of forty candidates had one text
    assert objective.text(np.zeros(6)) == "it was a film\n\n{text} . it was"
    text = (tmp_path / "s" / TEXT_FILE).read_text()
    instruction, rest = text.split("\n\n")
    assert (len(tiny_lm().tokens(instruction)), rest) == (4, "{text} . it was\n")
    assert text in program("show", "s")[1]
    assert json.loads(program("predict", "s", "--json", "a great film")[1])["probabilities"].keys() == {"bad", "good"}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--set", "prompt.start=vocabulary"), 'the decoder "tokens" starts from an instruction; set prompt.start'),
        (("--set", "objective.instructions=pool.txt"), 'the decoder "tokens" takes no instructions'),
        (
            ("--set", "prompt.place=behind"),
            "keys of [prompt]: start, projection, projection_options, draw, loss",
        ),
        (("--model", "./missing", "--endpoint-kind", "llama.cpp", "--endpoint-url", "http://127.0.0.1:9"), "missing"),
    ],
)
def test_bad_settings_of_token_substitutions_are_one_line(program, near, tmp_path, flags, message):
    (tmp_path / "pool.txt").write_text("the film\n")
    status, _, err = program("run", *near, *flags, "--out", "s")
    (said,) = [line for line in err.splitlines() if line.startswith("error: ")]
    assert status == 2
    assert message in said
    assert "Traceback" not in err
