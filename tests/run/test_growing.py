"""A study continues with feedback from its old answer; dev and test do not change."""

import json
from hashlib import sha256

import numpy as np
import pytest

from dfo_prompt.run.reopen import reopen
from dfo_prompt.study.candidates import candidate_hash, read_rows
from dfo_prompt.study.costs import read_spent
from dfo_prompt.study.identity import read_manifest
from dfo_prompt.study.records import Account, read_records
from dfo_prompt.study.saved import read_candidate
from dfo_prompt.testing.tiny import WORDS

FLAGS = "--shots 4 --device cpu --dim 6 --seed 2 --prompt-tokens 3 --dtype float32 --popsize 4"


@pytest.fixture
def old(program, tiny_folder, tiny_task):
    flags = [*FLAGS.split(), "--model", str(tiny_folder), "--task", str(tiny_task), "--test-examples", "10"]
    status, _, err = program("run", *flags, "--budget", "8", "--out", "old")
    assert status == 0, err
    return flags


@pytest.fixture
def feedback(tmp_path):
    rows = [{"text": " ".join(WORDS[i : i + 9]), "label": ("bad", "good")[i % 2]} for i in range(5)]
    (tmp_path / "feedback.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path / "feedback.jsonl"


def continued(program, *more, feedback="feedback.jsonl", out="new"):
    return program("run", "--start-from", "old", "--continue-with", feedback, *more, "--out", out)


def test_it_starts_from_the_answer_on_the_grown_split_and_names_both(program, tmp_path, old, feedback):
    status, _, err = continued(program, "--budget", "12")
    assert status == 0, err
    assert "feedback: 5 of 5 rows of feedback.jsonl" in err
    manifests = {name: read_manifest(tmp_path / name) for name in ("old", "new")}
    new, before = manifests["new"]["objective"], manifests["old"]["objective"]
    answer = read_candidate(tmp_path / "old")
    source = {"study": "old", "candidate": candidate_hash(answer), "queries": 8}
    assert manifests["new"]["start_from"].items() >= source.items()
    assert manifests["new"]["config"]["x0"] == answer.tolist()
    assert "feedback" not in manifests["old"]["config"]["problem"]
    assert (new["feedback"], new["rows"]["feedback"]["read"]) == (sha256(feedback.read_bytes()).hexdigest(), 5)
    assert new["drawn_fingerprint"] == before["data_fingerprint"] != new["data_fingerprint"]
    assert new["examples"] == {**before["examples"], "train": before["examples"]["train"] + 5}
    assert read_spent(tmp_path / "new").rows == 12 * 13
    objectives = {name: reopen(tmp_path / name)[0] for name in ("old", "new")}
    z = np.random.default_rng(0).standard_normal((2, 6))
    for split in ("dev", "test"):
        assert np.array_equal(*(objective.validate(z, split).losses for objective in objectives.values()))
    assert not np.array_equal(*(objective.evaluate(z).losses for objective in objectives.values()))
    before = (tmp_path / "new" / "journal.jsonl").read_bytes()
    assert continued(program, "--budget", "12")[0] == 0
    assert (tmp_path / "new" / "journal.jsonl").read_bytes() == before


@pytest.mark.parametrize("flags", ["--prompt-layers all --dim 6", "--calibration median"])
def test_a_candidate_is_the_same_prompt_with_feedback(program, tmp_path, old, feedback, flags):
    """Scales of the layers, and texts that calibrate, come from the split as it was drawn."""
    assert program("run", *old, *flags.split(), "--budget", "4", "--out", "deep")[0] == 0
    status, _, err = program(
        "run", "--start-from", "deep", "--continue-with", "feedback.jsonl", "--out", "new", "--budget", "4"
    )
    assert status == 0, err
    z = np.random.default_rng(0).standard_normal((2, 6))
    assert np.array_equal(*(reopen(tmp_path / name)[0].validate(z, "dev").losses for name in ("deep", "new")))


def test_it_goes_on_a_second_time_with_more(program, tmp_path, old, feedback):
    assert continued(program, "--budget", "4")[0] == 0
    text = feedback.read_text()
    (tmp_path / "more.jsonl").write_text(text + json.dumps({"text": "a dull dull news story", "label": "bad"}) + "\n")
    status, _, err = program(
        "run", "--start-from", "new", "--continue-with", "more.jsonl", "--budget", "4", "--out", "newer"
    )
    assert status == 0, err
    found = [read_manifest(tmp_path / name)["objective"] for name in ("new", "newer")]
    assert [item["examples"]["train"] for item in found] == [13, 14]
    assert found[0]["drawn_fingerprint"] == found[1]["drawn_fingerprint"]
    assert read_manifest(tmp_path / "newer")["config"]["x0"] == read_candidate(tmp_path / "new").tolist()


def test_the_optimizer_may_be_another(program, tmp_path, old, feedback):
    assert continued(program, "--optimizer", "random", "--sigma", "0.1", "--budget", "4")[0] == 0
    first = read_rows(tmp_path / "new" / "candidates.f64", 6)[0]
    assert np.linalg.norm(first - read_candidate(tmp_path / "old")) < 2
    assert len(read_records(tmp_path / "new", Account.QUERIES)) == 4


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--seed 3", "keeps its seed; leave that out"),
        ("--dim 7", "keeps its dim"),
        ("--shots 3", "keeps its problem"),
        ("--prompt-tokens 4", "keeps its prompt"),
        ("--objective sphere", "keeps its objective"),
    ],
)
def test_what_would_change_a_candidate_or_the_split_is_refused(program, old, feedback, flags, said):
    status, _, err = continued(program, *flags.split())
    assert (status, said in err, err.count("\n")) == (2, True, 1), err


def test_it_needs_a_study_of_a_prompt_and_the_same_data(program, tmp_path, old, feedback):
    status, _, err = program("run", "--continue-with", "feedback.jsonl")
    assert (status, "that --start-from names" in err) == (2, True)
    assert program("run", "--objective", "sphere", "--dim", "3", "--budget", "8", "--out", "sphere")[0] == 0
    status, _, err = program("run", "--start-from", "sphere", "--continue-with", "feedback.jsonl")
    assert (status, "objective 'sphere' has no problem" in err) == (2, True)
    lines = (tmp_path / "films.csv").read_text().splitlines()
    (tmp_path / "films.csv").write_text("\n".join(lines[:40]) + "\n")
    status, _, err = continued(program)
    assert (status, "the data of old changed since" in err) == (2, True), err
