"""Damaged study folders give one-line errors with the position of the damage, in every command."""

import json
import shutil

import numpy as np
import pytest
from disks import Disk
from fakes import HeldOutBowl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dfo_prompt as dp
from dfo_prompt._util import durable
from dfo_prompt.errors import DfoPromptError, InputError, StudyError
from dfo_prompt.report.frames import read_journal
from dfo_prompt.report.summary import summarize
from dfo_prompt.study.best import answer_of, best_so_far
from dfo_prompt.study.costs import read_spent
from dfo_prompt.study.records import Account, read_records
from dfo_prompt.study.saved import load_result, read_candidate


def go_on(folder):
    return dp.minimize(HeldOutBowl(), optimizer="random", budget=20, popsize=4, out=folder)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "s"
    go_on(folder)
    return folder


READERS = (
    summarize,
    read_records,
    read_spent,
    read_journal,
    best_so_far,
    answer_of,
    load_result,
    lambda folder: read_records(folder, Account.VALIDATION),
    go_on,
)
JSON = ("manifest.json", "journal.jsonl", "validation.jsonl", "ledger.jsonl", "result.json")
NAMES = (*JSON, "candidates.npz", "candidates.f64", "validation.f64")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.slow
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_whatever_is_damaged_no_reader_raises_anything_else(tmp_path_factory, whole, data):
    folder = tmp_path_factory.mktemp("damaged") / "s"
    shutil.copytree(whole, folder)
    file = folder / data.draw(st.sampled_from(NAMES))
    raw = file.read_bytes()
    at = data.draw(st.integers(0, len(raw)))
    if file.name in JSON and data.draw(st.booleans()):
        file.write_text(changed(file.read_text(), data), encoding="utf-8", errors="backslashreplace")
    else:
        file.write_bytes(raw[:at] + data.draw(st.binary(max_size=30)) + raw[at + data.draw(st.integers(0, 50)) :])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(durable, "os", Disk())  # one that is not flushed
        assert not any("\n" in said_by(read, folder) for read in READERS)


def said_by(read, folder):
    try:
        read(folder)
    except DfoPromptError as error:
        return str(error)
    return ""


def changed(text, data):
    """Return JSON, of one value or of lines, in which one value is another."""
    lines = [text] if text.startswith("{\n") else text.splitlines()
    number = data.draw(st.integers(0, len(lines) - 1))
    value = table = json.loads(lines[number])
    while True:
        key = data.draw(st.sampled_from(sorted(table)))
        if not (isinstance(table[key], dict) and table[key]) or data.draw(st.booleans()):
            break
        table = table[key]
    table[key] = data.draw(VALUES)
    lines[number] = json.dumps(value)
    return "".join(f"{line}\n" for line in lines)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"query": 3, "candidate": "a", "loss": "low"}', "loss: Input should be a valid number"),
        ('{"query": 3, "candidate": "a", "status": null}', "status: Input should be a valid string"),
        ('{"query": 3, "candidate": "a", "loss": 1e999}', "loss: Input should be a finite number"),
        ('{"query": 3, "candidate": "a", "loss": NaN}', "NaN is no value of JSON"),
        ('{"query": 9, "candidate": "a", "loss": 1.0}', "it is of query 9"),
        ('{"query": 3}', "candidate: Field required"),
        ("3", "it holds no table"),
        ("{", "Expecting property name"),
        ("[" * 100_000, "RecursionError"),
        ("9" * 5000, "Exceeds the limit"),
    ],
)
def test_a_damaged_line_is_named(tmp_path, whole, line, said):
    shutil.copytree(whole, tmp_path / "s")
    file = tmp_path / "s" / "journal.jsonl"
    lines = file.read_text().splitlines()
    lines[2] = line
    file.write_text("\n".join(lines) + "\n")
    with pytest.raises(StudyError, match=f"journal.jsonl, line 3, is damaged: .*{said}") as caught:
        read_records(tmp_path / "s")
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("value", ["Infinity", "-1", "1.5", '"4"', "null"])
def test_a_damaged_reservation_is_named(tmp_path, whole, value):
    shutil.copytree(whole, tmp_path / "s")
    file = tmp_path / "s" / "ledger.jsonl"
    with file.open("a") as end:
        end.write(f'{{"account": "queries", "reserved": {value}}}\n')
    number = len(file.read_text().splitlines())
    with pytest.raises(StudyError, match=f"ledger.jsonl, line {number}, is damaged"):
        go_on(tmp_path / "s")


def test_a_loss_that_was_edited_is_found_by_its_checksum(tmp_path, whole):
    shutil.copytree(whole, tmp_path / "s")
    file = tmp_path / "s" / "journal.jsonl"
    lines = file.read_text().splitlines()
    lines[9] = json.dumps({**json.loads(lines[9]), "loss": 0.0})
    file.write_text("\n".join(lines) + "\n")
    with pytest.raises(
        StudyError, match="journal.jsonl, line 9, is damaged: it, or one of the next 3, is not what was written"
    ):
        go_on(tmp_path / "s")


def test_the_costs_of_an_earlier_version_are_read_and_gaps_are_named(tmp_path):
    for name, lines in {
        "journal.jsonl": [{"query": i, "candidate": "a", "status": "ok", "loss": 1.0, "metrics": {}} for i in range(1, 9)],
        "ledger.jsonl": [
            {"account": "queries", "reserved": 4},
            {"account": "queries", "done": 4, "rows": 40, "tokens": 0, "uploaded": 0, "downloaded": 0},
            {"account": "queries", "reserved": 4},
        ],
    }.items():
        (tmp_path / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    spent = read_spent(tmp_path)
    assert (spent.queries, spent.rows, spent.unpriced, spent.repeated) == (8, 40, 4, 0)


def test_a_candidate_that_is_none_is_named(tmp_path, whole):
    shutil.copytree(whole, tmp_path / "s")
    np.savez(tmp_path / "s" / "candidates.npz", chosen=np.full(3, np.nan), best=np.zeros((3, 3)))
    for name in ("chosen", "best"):
        with pytest.raises(InputError, match=f"candidates.npz is damaged: '{name}' is no candidate"):
            read_candidate(tmp_path / "s", name)
