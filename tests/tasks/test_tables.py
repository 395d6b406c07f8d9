"""CSV and TSV files as GLUE, AG News, pandas and spreadsheets write them: no row is lost or merged."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfo_prompt.errors import DataError
from dfo_prompt.tasks.examples import read_examples
from dfo_prompt.tasks.sections import Source
from dfo_prompt.tasks.tables import read_table
from dfo_prompt.tasks.task import Task

TASK = Task(name="toy", summary="", template="{text} : {answer}", labels={"0": "poor", "1": "nice"})


def read(folder: Path, name: str, content: str | bytes, task: Task = TASK) -> list[tuple[str, int]]:
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return [(example.texts[0], example.label) for example in read_examples(task, folder / name).train]


def refusal(folder: Path, name: str, content: str | bytes, task: Task = TASK) -> str:
    with pytest.raises(DataError) as caught:
        read(folder, name, content, task)
    return str(caught.value).removeprefix(f"{folder}/")


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        # A quote that is closed three rows later: RFC 4180 would have them all in a single cell.
        (
            'label\ttext\n1\t"Clean room\n0\tloud street\n0\tdirty bed\n1\tthey said welcome"\n0\tpoor\n',
            ['"Clean room', "loud street", "dirty bed", 'they said welcome"', "poor"],
        ),
        ('label\ttext\n1\t"Clean room," she wrote\n0\tloud\n', ['"Clean room," she wrote', "loud"]),
        ('label\ttext\n1\t"never closed\n0\tloud\n', ['"never closed', "loud"]),
        ('label\ttext\n1\t"Stay!"\n0\tloud\n', ['"Stay!"', "loud"]),
        ('label\ttext\n1\tsay "hi"\n0\t"a, b"\n', ['say "hi"', '"a, b"']),
        ('label\ttext\r\n1\t"a\r\n0\tb"\r\n', ['"a', 'b"']),
        ('label\ttext\n1\ta\rb "c\n0\td\n', ['a\rb "c', "d"]),
    ],
)
def test_quotes_of_a_tsv_that_are_text(tmp_path: Path, content: str, texts: list[str]) -> None:
    assert [text for text, _ in read(tmp_path, "glue.tsv", content)] == texts


TEXTS = ["plain", 'say "hi"', '"', "a, b", "a\tb", "a\nb", "a\r\nb", '"all of it"', '"Clean room," she wrote', "1"]


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("delimiter", [",", "\t"])
@pytest.mark.parametrize("count", range(1, len(TEXTS) + 1))
def test_quotes_that_a_writer_of_csv_put_there(tmp_path: Path, quoting: int, end: str, delimiter: str, count: int) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=quoting, lineterminator=end, delimiter=delimiter)
    writer.writerows([("text", "label"), *((text, 1) for text in TEXTS[:count])])
    assert read(tmp_path, {",": "a.csv", "\t": "a.tsv"}[delimiter], out.getvalue()) == [(text, 1) for text in TEXTS[:count]]


@pytest.mark.parametrize(
    "options", [{"sep": ","}, {"sep": "\t"}, {"sep": "\t", "quoting": csv.QUOTE_ALL}, {"sep": ",", "index": True}]
)
def test_files_of_pandas(tmp_path: Path, options: dict[str, object]) -> None:
    pandas = pytest.importorskip("pandas")
    texts = [*TEXTS, "x\ty\nz"]
    frame = pandas.DataFrame({"label": [i % 2 for i in range(len(texts))], "text": texts})
    content = frame.to_csv(**{"index": False, **options})
    assert read(tmp_path, "a.csv" if options["sep"] == "," else "a.tsv", content) == [
        (t, i % 2) for i, t in enumerate(texts)
    ]


def test_a_line_that_ends_with_a_comma_is_no_row_without_a_label(tmp_path: Path) -> None:
    task = replace(TASK, data=Source(unlabelled=("",)))
    content = 'text,label\n"Dear John,\nthank you",1\nunsure,\n'
    assert read(tmp_path, "a.csv", content, task) == [("Dear John,\nthank you", 1)]


def test_a_missing_text_of_pandas_is_refused(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    content = pandas.DataFrame({"label": [0, 1], "text": ["a", None]}).to_csv(index=False)
    assert refusal(tmp_path, "a.csv", content).startswith("a.csv, line 3: text is empty")


def test_ag_news_has_no_header(tmp_path: Path) -> None:
    news = '"1","Wall St. ""Bears""","Short-sellers, Wall\\\'s \\$ band."\n"0","a","b"\n'
    task = replace(TASK, data=Source(header=("label", "title", "text")))
    assert read(tmp_path, "train.csv", news, task) == [("Short-sellers, Wall\\'s \\$ band.", 1), ("b", 0)]
    assert refusal(tmp_path, "train.csv", news).startswith(
        "train.csv, line 2: no column 'label'; columns: 1, Wall St. \"Bears\", Short-sellers"
    )
    assert "; set columns, or header for a file without a header line, in [data]" in refusal(tmp_path, "train.csv", news)


