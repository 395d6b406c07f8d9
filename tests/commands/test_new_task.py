"""A study of a user's file, with a task file of `new-task` or without one."""

import json
import os
from pathlib import Path

import pytest

from dfo_prompt.tasks.task import load_task
from dfo_prompt.testing.tiny import some_examples

SIZES = ["--dim", "4", "--budget", "6", "--popsize", "3", "--prompt-tokens", "3", "--shots", "4"]


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    """Semicolons, numbers for classes, a row without a text and one without a label."""
    rows = [f"{i};{example.texts[0]};{example.label}" for i, example in enumerate(some_examples(60, longest=6))]
    file = tmp_path / "reviews.csv"
    file.write_text("\n".join(["id;Review;stars", *rows, "60;;1", "61;fun film;"]) + "\n")
    return file


def test_a_task_file_is_written_and_its_next_command_runs(program, reviews, tiny_folder, tmp_path):
    status, out, err = program(
        "new-task", "reviews.csv", "--label-column", "stars", "--labels", "bad,great film", "--model", str(tiny_folder)
    )
    assert (status, err) == (0, "")
    assert "  0: 2" in out
    assert "label word 'great film'" in out
    assert f"more than one token of {tiny_folder}, so that each text is asked again: 'great film' (2)" in out
    left_out = "1 without a label, 1 without a text, 2 copies, 6 with two labels"
    assert f"rows     train on 52 of 62 rows of reviews.csv (skipped: {left_out})" in out
    command = out.splitlines()[-1].split()
    assert command[:4] == ["dfo-prompt", "run", "--task", "reviews.toml"]
    status, _, err = program(*command[1:], *SIZES, "--out", "s")
    assert status == 0, err
    assert load_task(tmp_path / "reviews.toml").labels == {"0": "bad", "1": "great film"}
    status, _, err = program("new-task", "reviews.csv")
    assert (status, err) == (2, "error: reviews.toml exists; remove it, or choose another with --out\n")


def test_a_class_with_too_few_rows_is_said(program, tmp_path, tiny_folder):
    (tmp_path / "few.csv").write_text("text,label\nfun film,good\ndull plot,bad\nfun plot,good\ngreat film,good\n")
    status, out, err = program("new-task", "few.csv", "--model", str(tiny_folder))
    assert (status, err) == (0, "")
    assert "note     too few distinct rows to run: bad needs 3, for train, dev and test" in out


