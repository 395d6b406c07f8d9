import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dfo_prompt.config.reading import parse_config
from dfo_prompt.errors import DataError
from dfo_prompt.tasks.examples import Example, read_examples
from dfo_prompt.tasks.row_counts import SourceRows
from dfo_prompt.tasks.sections import Source
from dfo_prompt.tasks.task import Task, load_task

odd_text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1) | st.sampled_from(
    ["{text}", 'a "b"', "a,b\tc", "x\ny\r\nz", "\u2028\x85|"]
)
texts = odd_text.filter(lambda text: bool(text.strip()))
repeated = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)


def as_table(rows: list[tuple[str, str]], delimiter: str) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerows([("text", "label"), *rows])
    return out.getvalue()


def as_jsonl(rows: list[tuple[str, str]], *, ascii_only: bool) -> str:
    return "\n".join(json.dumps({"label": label, "text": text}, ensure_ascii=ascii_only) for text, label in rows)


@repeated
@given(rows=st.lists(st.tuples(texts, st.sampled_from(["no", "yes"])), min_size=1))
def test_odd_texts_come_back_whole(single: Task, tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    contents = {
        "a.csv": as_table(rows, ","),
        "b.tsv": as_table(rows, "\t"),
        "c.jsonl": as_jsonl(rows, ascii_only=True),
        "d.jsonl": as_jsonl(rows, ascii_only=False) + "\n",
    }
    if any("\t" in text and ("\n" in text or "\r" in text) for text, _ in rows):
        del contents["b.tsv"]  # its lines may then have as many tabs each as rows without quotes have: nobody can tell
    expected = tuple(Example(texts=(text.strip(),), label=int(label == "yes")) for text, label in rows)
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content.encode())
        assert read_examples(single, tmp_path / name).train == expected, name


