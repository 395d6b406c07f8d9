"""Data files in common variants: other delimiters, JSON, Parquet, gzip, integer classes, a home folder."""

import csv
import gzip
import io
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from dfo_prompt.errors import DataError, InputError
from dfo_prompt.tasks.examples import Example, read_examples
from dfo_prompt.tasks.sections import Source
from dfo_prompt.tasks.task import Task, load_task

Rows = list[tuple[str, int]]
TASK = Task(name="toy", summary="", template="{text} : {answer}", labels={"0": "poor", "1": "nice"})


def table(rows: Rows, delimiter: str, quoting: int = csv.QUOTE_MINIMAL) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, quoting=quoting).writerows([("text", "label"), *rows])
    return out.getvalue().encode()


def ambiguous(rows: Rows) -> bool:
    """Return whether the lines of a cell may have as many tabs each as rows without quotes have."""
    return any("\t" in text and set("\r\n") & set(text) for text, _ in rows)


def records(rows: Rows) -> list[dict[str, object]]:
    return [{"text": text, "label": label} for text, label in rows]


def parquet(rows: Rows) -> bytes:
    arrow, writer = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    out = arrow.BufferOutputStream()
    writer.write_table(arrow.Table.from_pylist(records(rows)), out)
    return out.getvalue().to_pybytes()


def contents(rows: Rows) -> dict[str, bytes]:
    """The same rows in every kind of file."""
    lines = "\n".join(json.dumps(record) for record in records(rows)).encode()
    plain = {
        "tab.tsv": table(rows, "\t"),
        "comma.csv": table(rows, ","),
        "all.csv": table(rows, ";", csv.QUOTE_ALL),
        "mark.csv": b"\xef\xbb\xbf" + table(rows, ","),
        "lines.jsonl": lines,
        "lines.json": lines,
        "array.json": json.dumps(records(rows), ensure_ascii=False, indent=1).encode(),
        "nested.json": json.dumps({"version": 2, "data": records(rows)}).encode(),
        "table.parquet": parquet(rows),
    }
    return plain | {f"{name}.gz": gzip.compress(content) for name, content in plain.items()}


texts = (st.text(st.characters(codec="utf-8", exclude_characters="\0")) | st.text('ab ",;|\t\n', min_size=1)).filter(
    str.strip
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(rows=st.lists(st.tuples(texts, st.integers(0, 1)), min_size=1, max_size=6))
def test_every_kind_of_file_gives_the_rows_that_were_written(rows: Rows, tmp_path: Path) -> None:
    expected = tuple(Example(texts=(text.strip(),), label=label) for text, label in rows)
    for name, content in contents(rows).items():
        if "tsv" in name and ambiguous(rows):
            continue
        (tmp_path / name).write_bytes(content)
        assert read_examples(TASK, tmp_path / name).train == expected, name


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(texts, st.integers(0, 1)), min_size=1, max_size=6), delimiter=st.sampled_from(",;|\t"))
def test_a_delimiter_that_is_told_is_the_one_that_counts(rows: Rows, delimiter: str, tmp_path: Path) -> None:
    assume(delimiter != "\t" or not ambiguous(rows))
    (tmp_path / "a.csv").write_bytes(table(rows, delimiter, csv.QUOTE_ALL))
    told = replace(TASK, data=Source(delimiter=delimiter))  # type: ignore[arg-type]
    assert [one.texts[0] for one in read_examples(told, tmp_path / "a.csv").train] == [text.strip() for text, _ in rows]


@pytest.mark.parametrize("delimiter", [";", "|", "\t"])
def test_a_csv_file_by_another_delimiter(delimiter: str, tmp_path: Path) -> None:
    rows = [("good, really", 1), ("3,5 of 10", 0), ("plain", 1), (f"a{delimiter}b, c", 0)]
    (tmp_path / "a.csv").write_bytes(table(rows, delimiter))
    assert [(one.texts[0], one.label) for one in read_examples(TASK, tmp_path / "a.csv").train] == rows


