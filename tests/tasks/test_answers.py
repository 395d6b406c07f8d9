"""Tasks whose answers are texts: their files, rows, splits and metrics."""

import csv
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dfo_prompt.errors import DataError, InputError, PluginError
from dfo_prompt.tasks import metrics
from dfo_prompt.tasks.examples import Example, read_examples
from dfo_prompt.tasks.feedback import add_feedback
from dfo_prompt.tasks.metrics import score_texts
from dfo_prompt.tasks.sampling import sample
from dfo_prompt.tasks.sections import Answer, Source
from dfo_prompt.tasks.task import Task, load_task

TASK = Task(
    name="toy",
    summary="",
    template="Q: {text}\nA: {answer}",
    metric="exact_match",
    answer=Answer(),
    data=Source(columns={"text": "q", "answer": "a"}),
)
FILE = """\
summary = "Toy."
template = "Q: {text}\\nA: {answer}"
metric = "exact_match"
[answer]
"""


def written(tmp_path: Path, rows: list[tuple[str, str]], name: str = "rows.csv") -> Path:
    with (tmp_path / name).open("w", newline="") as file:
        csv.writer(file).writerows([("q", "a"), *rows])
    return tmp_path / name


def test_rows_keep_their_answers_as_texts(tmp_path: Path) -> None:
    found = read_examples(TASK, written(tmp_path, [(" two ", " 2, or II "), ("three", "3")]))
    assert found.train == (Example(texts=("two",), answer="2, or II"), Example(texts=("three",), answer="3"))


def test_an_empty_answer_is_refused_or_skipped(tmp_path: Path) -> None:
    file = written(tmp_path, [("two", "2"), ("three", ""), ("four", "?")])
    with pytest.raises(DataError, match="line 3: a is empty"):
        read_examples(TASK, file)
    found = read_examples(replace(TASK, data=replace(TASK.data, unlabelled=("", "?"))), file)
    assert len(found.train) == 1
    assert found.report is not None
    assert found.report.train.skipped == {"answered '?'": 1, "without an answer": 1}


def test_an_answer_of_several_lines_needs_a_task_of_texts(tmp_path: Path) -> None:
    file = written(tmp_path, [("two", "2\nII")])
    with pytest.raises(DataError, match='more than one line; set ends = "text"'):
        read_examples(TASK, file)
    assert read_examples(replace(TASK, answer=Answer(ends="text")), file).train[0].answer == "2\nII"
    (tmp_path / "a.jsonl").write_text(json.dumps({"q": "two", "a": "2\u2028II\x0b"}) + "\n")
    assert read_examples(TASK, tmp_path / "a.jsonl").train[0].answer == "2\u2028II"  # generation goes on behind it


def test_shots_are_of_all_examples_and_texts_with_two_answers_are_left_out(tmp_path: Path) -> None:
    rows = [(f"q{i}", f"a{i}") for i in range(9)]
    splits = read_examples(TASK, written(tmp_path, [*rows, rows[0], ("both", "1"), ("both", "2")]))
    drawn = sample(TASK, splits, shots=3, seed=0)
    assert [len(part) for part in (drawn.train, drawn.dev, drawn.test)] == [3, 3, 3]
    assert {example.answer for part in (drawn.train, drawn.dev, drawn.test) for example in part} == {
        f"a{i}" for i in range(9)
    }
    assert drawn.report is not None
    assert drawn.report.train.skipped == {"copies": 1, "with two answers": 2}
    with pytest.raises(DataError, match="task 'toy': it has 9 distinct examples to draw from; 5 shots need 10"):
        sample(TASK, splits, shots=5, seed=0)


def test_the_fingerprint_of_a_split_holds_the_answers(tmp_path: Path) -> None:
    rows = [(f"q{i}", f"a{i}") for i in range(3)]
    one, other = (
        sample(TASK, read_examples(TASK, written(tmp_path, found)), shots=1, seed=0).fingerprint
        for found in (rows, [(text, "other") for text, _ in rows])
    )
    assert one != other


