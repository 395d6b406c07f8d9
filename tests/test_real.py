"""The real small model on real headlines. The first run downloads 95 MB to the user's cache folder."""

import json

import pytest

pytestmark = pytest.mark.real

SETTINGS = {
    "dim": 50,
    "prompt-tokens": 5,
    "popsize": 5,
    "sigma": 0.5,
    "shots": 4,
    "test-examples": 100,
    "seed": 1,
    "budget": 23,
}


def run(program, out, **changes):
    flags = SETTINGS | {name.replace("_", "-"): value for name, value in changes.items()}
    return program("run", *(part for name, value in flags.items() for part in (f"--{name}", str(value))), "--out", str(out))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("real") / "study"


def test_a_study_of_headlines(program, folder):
    status, out, err = run(program, folder)
    assert status == 0, err
    assert "23 of 23" in out
    shown = json.loads(program("show", str(folder), "--json")[1])
    assert (shown["task"], shown["model"], shown["spent"]["queries"]) == ("bbc-headlines", "smollm2-135m", 23)
    assert shown["best_loss"] < 1.6  # a uniform guess costs ln 5 = 1.61
    assert shown["held_out"]["manual_test_metric"] > 0.4
    assert shown["held_out"]["test_metric"] > 0.4
    assert shown["spent"]["rows"] == 23 * 20


def test_its_prompt_labels_new_headlines(program, folder):
    status, out, err = program("predict", str(folder), "Striker signs new deal at Chelsea", "Bank raises rates", "--json")
    assert status == 0, err
    answers = [json.loads(line) for line in out.splitlines()]
    assert answers[0]["label"] == "sports"
    assert all(sum(answer["probabilities"].values()) == pytest.approx(1) for answer in answers)


def test_the_same_command_changes_nothing(program, folder):
    before = (folder / "journal.jsonl").read_bytes()
    assert run(program, folder)[0] == 0
    assert (folder / "journal.jsonl").read_bytes() == before


def test_tweets_by_another_optimizer(program, tmp_path):
    status, out, err = run(program, tmp_path / "t", task="tweets", optimizer="nevergrad:OnePlusOne", budget=6)
    assert status == 0, err
    assert "6 of 6" in out