def test_a_comma_goes_before_others(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\na;b,1\nc;d,0\n")
    assert [one.texts[0] for one in read_examples(TASK, tmp_path / "a.csv").train] == ["a;b", "c;d"]


def test_splits_of_a_folder_in_any_kind(tmp_path: Path) -> None:
    (tmp_path / "train-00000-of-00001.parquet").write_bytes(parquet([("a", 1)]))
    (tmp_path / "dev.json.gz").write_bytes(gzip.compress(json.dumps(records([("b", 0)])).encode()))
    splits = read_examples(TASK, tmp_path)
    assert (splits.train[0].texts, splits.test and splits.test[0].texts) == (("a",), ("b",))
    (tmp_path / "train.csv.gz").touch()
    with pytest.raises(DataError, match=r"holds train-00000-of-00001.parquet and train.csv.gz; keep one of them"):
        read_examples(TASK, tmp_path)


def test_integer_classes_that_a_missing_label_made_floats(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"text": ["a", "b", "c"], "label": [1, None, 0]})
    frame.to_csv(tmp_path / "a.csv", index=False)
    task = replace(TASK, data=Source(unlabelled=("",)))
    splits = read_examples(task, tmp_path / "a.csv")
    assert [one.label for one in splits.train] == [1, 0]
    assert str(splits.report) == "train on 2 of 3 rows of a.csv (skipped: 1 without a label)"
    assert read_examples(replace(task, labels={"1.0": "nice", "0.0": "poor"}), tmp_path / "a.csv").train[0].label == 0
    (tmp_path / "b.csv").write_text("text,label\na,1.0\nb,-1.0\n")
    report = read_examples(replace(task, data=Source(unlabelled=("-1",))), tmp_path / "b.csv").report
    assert report is not None
    assert report.train.skipped == {"labelled '-1'": 1}


def test_paths_may_begin_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "a.csv").write_text("text,label\na,1\n")
    (tmp_path / "toy.toml").write_text(
        'summary = ""\ntemplate = "{text} {answer}"\nlabels = {0 = "a", 1 = "b"}\n[data]\npath = "~/a.csv"\n'
    )
    assert len(read_examples(TASK, "~/a.csv").train) == 1
    assert len(read_examples(load_task("~/toy.toml")).train) == 1


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", b'{"text": {"0": "a"}, "label": {"0": 1}}', "a.json, item 1: label '{\"0\": 1}' has no label word"),
        ("a.json", b"[1]", "a.json holds no array of JSON objects; write it so (pandas: orient='records'), or as .jsonl"),
        ("a.json", b'"text"', "a.json holds no array of JSON objects"),
        ("a.json", b'[{"text": "a"', "a.json is not valid JSON: "),
        ("a.json", b'[{"text": "a", "label": 7}]', "a.json, item 1: label '7' has no label word in task 'toy'; known: 0, 1"),
        ("a.json", b'{"text": "a", "label": 1}\n{"text"', "a.json, line 2 is not valid JSON: "),
        ("a.parquet", b"PAR1", "a.parquet is not a valid Parquet file: "),
        ("a.csv.gz", b"text,label\na,1\n", "a.csv.gz is not a valid gzip file: "),
        ("a.csv.gz", gzip.compress(b"text,label\na,1\n", mtime=0)[:-9], "a.csv.gz is not a valid gzip file: "),
        ("a.gz", b"", "a.gz: unknown format of data file; known: .csv, .tsv, .jsonl, .json, .parquet, and these with .gz"),
    ],
)
def test_what_is_no_sound_file_is_refused_in_one_line(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_examples(TASK, tmp_path / name)
    assert str(caught.value).removeprefix(f"{tmp_path}/").startswith(said)
    assert "\n" not in str(caught.value)


def test_without_the_extra_for_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"reading a.parquet needs an extra: pip install 'dfo-prompt\[parquet\]'; or save"):
        read_examples(TASK, tmp_path / "a.parquet")