def test_a_cell_longer_than_the_csv_module_takes(tmp_path: Path) -> None:
    long = "quiet " * 30_000
    before = csv.field_size_limit()
    for name, delimiter in {"a.csv": ",", "a.tsv": "\t"}.items():
        assert read(tmp_path, name, f"text{delimiter}label\n{long}{delimiter}1\n") == [(long.strip(), 1)]
    assert csv.field_size_limit() == before


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "text,label,text\na,1,b\n", "a.csv, line 1: 2 columns are called 'text'; rename or remove"),
        ("a.tsv", "text\tlabel\t label\na\t1\t0\n", "a.tsv, line 1: 2 columns are called 'label'"),
        ("a.jsonl", '{"text": "a", "label": 1, "text": "b"}', "a.jsonl, line 1 is not valid JSON: the key 'text' occurs"),
        ("a.jsonl", '{"text": NaN, "label": 1}\n', "a.jsonl, line 1 is not valid JSON: NaN is no value of JSON"),
        ("a.jsonl", "[" * 100_000, "a.jsonl, line 1 is not valid JSON: maximum recursion depth"),
        ("a.jsonl", '{"text": "a", "label": ' + "1" * 5000 + "}", "a.jsonl, line 1 is not valid JSON: Exceeds the limit"),
        ("a.csv", 'text,label\n"a,1\nb,0\nc",1\n', "a.csv, line 2: a quoted cell contains whole rows; double"),
        ("a.csv", 'label,text\n1,"a\n0,b"\n', "a.csv, line 2: a quoted cell contains whole rows"),
        ("a.csv", '"text\na",label\nb,1\n', "a.csv, line 1: a column name continues on the next line"),
        ("a.csv", 'text,label\n"a" b,1\n', "a.csv, line 2 is malformed: the quote that opens cell 1 is not closed"),
        ("a.tsv", "text\tlabel\na\t1\nb\n", "a.tsv, line 3 has 1 cells, the header has 2"),
        ("a.tsv", 'text\tlabel\n"a\t1\n\nb"\t1\n', "a.tsv, line 3 is empty; remove it"),
        ("a.csv", "text,label\na\0b,1\n", "a.csv, line 2 holds a NUL byte, as UTF-16 and binary files do; save the file"),
        ("a.csv", "text,label\na,1\n".encode("utf-16-le"), "a.csv, line 1 holds a NUL byte"),
        ("a.csv", "text,label\na,1\n".encode("utf-16")[:-1], "a.csv, line 2: byte 30 is not utf-16"),
        ("a.csv", "text,label\n,1\n,0\nc,7\n", "a.csv, line 2: text is empty; fill it in or remove the row; 3 rows"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_right_is_refused(tmp_path: Path, name: str, content: str | bytes, said: str) -> None:
    found = refusal(tmp_path, name, content)
    assert found.startswith(said)
    assert "\n" not in found


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize(
    ("name", "content"),
    [("a.csv", "text,label\né,1\n"), ("a.tsv", "text\tlabel\né\t1\n"), ("a.jsonl", '{"text": "é", "label": "1"}\n')],
)
def test_a_byte_order_mark_tells_the_encoding(tmp_path: Path, encoding: str, name: str, content: str) -> None:
    assert read(tmp_path, name, content.encode(encoding)) == [("é", 1)]


@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_line_ends_may_differ_and_the_last_may_lack_or_repeat(tmp_path: Path, delimiter: str) -> None:
    name, d = {",": "a.csv", "\t": "a.tsv"}[delimiter], delimiter
    for tail in ("", "\n", "\r\n\r\n", "\n\n\n"):
        content = f"text{d}label\r\na{d}1\rb{d}0\nc{d}1{tail}"
        assert read(tmp_path, name, content) == [("a", 1), ("b", 0), ("c", 1)]


def test_names_of_columns_may_have_space_around_them_or_be_missing(tmp_path: Path) -> None:
    assert read(tmp_path, "a.csv", "text, label,,\na,1,x,y\n") == [("a", 1)]


@pytest.mark.parametrize("encoding", ["undefined", "hex", "no-such", "a\0b", "\ud800", "x" * 10_000, "idna"])
def test_encodings_that_decode_nothing(tmp_path: Path, encoding: str) -> None:
    said = refusal(tmp_path, "a.csv", b"text,label\n\xff..,1\n", replace(TASK, data=Source(encoding=encoding)))
    assert "encoding" in said
    assert len(said) <= 500


cells = st.text(st.sampled_from('ab" ,\t\r\n'), max_size=6)


@settings(max_examples=max(300, settings.default.max_examples), deadline=None)
@given(st.lists(st.text(st.sampled_from('ab"'), max_size=4), min_size=1, max_size=6))
def test_a_tsv_of_even_lines_has_a_row_a_line(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    text = "\n".join(["text\tlabel", *(f"{text}\t1" for text in texts)])
    rows = [row.cells["text"] for row in read_table(text, Path("a.tsv"))]
    assert len(rows) == len(texts)
    unquoted = [text[1:-1].replace('""', '"') if text[:1] == '"' else text for text in texts]
    assert rows in (texts, unquoted)


@settings(max_examples=max(300, settings.default.max_examples), deadline=None)
@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=5), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_a_csv_is_read_as_the_csv_module_reads_it(rows: list[tuple[str, str]], quoting: int) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, quoting=quoting).writerows([("text", "label"), *rows])
    if any(cell == ("", "") for cell in rows):
        return
    assert [tuple(row.cells.values()) for row in read_table(out.getvalue(), Path("a.csv"))] == rows
