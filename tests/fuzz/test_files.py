"""Damaged files of every format are read, or refused in one short line.

`pytest tests/fuzz --hypothesis-profile nightly` tries 10,000 files of each format.
"""

import gzip
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dfo_prompt._util.json_files import read_json
from dfo_prompt.commands.drafts import draft_task
from dfo_prompt.commands.settings import parse_settings
from dfo_prompt.config.reading import parse_config, read_config
from dfo_prompt.errors import MOST_CHARACTERS, DfoPromptError
from dfo_prompt.study.identity import read_manifest
from dfo_prompt.study.saved import load_result
from dfo_prompt.suite.folder import read_errors, read_suite_folder
from dfo_prompt.suite.reading import read_suite_file
from dfo_prompt.tasks.examples import read_examples
from dfo_prompt.tasks.sections import Source
from dfo_prompt.tasks.task import Task, load_task
from dfo_prompt.tasks.writing import write_task

pytestmark = [pytest.mark.timeout(6 * 3600), pytest.mark.slow]  # of the nightly lane

fuzzed = settings(
    max_examples=max(300, settings.default.max_examples),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

TASK = b"""summary = "Mood."
template = "{text} It was {answer}."
causal_template = "{text} It was {prompt}{answer}"
metric = "f1"
labels = { bad = "terrible", good = "great" }
[[patterns]]
template = "Just {answer}! {text}"
[data]
path = "mood.csv"
columns = { text = "sentence" }
encoding = "latin-1"
unlabelled = ["-"]
"""
STUDY = b"""optimizer = "cma"
objective = "sphere"
budget = 100
dim = 3
bounds = [-5.0, 5]
x0 = [1, 2, 3]
plugin = "mine.py"
[optimizer_options]
active = false
[problem]
task = "films.toml"
data = "films.csv"
[prompt]
start = "file:prompt.txt"
projection = "file"
projection_options = { path = "p.safetensors" }
"""
SUITE = b"""name = "quick"
optimizers = ["cma", { name = "wide", optimizer = "random", sigma = 2.0 }]
methods = ["zero-shot"]
seeds = [1, 2]
problems = [{ name = "small", dim = 3 }, { name = "large", dim = 5 }]
exclude = [{ optimizer = "wide", problem = "large" }]
[study]
budget = 20
objective = "sphere"
[cross]
"objective_options.noise" = [0, 1]
[variants.tiny]
seeds = [1]
"""
MANIFEST = json.dumps(
    {"format": 1, "config": {"optimizer": "cma", "dim": 3, "x0": [1.0, 2.0, 3.0]}, "objective": {"task": "é"}, "studies": {}}
).encode()
RESULT = json.dumps({"held_out": {"dev_metric": 0.5}, "spent": {"queries": 3}, "validation": {}, "seconds": 1.5}).encode()


def parquet() -> bytes:
    try:
        import pyarrow as pa
        from pyarrow.parquet import write_table
    except ImportError:
        return b"PAR1"
    out = pa.BufferOutputStream()
    write_table(pa.table({"text": ["fine", "a"], "label": ["good", "bad"]}), out)
    content: bytes = out.getvalue().to_pybytes()
    return content


DATA = {
    ".csv": b'text,label\nfine,good\n"a, ""b""\nc",bad\n',
    ".tsv": b'text\tlabel\nfine\tgood\n"a, b"\tbad\nsay "x"\t-\n',
    ".jsonl": b'{"text": "fine", "label": "good"}\n{"text": "\\u00e9", "label": "bad", "more": [1, {}]}\n',
    ".json": b'[{"text": "fine", "label": "good"},\n{"text": "\\u00e9", "label": "bad", "more": [1, {}]}]\n',
    ".csv.gz": gzip.compress(b"text;label\nfine;good\n'a';bad\n", mtime=0),
    ".parquet": parquet(),
}
MOOD = Task(
    name="mood",
    summary="",
    template="{text} {answer}",
    labels={"bad": "terrible", "good": "great"},
    data=Source(unlabelled=("-",)),
)
MARKS = '" """ [ ]] { }} = == \n \r \t , . # \\ \\ud800 \\u0000 \ufeff é \x85 \u2028 - nan inf true null {text} {answer} \0'
NASTY = (
    *(mark.encode() for mark in MARKS.split(" ")),
    *(b"\xff", b"\xff\xfe", b"\xed\xa0\x80", b"1979-05-27", b"1e999", b"-1", b"9" * 20, b"os:x.toml"),
    *(b"1" * 5000, b"0x" + b"f" * 5000, b"[" * 3000, b'{"a":' * 2000, b"{a=" * 2000, b"a." * 500, b"../" * 50, b"x" * 5000),
)


@st.composite
def damaged(draw: st.DrawFn, good: bytes) -> bytes:
    """Return the content with up to five places cut out, repeated or replaced."""
    content = good
    for _ in range(draw(st.integers(1, 5))):
        at, cut = draw(st.integers(0, len(content))), draw(st.integers(0, 30))
        start = draw(st.integers(0, len(good)))
        copy = st.integers(0, 40).map(lambda length, start=start: good[start : start + length])
        piece = draw(st.sampled_from(NASTY) | copy | st.binary(max_size=6))
        content = content[:at] + piece + content[at + cut :]
    return content


def refused_in_one_line(call: Callable[[], object]) -> None:
    depth = sys.getrecursionlimit()
    try:
        call()
    except DfoPromptError as error:
        said = str(error)
        assert said
        assert said.isprintable()
        assert len(said) <= MOST_CHARACTERS
    assert sys.getrecursionlimit() == depth


def written(folder: Path, name: str, content: bytes) -> Path:
    (folder / name).write_bytes(content)
    return folder / name


@fuzzed
@given(content=damaged(TASK))
def test_task_files(tmp_path: Path, content: bytes) -> None:
    refused_in_one_line(lambda: load_task(written(tmp_path, "a.toml", content)))


@fuzzed
@given(content=st.sampled_from(sorted(DATA)).flatmap(lambda kind: st.tuples(st.just(kind), damaged(DATA[kind]))))
def test_data_files(tmp_path: Path, content: tuple[str, bytes]) -> None:
    suffix, data = content

    def read() -> None:
        splits = read_examples(MOOD, written(tmp_path, f"a{suffix}", data))
        assert splits.report is not None
        assert splits.report.train.read == len(splits.train)

    refused_in_one_line(read)


@fuzzed
@given(content=st.sampled_from(sorted(DATA)).flatmap(lambda kind: st.tuples(st.just(kind), damaged(DATA[kind]))))
def test_data_files_of_drafts(tmp_path: Path, content: tuple[str, bytes]) -> None:
    suffix, data = content

    def written_task() -> None:
        drafted = draft_task(written(tmp_path, f"a{suffix}", data), beside=tmp_path)
        write_task(drafted.task, tmp_path / "a.toml")
        assert load_task(tmp_path / "a.toml").labels == drafted.task.labels

    refused_in_one_line(written_task)


@fuzzed
@given(
    encoding=st.sampled_from(["utf-8", "utf-16", "utf-7", "idna", "punycode", "unicode_escape", "undefined", "hex"])
    | st.text()
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_encodings(tmp_path: Path, encoding: str) -> None:
    task = Task(name="t", summary="", template="{text} {answer}", labels=MOOD.labels, data=Source(encoding=encoding))
    refused_in_one_line(lambda: read_examples(task, written(tmp_path, "a.csv", DATA[".csv"] + b"\\x \xe9,bad\n")))


@fuzzed
@given(content=damaged(STUDY))
def test_study_files(tmp_path: Path, content: bytes) -> None:
    refused_in_one_line(lambda: read_config(written(tmp_path, "a.toml", content), {}))


@fuzzed
@given(content=damaged(SUITE))
def test_suite_files(tmp_path: Path, content: bytes) -> None:
    refused_in_one_line(lambda: read_suite_file(written(tmp_path, "a.toml", content)))
    refused_in_one_line(lambda: read_suite_file(tmp_path / "a.toml", model="tiny"))


@fuzzed
@given(manifest=damaged(MANIFEST), result=damaged(RESULT))
def test_folders(tmp_path: Path, manifest: bytes, result: bytes) -> None:
    for name, content in {
        "manifest.json": manifest,
        "suite.json": manifest,
        "errors.json": result,
        "result.json": result,
    }.items():
        written(tmp_path, name, content)
    refused_in_one_line(lambda: parse_config(read_manifest(tmp_path)["config"]))
    for read in (read_suite_folder, read_errors, load_result, lambda folder: read_json(folder / "result.json", missing="")):
        refused_in_one_line(lambda read=read: read(tmp_path))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.just("a\0"),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
keys = (
    st.sampled_from([line.split(b" = ")[0].decode() for line in STUDY.splitlines() if b"=" in line] + ["preset"]) | st.text()
)


@fuzzed
@given(data=st.dictionaries(keys, values))
def test_values_of_studies(data: dict[str, object]) -> None:
    refused_in_one_line(lambda: parse_config(data, where="study"))


@fuzzed
@given(texts=st.lists(st.text() | st.tuples(keys, st.text()).map("=".join)))
def test_settings(texts: list[str]) -> None:
    refused_in_one_line(lambda: parse_config(parse_settings(texts), where="command line"))
