"""The files that a projection and p0 are read from stand in the manifest."""

from pathlib import Path

import numpy as np
import pytest

from dfo_prompt.config.prompt import PromptConfig
from dfo_prompt.prompt.initial import project_of
from dfo_prompt.prompt.problem import Problem
from dfo_prompt.prompt.projections.learned import LearnedProjection
from dfo_prompt.testing.tiny import TASK, few_shot, tiny_lm

PROBLEM = Problem(lm=tiny_lm(), task=TASK, data=few_shot(), seed=0)


def write(path, seed):
    draw = np.random.default_rng(seed).normal
    learned = LearnedProjection(projection=draw(size=(96, 4)), start=draw(size=(3, 32)), sources=("a",), model="tiny")
    learned.save(Path(path))


def files(projection, start):
    prompt = PromptConfig(tokens=3, projection="file", projection_options={"path": projection}, start=Path(start))
    return project_of(PROBLEM, prompt)[1]["files"]


@pytest.mark.parametrize("changed", ["one/p", "two/p"])
def test_two_files_of_one_name_have_a_hash_each(tmp_path, monkeypatch, changed):
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("one/p", "two/p")):
        write(name, seed)
    before = files("one/p", "two/p")
    assert before.keys() == {"path: p", "start: p"}
    write(changed, 5)
    assert sum(before[name] != value for name, value in files("one/p", "two/p").items()) == 1


def test_a_file_that_is_both_and_files_of_two_names_have_their_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("one/p", "q")):
        write(name, seed)
    assert files("one/p", "one/../one/p").keys() == {"p"}
    assert files("one/p", "q").keys() == {"p", "q"}