def test_feedback_grows_the_training_split(tmp_path: Path) -> None:
    splits = read_examples(TASK, written(tmp_path, [(f"q{i}", f"a{i}") for i in range(4)]))
    more = written(tmp_path, [("new", "answer"), ("both", "1"), ("both", "2")], "more.csv")
    grown = add_feedback(TASK, sample(TASK, splits, shots=1, seed=0), more)
    assert grown.train[-1] == Example(texts=("new",), answer="answer")
    assert grown.report is not None
    assert grown.report.feedback is not None
    assert grown.report.feedback.skipped == {"with two answers": 2}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ('[labels]\n0 = "no"\n1 = "yes"\n', "labels: is for tasks with labels, and [answer] is for texts as answers"),
        ('[[patterns]]\ntemplate = "{text} {answer}"\n', "patterns: is for tasks with labels"),
        ("most_tokens = 0\n", "most_tokens"),
        ('ends = "word"\n', "ends"),
    ],
)
def test_what_does_not_fit_texts_is_refused(change: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "toy.toml").write_text(FILE + change)
    with pytest.raises(InputError, match=re.escape(said)):
        load_task(tmp_path / "toy.toml")


def test_metrics_are_for_labels_or_for_texts(tmp_path: Path) -> None:
    (tmp_path / "toy.toml").write_text(FILE.replace('"exact_match"', '"accuracy"'))
    with pytest.raises(InputError, match=r"accuracy is for classes, not answers that are texts; use chrf or exact_match"):
        load_task(tmp_path / "toy.toml")
    with pytest.raises(ValueError, match=r"chrf is for answers that are texts, not classes; use accuracy or f1"):
        Task(name="t", summary="", template="{text} {answer}", labels={"0": "no", "1": "yes"}, metric="chrf")


def test_the_fingerprint_of_the_default_rule_never_changes() -> None:
    task = Task(name="x", summary="", template="{text} {answer}", answer=Answer(), metric="exact_match")
    assert task.fingerprint == "d40949c1dec83aba"


def test_rules_of_answers_are_in_the_fingerprint() -> None:
    assert TASK.fingerprint != replace(TASK, answer=Answer(most_tokens=9)).fingerprint


def test_exact_match_counts_whole_answers() -> None:
    assert score_texts("exact_match", ["cats", "dog", "Ox"], ["cats", "dogs", "ox"]) == pytest.approx(1 / 3)


def test_chrf_is_that_of_its_formula() -> None:
    pytest.importorskip("sacrebleu")
    assert score_texts("chrf", ["cats"], ["cats"]) == pytest.approx(1.0)
    # "ab" against "ac", both without space: precision and recall are 1/2 of characters, and 0 of pairs: F2 of their means.
    assert score_texts("chrf", ["ab"], ["ac"]) == pytest.approx(0.25)


def test_a_metric_without_its_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "dfo_prompt.tasks.chrf", raising=False)
    monkeypatch.setitem(sys.modules, "sacrebleu.metrics.chrf", None)
    with pytest.raises(InputError, match=r"metric 'chrf' needs an extra: pip install 'dfo-prompt\[generation\]'"):
        score_texts("chrf", ["cats"], ["cats"])


def test_a_metric_that_gives_no_number_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "exact_match", lambda answers, references: float("nan"))
    with pytest.raises(PluginError, match="metric 'exact_match' gives nan for 1 answers"):
        score_texts("exact_match", ["cats"], ["cats"])


def test_the_shipped_plurals_follow_the_rules_of_their_file() -> None:
    found = read_examples(load_task("dfo_prompt.tasks:library/plurals.toml"))
    plurals = {one.texts[0]: one.answer for one in found.train}
    assert len(plurals) == len(found.train) == 335
    irregular = {one for one, plural in plurals.items() if plural != regular(one)}
    assert {"calf", "hero", "child", "mouse", "sheep", "crisis", "quiz"} <= irregular
    assert len(irregular) == 50


def regular(noun: str) -> str:
    if re.search("(s|x|z|ch|sh)$", noun):
        return f"{noun}es"
    return f"{noun[:-1]}ies" if re.search("[^aeiou]y$", noun) else f"{noun}s"
