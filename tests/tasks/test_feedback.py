import json
from hashlib import sha256

import pytest

from dfo_prompt.errors import DataError
from dfo_prompt.tasks.examples import Example, Splits, read_examples
from dfo_prompt.tasks.feedback import add_feedback
from dfo_prompt.tasks.sampling import sample


@pytest.fixture
def split(single, tmp_path):
    lines = [f"{label},{label} film {i}" for i in range(9) for label in ("no", "yes")]
    (tmp_path / "data.csv").write_text("\n".join(["label,text", *lines]))
    return sample(single, read_examples(single, tmp_path / "data.csv"), shots=2, seed=1)


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def row(text, label="no", **more):
    return {"text": text, "label": label, **more}


def test_train_grows_and_what_it_grew_by_is_told(single, split, tmp_path):
    rows = [
        row("a new film", client="ann"),
        row("b new film", "yes"),
        row("b new film", "yes"),
        row("c", "no"),
        row("c", "yes"),
    ]
    rows += [row(split.train[0].texts[0]), row(split.dev[0].texts[0]), row(f"  {split.test[0].texts[0].upper()} ", "yes")]
    path = write(tmp_path / "f.jsonl", *rows)
    grown = add_feedback(single, split, path)
    assert grown.train == (*split.train, Example(texts=("a new film",), label=0), Example(texts=("b new film",), label=1))
    assert (grown.dev, grown.test, grown.added) == (split.dev, split.test, 2)
    assert grown.feedback == sha256(path.read_bytes()).hexdigest()
    assert grown.report.feedback.describe() == {
        "source": "f.jsonl",
        "rows": 8,
        "read": 2,
        "skipped": {"copies": 1, "in dev or test": 2, "in train": 1, "with two labels": 2},
    }
    assert "feedback: 2 of 8 rows of f.jsonl (skipped: 1 copies, 2 in dev or test" in str(grown.report)
    assert grown.drawn == split
    assert grown.fingerprint != split.fingerprint


def test_the_order_of_rows_changes_nothing(single, split, tmp_path):
    rows = [row(f"new {i}", ("no", "yes")[i % 2]) for i in range(6)]
    found = [add_feedback(single, split, write(tmp_path / f"{i}.jsonl", *part)) for i, part in enumerate((rows, rows[::-1]))]
    assert found[0].train == found[1].train


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([row("x", "maybe"), row("y")], "line 1: label 'maybe' has no label word"),
        ([row("y"), row("  ")], "line 2: text is empty"),
        ([{"label": "no"}], "no column 'text'"),
        ([], "is empty"),
    ],
)
def test_a_malformed_row_refuses_the_file(single, split, tmp_path, rows, said):
    with pytest.raises(DataError, match=said):
        add_feedback(single, split, write(tmp_path / "f.jsonl", *rows))


def test_feedback_that_adds_nothing_is_refused(single, split, tmp_path):
    path = write(tmp_path / "f.jsonl", row(split.dev[0].texts[0]), row("c"), row("c", "yes"))
    with pytest.raises(DataError, match=r"adds no example: 0 of 3 rows of f.jsonl \(skipped: 1 in dev or test, 2 with two"):
        add_feedback(single, split, path)
    with pytest.raises(DataError, match="is a folder"):
        add_feedback(single, split, tmp_path)
    with pytest.raises(DataError, match="cannot read"):
        add_feedback(single, split, tmp_path / "none.jsonl")


def test_splits_without_a_report_grow_too(single, tmp_path):
    examples = tuple(Example(texts=(f"film {i}",), label=i % 2) for i in range(12))
    split = sample(single, Splits(train=examples), shots=2, seed=1)
    assert add_feedback(single, split, write(tmp_path / "f.jsonl", row("new"))).report is None