def test_copies_and_rows_with_two_labels_are_no_shots(program, tmp_path, tiny_folder):
    rows = 3 * [f"film {i},{('bad', 'good')[i % 2]}" for i in range(20)] + ["plot,bad", "plot,good"]
    (tmp_path / "copies.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    status, out, err = program("new-task", "copies.csv", "--model", str(tiny_folder))
    assert (status, err) == (0, "")
    assert "rows     train on 20 of 62 rows of copies.csv (skipped: 40 copies, 2 with two labels)" in out
    command = out.splitlines()[-1].split()
    assert command[command.index("--shots") + 1] == "3"
    status, _, err = program(*command[1:], *SIZES[:-2], "--out", "s")
    assert status == 0, err


def test_given_test_rows_leave_more_shots(program, tmp_path, tiny_folder):
    (tmp_path / "in").mkdir()
    for split in ("train", "test"):
        rows = [f"{split} film {i},{('bad', 'good')[i % 2]}" for i in range(12)]
        (tmp_path / "in" / f"{split}.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    _, out, _ = program("new-task", "in", "--model", str(tiny_folder))
    assert " --shots 3 " in out.splitlines()[-1]


def test_labels_that_lose_their_decimal_are_said(program, tmp_path, tiny_folder):
    (tmp_path / "floats.csv").write_text("text,label\nfun film,1.0\ndull plot,0.0\nfun plot,1\ngreat film,\n")
    status, out, err = program("new-task", "floats.csv", "--model", str(tiny_folder))
    assert (status, err) == (0, "")
    assert "classes  2\n  0: 1 rows, label word '0'\n  1: 2 rows, label word '1'\n" in out
    assert "note     whole numbers are labels without their decimal: 0.0, 1.0" in out
    assert load_task(tmp_path / "floats.toml").labels == {"0": "0", "1": "1"}


def test_what_is_left_open_is_found_out_where_nobody_can_be_asked(program, tmp_path, tiny_folder):
    rows = [{"message": example.texts[0], "kind": ("bad", "good")[example.label]} for example in some_examples(30)]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "mail.json").write_text(json.dumps(rows))
    status, out, _ = program("new-task", "in/mail.json", "--model", str(tiny_folder), "--out", "tasks/mail.toml")
    assert status == 0
    assert out.startswith("text     message\nlabel    kind\ncolumns  message, kind\nclasses  2\n  bad: ")
    assert f"note     each label word is one token of {tiny_folder}" in out
    task = load_task(tmp_path / "tasks" / "mail.toml")
    assert Path(task.data.path).resolve() == tmp_path / "in" / "mail.json"  # however one goes there from the task
    assert task.template == "Message: {text}\nKind: {answer}"


def test_a_task_in_a_linked_folder_finds_its_data(program, reviews, tiny_folder, tmp_path):
    (tmp_path / "real" / "deep" / "tasks").mkdir(parents=True)
    (tmp_path / "tasks").symlink_to(tmp_path / "real" / "deep" / "tasks")
    ask = ["new-task", "reviews.csv", "--label-column", "stars", "--model", str(tiny_folder)]
    assert program(*ask, "--out", "tasks/m.toml")[0] == 0
    assert Path(load_task(tmp_path / "tasks" / "m.toml").data.path).samefile(reviews)


def test_words_that_the_tokenizer_does_not_know_or_tell_apart_are_said(program, reviews, tiny_folder):
    ask = ["new-task", "reviews.csv", "--label-column", "stars", "--model", str(tiny_folder)]
    _, out, _ = program(*ask, "--out", "a.toml")
    assert "note     label words are numbers: give better ones with --labels" in out
    assert "does not know label word ' 0'" in out
    _, out, _ = program(*ask, "--labels", "good film,good plot", "--out", "b.toml")
    assert "the same first token, told apart by later ones: 'good film', 'good plot'" in out


def test_questions_in_a_terminal(program, reviews, tiny_folder, tmp_path, monkeypatch):
    from click.testing import CliRunner

    from dfo_prompt.commands import new_task

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(new_task, "_can_ask", lambda: True)
    answers = "stars\n\ngood\nbad\nIs it good?\n"
    done = CliRunner().invoke(new_task.command, ["reviews.csv", "--model", str(tiny_folder)], input=answers)
    assert done.exit_code == 0, done.output
    task = load_task(tmp_path / "reviews.toml")
    assert task.template == "Is it good?\nReview: {text}\nStars: {answer}"
    assert task.labels == {"0": "good", "1": "bad"}


def test_a_study_needs_no_task_file(program, reviews, tiny_folder, tmp_path):
    ask = ["--data", "reviews.csv", "--text-column", "Review", "--label-column", "stars", "--labels", "bad,good"]
    where = ["--model", str(tiny_folder), *SIZES]
    status, _, err = program("run", *ask, *where)
    assert status == 0, err
    (file,) = (tmp_path / "runs" / "tasks").iterdir()
    assert f"task file runs/tasks/{file.name}: 0 (bad), 1 (good)" in err
    folder = tmp_path / "runs" / f"{file.stem}-cma-b6-s0"
    journal = (folder / "journal.jsonl").read_bytes()
    assert program("run", *ask, *where)[0] == 0  # the same command is the same study
    assert (folder / "journal.jsonl").read_bytes() == journal
    program("new-task", "reviews.csv", *ask[2:], "--model", str(tiny_folder))
    assert load_task(tmp_path / "reviews.toml").fingerprint == load_task(file).fingerprint
    assert program("run", "--task", "reviews.toml", *where, "--out", "s")[0] == 0
    assert (tmp_path / "s" / "journal.jsonl").read_bytes() == journal
    assert program("predict", str(folder), "a good film")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--label-column", "stars"], "--text-column, --label-column, --labels and --instruction take --data FILE"),
        (["run", "--data", "reviews.csv", "--task", "tweets", "--labels", "a,b"], "and no --task"),
        (["run", "--set", "problem=3", "--text-column", "Review"], "problem must be a table of keys, not 3"),
        (["run", "--set", "problem.data=3", "--text-column", "Review"], "problem.data must be the path of a file or folder"),
        (["run", "--data", "reviews.csv", "--text-column", "body", "--label-column", "stars"], "has no column 'body'"),
        (["new-task", "reviews.csv", "--label-column", "star"], "has no column 'star'; columns: id, Review, stars"),
        (["new-task", "none.csv"], "there is no file or folder none.csv"),
        (["new-task", os.fsdecode(b"caf\xe9.csv"), "--text-column", "Review", "--label-column", "stars"], "is not UTF-8"),
        (["run", "--data", os.fsdecode(b"caf\xe9.csv"), "--text-column", "Review", "--label-column", "stars"], "not UTF-8"),
    ],
)
def test_what_is_wrong_is_one_line(arguments, said, program, reviews):
    reviews.with_name(os.fsdecode(b"caf\xe9.csv")).write_bytes(reviews.read_bytes())
    status, out, err = program(*arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert said in err