def test_pairs_and_labels_that_are_numbers(pair: Task, tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text('{"text_a": "a", "text_b": "b", "label": 1, "extra": [1]}\n')
    assert read_examples(pair, file).train == (Example(texts=("a", "b"), label=1),)


def test_a_byte_order_mark_is_not_part_of_the_header(single: Task, tmp_path: Path) -> None:
    (tmp_path / "excel.csv").write_bytes("text,label\nfine,yes\n".encode("utf-8-sig"))
    assert read_examples(single, tmp_path / "excel.csv").train[0].texts == ("fine",)


def test_columns_are_found_by_the_task_s_name_or_their_own(single: Task, tmp_path: Path) -> None:
    task = replace(single, data=Source(columns={"text": "sentence"}))
    for name, header in {"theirs.csv": "sentence,label", "own.csv": "text,label"}.items():
        (tmp_path / name).write_text(f"{header}\nfine,yes\n")
        assert read_examples(task, tmp_path / name).train == (Example(texts=("fine",), label=1),)


def test_labels_that_share_a_word_are_one_class(single: Task, tmp_path: Path) -> None:
    task = replace(single, labels={"no": "bad", "yes": "great", "sure": "great"})
    (tmp_path / "data.csv").write_text("text,label\na,yes\nb,sure\n")
    assert [example.label for example in read_examples(task, tmp_path / "data.csv").train] == [1, 1]


def test_unlabelled_rows_are_skipped_and_counted(single: Task, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("text,label\na,-\nb,no\nc,\nd,-\n")
    task = replace(single, data=Source(unlabelled=("-", "")))
    splits = read_examples(task, tmp_path / "data.csv")
    assert splits.train == (Example(texts=("b",), label=0),)
    assert splits.report is not None
    assert splits.report.train == SourceRows(source="data.csv", read=1, skipped={"labelled '-'": 2, "without a label": 1})
    (tmp_path / "data.csv").write_text("text,label\na,-\n")
    with pytest.raises(DataError, match="data.csv holds no examples; skipped: labelled '-'"):
        read_examples(task, tmp_path / "data.csv")


@pytest.mark.parametrize(
    ("files", "wanted", "tested"),
    [
        (["train"], "test", None),
        (["train", "test"], "test", "test"),
        (["train", "validation"], "test", "validation"),
        (["train", "validation", "test"], "test", "test"),
        (["train", "validation", "test"], "validation", "validation"),
        (["train", "test"], "validation", "test"),
        (["train", "test"], "", None),
        (["train", "dev"], "test", "dev"),
        (["train", "dev", "test"], "validation", "dev"),
        (["train", "val"], "validation", "val"),
        (["training", "valid"], "test", "valid"),
        (["Train", "Test"], "test", "Test"),
    ],
)
def test_the_test_split_of_a_folder(single: Task, tmp_path: Path, files: list[str], wanted: str, tested: str | None) -> None:
    for stem in files:
        (tmp_path / f"{stem}.tsv").write_text(f"text\tlabel\n{stem}\tyes\n")
    splits = read_examples(replace(single, data=Source(test=wanted)), tmp_path)
    assert splits.train[0].texts == (files[0],)
    assert (splits.test and splits.test[0].texts[0]) == tested


def test_files_that_are_not_read_are_named(single: Task, tmp_path: Path) -> None:
    for name in ("train.csv", "test.CSV", "dev.tsv", "other.jsonl", "._train.csv", ".hidden.csv"):
        (tmp_path / name).write_text("text,label\na,yes\n")
    for name in ("test-00000.parquet", "README.md", "device.txt"):
        (tmp_path / name).touch()
    report = read_examples(single, tmp_path).report
    assert report is not None
    assert report.unread == ("dev.tsv", "other.jsonl", "test-00000.parquet")
    assert str(report).endswith("; not read: dev.tsv, other.jsonl, test-00000.parquet")


def test_hidden_and_other_files_in_class_folders_are_no_examples(single: Task, tmp_path: Path) -> None:
    for name in ("no/1.txt", "yes/1.TXT", "yes/._1.txt", "yes/notes.md", ".ipynb_checkpoints/1.txt", "__MACOSX/1.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("fine")
    splits = read_examples(single, tmp_path)
    assert [example.label for example in splits.train] == [0, 1]
    assert splits.report is not None
    assert splits.report.train.skipped == {"hidden file": 1, "no .txt file": 1}
    assert splits.report.train.rows == 4


def test_a_link_has_its_own_name(single: Task, tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "3fa4").write_text("text,label\na,yes\n")
    (tmp_path / "blobs" / "77aa").write_text('summary = ""\ntemplate = "{text} {answer}"\nlabels = {no = "a", yes = "b"}\n')
    for name, blob in {"train.csv": "3fa4", "mood.toml": "77aa"}.items():
        (tmp_path / name).symlink_to(Path("blobs") / blob)
    keys = {"problem": {"task": "blobs/../mood.toml", "data": "train.csv"}}
    found = parse_config(keys, base=tmp_path).problem
    assert (found.task, found.data) == (tmp_path / "mood.toml", tmp_path / "train.csv")
    task = load_task(found.task)
    assert (task.name, len(read_examples(task, found.data).train)) == ("mood", 1)
    assert len(read_examples(task, tmp_path).train) == 1


def test_folders_named_after_classes(single: Task, tmp_path: Path) -> None:
    for label, content in {"no": b"poor\nrest", "yes": b"rich\r\n\xa3"}.items():
        (tmp_path / label).mkdir()
        (tmp_path / label / "1.txt").write_bytes(content)
    heads = replace(single, data=Source(excerpt="first line"))
    assert [example.texts[0] for example in read_examples(heads, tmp_path).train] == ["poor", "rich"]
    whole = replace(single, data=Source(encoding="latin-1"))
    assert [example.texts[0] for example in read_examples(whole, tmp_path).train] == ["poor\nrest", "rich\r\n£"]


@pytest.mark.parametrize("encoding", ["utf-16-be", "utf-16-le", "utf-16", "utf-8-sig", "latin-1"])
def test_the_first_line_in_any_encoding(single: Task, tmp_path: Path, encoding: str) -> None:
    for label in ("no", "yes"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "1.txt").write_bytes("heading\nrest".encode(encoding))
    task = replace(single, data=Source(encoding=encoding, excerpt="first line"))
    assert [example.texts[0] for example in read_examples(task, tmp_path).train] == ["heading", "heading"]


def test_the_first_line_in_an_unknown_encoding_is_refused(single: Task, tmp_path: Path) -> None:
    (tmp_path / "no").mkdir()
    (tmp_path / "no" / "1.txt").write_text("heading")
    with pytest.raises(DataError, match="unknown encoding: utf-99; set encoding"):
        read_examples(replace(single, data=Source(encoding="utf-99", excerpt="first line")), tmp_path)


def test_long_texts_keep_their_first_words(single: Task, tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("text,label\none  two\tthree four,no\nfive,yes\n")
    capped = replace(single, data=Source(most_words=2))
    assert [example.texts[0] for example in read_examples(capped, tmp_path).train] == ["one  two", "five"]


def test_a_task_reads_its_own_path(single: Task, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("text,label\na,no\n")
    task = replace(single, data=Source(path=str(tmp_path / "data.csv")))
    assert len(read_examples(task).train) == 1


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"text,lab\na,yes\n", "{file}, line 2: no column 'label'; columns: text, lab"),
        ("a.csv", b"text,label\na,yes\n\nb,no\n", "{file}, line 3 is empty; remove it"),
        ("a.csv", b"text,label\na,yes\n  ,no\n", "{file}, line 3: text is empty; fill it in or remove the row"),
        ("a.csv", b"text,label\na,\n", "{file}, line 2: label is empty"),
        (
            "a.csv",
            b"text,label\na,b,yes\n",
            "{file}, line 2 has 3 cells, the header has 2; quote cells that hold the delimiter",
        ),
        ("a.csv", b'text,label\n"a,yes\n', "{file}, line 2 is malformed: the quote that opens cell 1 is not closed"),
        (
            "a.csv",
            b"text,label\na,maybe\n",
            "{file}, line 2: label 'maybe' has no label word in task 'mood'; known: no, yes",
        ),
        (
            "a.csv",
            b"text,label\na,yes\n\xa3,no\n",
            "{file}, line 3: byte 17 is not utf-8; save the file as utf-8, or set encoding",
        ),
        ("a.csv", b"", "{file} is empty"),
        ("a.csv", b" \n\n", "{file} is empty"),
        ("a.csv", b"text,label\n", "{file} holds no examples"),
        (
            "a.jsonl",
            b'{"text": "a", "label": "yes"}\n\n{"text": "b", "label": "no"}\n',
            "{file}, line 2 is empty; remove it",
        ),
        ("a.jsonl", b'{"text": "a", "label": "yes"}\n{"text": \n', "{file}, line 2 is not valid JSON: "),
        ("a.jsonl", b"[1]\n", "{file}, line 1 is not a JSON object"),
        ("a.jsonl", b'{"text": null, "label": "yes"}\n', "{file}, line 1: text is empty"),
        ("a.jsonl", b'{"text": "a"}\n{"label": "yes"}', "{file}, line 1: label is empty; fill it in or remove the row"),
        ("a.jsonl", b'{"text": "a"}\n', "{file}, line 1: no column 'label'; columns: text"),
        ("a.jsonl", b'{"text": "\\ud83d", "label": "yes"}\n', "{file}, line 1: text holds half of a surrogate pair"),
        ("a.xlsx", b"PK", "{file}: unknown format of data file; known: .csv, .tsv, .jsonl"),
    ],
)
def test_unsound_data_name_file_and_line(single: Task, tmp_path: Path, name: str, content: bytes, message: str) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_examples(single, file)
    assert str(caught.value).startswith(message.replace("{file}", str(file)))
    assert "\n" not in str(caught.value)


def test_lines_are_counted_inside_quoted_cells(single: Task, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('text,label\n"one\ntwo",yes\nb,maybe\n')
    with pytest.raises(DataError, match="line 4: label 'maybe'"):
        read_examples(single, tmp_path / "a.csv")


def test_an_unknown_encoding_is_named(single: Task, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\na,yes\n")
    with pytest.raises(DataError, match="unknown encoding: utf-9; set encoding"):
        read_examples(replace(single, data=Source(encoding="utf-9")), tmp_path / "a.csv")


def test_missing_and_ambiguous_places(single: Task, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no file or folder"):
        read_examples(single, tmp_path / "nowhere")
    with pytest.raises(
        DataError, match=r"holds neither train.csv/.tsv/.jsonl/.json/.parquet nor class folders of .txt files"
    ):
        read_examples(single, tmp_path)
    with pytest.raises(DataError, match="task 'mood' has no data; give local files with --data"):
        read_examples(single)
    for name in ("train.csv", "train.jsonl"):
        (tmp_path / name).write_text("text,label\na,yes\n")
    with pytest.raises(DataError, match=r"holds train.csv and train.jsonl; keep one of them"):
        read_examples(single, tmp_path)
