import numpy as np
import pytest
import torch
from tiny import FAMILIES, TASK, some_examples, textbook_logits, tiny_lm

from dfo_prompt.lm.encoding import encode, encode_words
from dfo_prompt.lm.scorer import Scorer


def some_prompts(lm, count=3, tokens=5):
    rng = np.random.default_rng(0)
    return torch.tensor(rng.normal(0, 0.3, (count, tokens, lm.width)), dtype=torch.float32)


def score(lm, prompts, examples):
    texts = encode(lm, TASK, [example.texts for example in examples], prompt_tokens=prompts.shape[1])
    return Scorer(lm.model, encode_words(lm, TASK)).score(prompts, texts)


def expected(lm, prompts, examples):
    words = encode_words(lm, TASK)
    texts = [TASK.causal.render(example.texts).before for example in examples]
    return torch.stack([torch.stack([textbook_logits(lm, prompt, text, words) for text in texts]) for prompt in prompts])


@pytest.mark.parametrize("family", FAMILIES)
def test_the_engine_equals_the_textbook_loop(family):
    lm, examples = tiny_lm(family), some_examples(9)
    prompts = some_prompts(lm)
    torch.testing.assert_close(score(lm, prompts, examples), expected(lm, prompts, examples), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("tokenizer", [{"bos": True}, {"eos": True}, {"bos": True, "eos": True}])
def test_special_tokens_go_where_the_model_expects_them(tokenizer):
    lm, examples = tiny_lm(**tokenizer), some_examples(5)
    prompts = some_prompts(lm)
    torch.testing.assert_close(score(lm, prompts, examples), expected(lm, prompts, examples), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("family", ["llama", "gpt2", "mistral"])
def test_no_prompt_at_all_is_the_hand_written_prompt(family):
    lm, examples = tiny_lm(family), some_examples(5)
    nothing = some_prompts(lm, count=1, tokens=0)
    torch.testing.assert_close(score(lm, nothing, examples), expected(lm, nothing, examples), atol=1e-4, rtol=1e-4)


def test_one_text_alone_is_scored_too():
    lm, examples = tiny_lm(), some_examples(1)
    prompts = some_prompts(lm)
    torch.testing.assert_close(score(lm, prompts, examples), expected(lm, prompts, examples), atol=1e-4, rtol=1e-4)


def test_a_score_does_not_depend_on_the_rest_of_the_batch():
    lm, examples = tiny_lm(), some_examples(9)
    prompts = some_prompts(lm, count=4)
    together = score(lm, prompts, examples)
    for i in range(4):
        assert torch.equal(score(lm, prompts[i : i + 1], examples)[0], together[i])


def test_the_prompt_matters():
    lm, examples = tiny_lm(), some_examples(4)
    logits = score(lm, some_prompts(lm, count=2), examples)
    assert (logits[0] - logits[1]).abs().min() > 1e-3


def test_torchs_generator_is_left_alone():
    lm = tiny_lm()
    before = torch.get_rng_state()
    score(lm, some_prompts(lm), some_examples(3))
    assert torch.equal(torch.get_rng_state(), before)
