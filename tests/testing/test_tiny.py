"""The tiny models that plugins' tests use."""

import pytest
import torch

import dfo_prompt as dp
from dfo_prompt.lm.load import load_model
from dfo_prompt.testing.tiny import HEAD_OF, TASK, WORDS, few_shot, save_tiny_model, some_examples, tiny_lm


@pytest.mark.parametrize("family", ["llama", "bert", "t5"])
def test_a_saved_model_loads_as_the_one_in_memory(tmp_path, family):
    save_tiny_model(tmp_path, family)
    read, made = load_model("tiny", tmp_path, device="cpu"), tiny_lm(family)
    assert read.head == made.head == HEAD_OF[family]
    assert read.tokenizer.get_vocab() == made.tokenizer.get_vocab()
    pairs = zip(read.model.state_dict().items(), made.model.state_dict().items(), strict=True)
    assert all(name == other and torch.equal(a, b) for (name, a), (other, b) in pairs)


def test_leave_the_global_random_state_alone():
    before = torch.random.get_rng_state()
    tiny_lm()
    assert torch.equal(before, torch.random.get_rng_state())


def test_know_each_word_of_their_examples_and_task():
    lm = tiny_lm()
    texts = [text for example in some_examples(50) for text in example.texts] + list(TASK.labels.values())
    assert lm.tokenizer.pad_token_id not in lm.tokenizer(" ".join(texts)).input_ids
    assert {len(lm.tokenizer(word).input_ids) for word in WORDS} == {1}


def test_make_a_problem_that_studies_run_on():
    problem = dp.Problem(lm=tiny_lm(), task=TASK, data=few_shot(), seed=0)
    matrix = torch.ones(4, 2 * problem.lm.width)
    objective = dp.PromptObjective(
        problem=problem,
        projection=lambda z: (torch.from_numpy(z).float() @ matrix).reshape(len(z), 2, -1),
        prompt_tokens=2,
        dim=4,
        loss="cross_entropy",
        dtype="float32",
    )
    assert dp.minimize(objective, budget=20, seed=0).spent.queries == 20
