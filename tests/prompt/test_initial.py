"""The files that a projection and p0 are read from stand in the manifest."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import BertNormalizer
from transformers import PreTrainedTokenizerFast

from dfo_prompt.config.prompt import PromptConfig
from dfo_prompt.errors import InputError
from dfo_prompt.plugin.catalogue import plugin_files
from dfo_prompt.prompt.initial import initial_prompt_of, project_of
from dfo_prompt.prompt.problem import Problem
from dfo_prompt.prompt.projections.affine import Space
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


MINE = """
from pathlib import Path
import numpy as np
import dfo_prompt as dp

def mine(space, rng, *, path: Path):
    return np.load(path)

@dp.hookimpl
def dfo_prompt_projections():
    return [dp.Spec(name="mine", target="mine:mine", summary="")]
"""


def test_the_projection_of_a_plugin_reads_a_file_of_any_kind(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    np.save(tmp_path / "a.npy", np.ones((96, 4)))
    learned = tmp_path / "learned"  # on the task itself
    LearnedProjection(projection=np.ones((96, 4)), start=np.ones((3, 32)), sources=("tiny",), model="tiny").save(learned)
    with plugin_files(tmp_path / "mine.py"):
        options = {"path": tmp_path / "a.npy"}
        project, about = project_of(PROBLEM, PromptConfig(tokens=3, projection="mine", projection_options=options))
        with pytest.raises(InputError, match="learned was learned on task 'tiny' too"):
            project_of(PROBLEM, PromptConfig(tokens=3, projection="mine", projection_options={"path": learned}))
        with pytest.raises(InputError, match=r"cannot read .*none.npy"):
            project_of(PROBLEM, PromptConfig(projection="mine", projection_options={"path": tmp_path / "none.npy"}))
    assert about == {"files": {"a.npy": sha256((tmp_path / "a.npy").read_bytes()).hexdigest()}}
    drawn = project(Space(dim=4, tokens=3, width=32, mean=0.0, std=1.0), torch.zeros(3, 32), 0)
    torch.testing.assert_close(drawn(np.ones((1, 4)))[0], torch.full((3, 32), 4.0))


def test_a_start_without_tokens_is_one_line():
    backend = Tokenizer(WordLevel({"a": 0}, unk_token="a"))
    backend.normalizer = BertNormalizer()  # drops invisible characters
    lm = replace(tiny_lm(), tokenizer=PreTrainedTokenizerFast(tokenizer_object=backend))
    said = r"prompt.start: '\\u200b' has no tokens for 'llama'; write another text"
    with pytest.raises(InputError, match=said):
        initial_prompt_of(lm, "text:\u200b", 3, np.random.default_rng(0))
