"""Tasks are drafted from data, and written as files that load as the same task."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dfo_prompt.errors import DataError, InputError
from dfo_prompt.tasks.drafting import Dataset, draft, guess_label, guess_text, label_words, read_dataset
from dfo_prompt.tasks.examples import read_examples
from dfo_prompt.tasks.sections import Source
from dfo_prompt.tasks.task import Task, load_task
from dfo_prompt.tasks.writing import write_task

NAMED = {"id": "7", "Review": "a fine film", "Sentiment": "pos"}


def found(*rows: dict[str, str]) -> Dataset:
    return Dataset(path=Path("mine.csv"), rows=rows)


def test_columns_are_found_by_name_or_by_what_they_hold() -> None:
    named = found(NAMED, {**NAMED, "Sentiment": "neg"})
    assert (guess_label(named), guess_text(named, "Sentiment")) == ("Sentiment", "Review")
    rows = [{"id": str(i), "said": f"word {i} and more of them", "kind": "ab"[i % 2]} for i in range(8)]
    assert (guess_label(found(*rows)), guess_text(found(*rows), "kind")) == ("kind", "said")
    with pytest.raises(InputError, match="mine.csv: no column looks like a label; name it with --label-column: id, said"):
        guess_label(found(*({"id": row["id"], "said": row["said"]} for row in rows)))
    with pytest.raises(InputError, match="mine.csv has no column beside 'label'"):
        guess_text(found({"label": "a"}), "label")


def test_classes_are_counted_in_the_order_of_their_numbers() -> None:
    rows = [{"y": label} for label in ("10", "2", "x", "2", "", "1.0")]
    assert found(*rows).classes("y") == {"1.0": 1, "2": 2, "10": 1, "x": 1}
    with pytest.raises(DataError, match="column 'y' has 1 different values; a label has 2 to 100; name another column"):
        found({"y": "a"}).classes("y")
    with pytest.raises(DataError, match="column 'y' has 101 different values"):
        found(*({"y": str(i)} for i in range(101))).classes("y")


def test_whole_numbers_read_as_floats_are_the_same_classes(tmp_path: Path) -> None:
    assert found(*({"y": label} for label in ("1.0", "0.0", "1", "", "-2.0"))).classes("y") == {"-2": 1, "0": 1, "1": 2}
    for texts in (("2.0", "2", "2.1"), ("2.0", "2", "v3"), ("2.0", "2", "02.0")):
        assert set(found(*({"y": label} for label in texts)).classes("y")) == {*texts}
    assert label_words({"0": 1, "1": 1}, "1.0=good,0.0=bad") == {"0": "bad", "1": "good"}
    (tmp_path / "f.csv").write_text("text,y\na,1.0\nb,0.0\nc,\nd,1\n")
    seen = read_dataset(tmp_path / "f.csv")
    task = draft(seen, texts=["text"], label="y", words=label_words(seen.classes("y"), "no,yes"))
    assert [example.label for example in read_examples(task, tmp_path / "f.csv").train] == [1, 0, 1]


def test_label_words_are_those_given_or_the_labels() -> None:
    classes = {"0": 3, "1": 4}
    assert label_words(classes, "bad, good") == {"0": "bad", "1": "good"}
    assert label_words(classes, "1=good,0=bad") == {"0": "bad", "1": "good"}
    assert label_words({"neg": 1, "pos": 1}, "pos,neg") == {"neg": "neg", "pos": "pos"}
    assert label_words({"on_time": 1, "late": 1}, "") == {"on_time": "on time", "late": "late"}
    assert label_words({"a_b": 1, "a b": 1}, "") == {"a_b": "a_b", "a b": "a b"}
    for wrong in ("bad", "bad,good,fine", "bad,", "0=bad,2=good", "0=bad", "0=bad,1=", "1=good,1 =fine,0=bad"):
        with pytest.raises(InputError, match="give one word for each of 0, 1, in this order or as LABEL=WORD"):
            label_words(classes, wrong)


def test_a_drafted_task_reads_its_data(tmp_path: Path) -> None:
    (tmp_path / "mine.v2.csv").write_text("id;first text;other;y\n1;a {b};c;0\n2;;d;1\n3;e;f;\n4;g;h;1\n")
    seen = read_dataset(tmp_path / "mine.v2.csv")
    words = label_words(seen.classes("y"), "no,yes")
    task = draft(seen, texts=["first text", "other"], label="y", words=words, instruction="Same?", path="mine.v2.csv")
    assert (task.name, task.template) == ("mine", "Same?\nFirst text: {text_a}\nOther: {text_b}\nY: {answer}")
    write_task(task, tmp_path / "sub" / ".." / "mine.toml")
    again = load_task(tmp_path / "mine.toml")
    assert replace(again, data=task.data) == task
    splits = read_examples(again)
    assert [(one.texts, one.label) for one in splits.train] == [(("a {b}", "c"), 0), (("g", "h"), 1)]
    assert str(splits.report) == "train on 2 of 4 rows of mine.v2.csv (skipped: 1 without a label, 1 without a text)"


@pytest.mark.parametrize("name", ["mine.jsonl", "mine.json"])
def test_json_rows_that_leave_a_key_out_are_skipped_and_counted(tmp_path: Path, name: str) -> None:
    rows = [{"y": "no"}, {"text": "a"}, {"text": "b", "y": "no"}, {"text": "c", "y": "yes"}, {"text": None, "y": "no"}]
    lines = [json.dumps(row) for row in rows]
    (tmp_path / name).write_text("\n".join(lines) if name == "mine.jsonl" else f"[{','.join(lines)}]")
    seen = read_dataset(tmp_path / name)
    task = draft(seen, texts=["text"], label="y", words=label_words(seen.classes("y"), ""))
    report = read_examples(task, tmp_path / name).report
    assert str(report) == f"train on 2 of 5 rows of {name} (skipped: 1 without a label, 2 without a text)"


@pytest.mark.parametrize(
    ("texts", "label", "said"),
    [
        (["body"], "y", "mine.csv has no column 'body'; columns: a, b, c, y"),
        (["a", "b", "c"], "y", "a task has one text column, or two, and another for the label, not a, b, c, y"),
        (["y"], "y", "a task has one text column, or two, and another for the label, not y, y"),
    ],
)
def test_columns_that_make_no_task(texts: list[str], label: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        draft(found({"a": "1", "b": "2", "c": "3", "y": "4"}), texts=texts, label=label, words={"4": "four", "5": "five"})
    assert str(caught.value) == said


def test_an_instruction_with_a_mark_is_refused_in_one_line() -> None:
    with pytest.raises(InputError, match=r"mine.csv: template: unknown mark \{name\}"):
        draft(found(NAMED), texts=["Review"], label="Sentiment", words={"a": "a", "b": "b"}, instruction="Dear {name}")


def test_the_training_split_of_a_folder_and_class_folders(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    for split in ("train", "dev"):
        (tmp_path / "set" / f"{split}.jsonl").write_text(f'{{"text": "{split}", "label": 1}}\n')
    assert read_dataset(tmp_path / "set").values("text") == ["train"]
    assert read_dataset(tmp_path / "set").name == "set"
    (tmp_path / "set").rename(tmp_path / "set.2024")
    assert read_dataset(tmp_path / "set.2024").name == "set.2024"
    for label in ("no", "yes"):
        (tmp_path / "films" / label).mkdir(parents=True)
        (tmp_path / "films" / label / "1.txt").write_text("fine")
    assert read_dataset(tmp_path / "films").classes("label") == {"no": 1, "yes": 1}
    (tmp_path / "a.csv").write_text("text,label\n")
    with pytest.raises(DataError, match="a.csv holds no rows"):
        read_dataset(tmp_path / "a.csv")


def test_what_is_not_utf8_is_refused_and_nothing_written(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.csv")
    task = draft(
        found(NAMED), texts=["Review"], label="Sentiment", words={"pos": "good", "neg": "bad"}, path=str(tmp_path / name)
    )
    with pytest.raises(InputError, match=r"no task file can hold .*caf\\udce9\.csv.*not UTF-8; rename"):
        write_task(task, tmp_path / "t.toml")
    assert not (tmp_path / "t.toml").exists()


line = st.text(st.characters(exclude_categories=("Cs",)), min_size=1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    labels=st.dictionaries(line, line.filter(lambda word: word == word.strip()), min_size=2, max_size=4),
    ahead=line.filter(lambda text: "{" not in text),
    column=line,
)
def test_whatever_is_written_is_read(labels: dict[str, str], ahead: str, column: str, tmp_path: Path) -> None:
    if len({*labels.values()}) < 2:
        return
    data = Source(columns={"text": column}, unlabelled=("", column), delimiter=";")
    task = Task(name="t", summary=ahead, template=f"{ahead}{{text}}{{answer}}", labels=labels, data=data)
    write_task(task, tmp_path / "t.toml")
    assert load_task(tmp_path / "t.toml") == task
