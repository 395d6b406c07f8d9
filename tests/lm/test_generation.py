"""References have the likelihood that a loop over tokens computes; answers equal those of `generate` in transformers."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from families import families
from transformers import GenerationConfig

from dfo_prompt.errors import ModelError
from dfo_prompt.lm import answers
from dfo_prompt.lm.greedy import Greedy
from dfo_prompt.lm.precision import Precision
from dfo_prompt.lm.references import LikelihoodReader, encode_references, lay_out_texts, reference_ids, stops
from dfo_prompt.lm.scorer import Scorer
from dfo_prompt.tasks.sections import Answer
from dfo_prompt.tasks.task import Task
from dfo_prompt.testing.tiny import WORDS, some_examples, tiny_lm

AHEAD = Task(
    name="ahead",
    summary="",
    template="the {text} . it was {answer}",
    metric="exact_match",
    answer=Answer(most_tokens=6, ends="text"),
)
BEHIND = Task(
    name="behind", summary="", template="the {text} . {prompt} it was {answer}", metric="exact_match", answer=AHEAD.answer
)
TEXTS = [example.texts for example in some_examples(7)]
LENGTHS = (1, 4, 2, 9, 1, 3, 5)
ANSWERS = [" ".join(np.random.default_rng(3).choice(WORDS, count)) for count in LENGTHS]


def prompts(lm, count=2, tokens=4, layers=()):
    drawn = np.random.default_rng(0).normal(0, 0.3, (count, *layers, tokens, lm.width))
    return torch.tensor(drawn, dtype=torch.float32)


def textbook(lm, task, prompt, texts, answer):
    """The mean log-likelihood of a reference's tokens: a whole forward for each of them."""
    (layout,) = lay_out_texts(lm, task, [texts], prompt_tokens=len(prompt))
    embed, before, total = lm.model.get_input_embeddings(), [], 0.0
    wanted = [*lm.tokens(answer), lm.tokenizer.eos_token_id][: task.answer.most_tokens]
    for token in wanted:
        left, right = (embed(torch.tensor(ids, dtype=torch.long)) for ids in (layout.left, layout.right + before))
        logits = lm.model(inputs_embeds=torch.cat([left, prompt, right])[None], use_cache=False).logits[0, -1]
        total += logits.log_softmax(0)[token].item()
        before.append(token)
    return total / len(wanted)


@pytest.mark.parametrize("packing", [True, False], ids=["packed", "cached"])
@pytest.mark.parametrize("task", [AHEAD, BEHIND], ids=lambda task: task.name)
@pytest.mark.parametrize("family", families(["llama", "gpt2", "gemma2", "mistral", "bloom", "gpt_neox"]))
def test_the_likelihood_of_references_is_that_of_a_loop_over_their_tokens(family, task, packing):
    lm = tiny_lm(family, packing=packing)
    scorer, references = Scorer(lm), encode_references(lm, task, TEXTS, ANSWERS, prompt_tokens=4)
    found = scorer.score(prompts(lm), references.texts, LikelihoodReader(lm.model, references, narrow=scorer.narrow))
    expected = [[textbook(lm, task, prompt, *one) for one in zip(TEXTS, ANSWERS, strict=True)] for prompt in prompts(lm)]
    torch.testing.assert_close(found[..., 0], torch.tensor(expected), atol=1e-5, rtol=1e-5)


def test_a_long_reference_counts_by_the_tokens_that_an_answer_may_have():
    lm = tiny_lm()
    assert reference_ids(lm, AHEAD, ANSWERS[3]) == lm.tokens(ANSWERS[3])[:6]
    assert reference_ids(lm, AHEAD, ANSWERS[2]) == [*lm.tokens(ANSWERS[2]), 2]


def test_a_long_text_leaves_room_for_the_longest_answer():
    lm = tiny_lm()
    (layout,) = lay_out_texts(lm, AHEAD, [("good " * 90,)], prompt_tokens=4)
    assert len(layout.ids) + 4 + 6 <= lm.max_tokens
    assert layout.right[-2:] == lm.tokens("it was")
    with pytest.raises(ModelError, match="a prompt of 55 tokens, and an answer of 6, alone are longer than the 64"):
        lay_out_texts(lm, AHEAD, [("good",)], prompt_tokens=55)


def test_lines_end_with_whatever_token_holds_a_line_end(monkeypatch):
    lm, line = tiny_lm(), Answer(ends="line")
    with pytest.raises(ModelError, match='no token for a line end; set ends = "text"'):
        reference_ids(lm, Task(name="t", summary="", template="{text} {answer}", metric="exact_match", answer=line), "fun")
    assert stops(lm, AHEAD.answer) == {2}
    lm.checked.clear()
    monkeypatch.setattr(
        type(lm.tokenizer), "batch_decode", lambda _, ids: [".\n" if sequence == [9] else "a" for sequence in ids]
    )
    assert stops(lm, line) == {2, 9}


@pytest.mark.parametrize("family", ["bert", "t5"])
def test_other_models_than_decoders_are_refused(family):
    with pytest.raises(ModelError, match=rf"are texts, and '{family}' is a \w+ model .* decoder-only model"):
        lay_out_texts(tiny_lm(family), AHEAD, TEXTS, prompt_tokens=4)


def greedy(lm, task):
    return Greedy(lm, task, Scorer(lm), Precision(model=lm.model))


def generated(lm, task, prompt, layout):
    embed = lm.model.get_input_embeddings()
    left, right = (embed(torch.tensor(ids, dtype=torch.long)) for ids in (layout.left, layout.right))
    row = torch.cat([left, prompt, right])[None]
    config = GenerationConfig(do_sample=False, max_new_tokens=task.answer.most_tokens, eos_token_id=2, pad_token_id=0)
    mask = torch.ones(row.shape[:2], dtype=torch.long)
    return lm.model.generate(inputs_embeds=row, attention_mask=mask, generation_config=config)[0].tolist()


def test_fewer_answers_are_generated_at_a_time_where_memory_does_not_suffice(monkeypatch):
    lm, refused = tiny_lm(), []
    layouts = greedy(lm, AHEAD).lay_out([("the film was fun",)] * 5, prompt_tokens=4)
    expected = [greedy(lm, AHEAD).ids(prompt, layouts) for prompt in prompts(lm)]
    run = answers.answer_logits

    def small(model, rows, slot, inputs, *, narrow):
        if len(rows) > 2:
            refused.append(len(rows))
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return run(model, rows, slot, inputs, narrow=narrow)

    monkeypatch.setattr("dfo_prompt.lm.greedy.answer_logits", small)
    ours = greedy(lm, AHEAD)
    assert [ours.ids(prompt, layouts) for prompt in prompts(lm)] == expected
    before = len(refused)
    ours.ids(prompts(lm)[0], layouts)
    assert len(refused) == before > 0  # it is remembered
    monkeypatch.setattr("dfo_prompt.lm.greedy.answer_logits", lambda *_, **__: small(None, range(3), 0, {}, narrow=True))
    with pytest.raises(torch.OutOfMemoryError):
        ours.ids(prompts(lm)[0], layouts)


def forget(_, args, named):
    return args, {**named, "past_key_values": None}


def spoil_after_32(_, args, named):
    cache = named.get("past_key_values")
    factor = 2 if cache is not None and cache.get_seq_length() > 32 else 1
    return args, {**named, "inputs_embeds": named["inputs_embeds"] * factor}


@pytest.mark.parametrize("packing", [True, False], ids=["packed", "cached"])
@pytest.mark.parametrize("fault", [forget, spoil_after_32])
def test_a_cache_that_changes_long_answers_is_left_out(fault, packing):
    task, lm = replace(AHEAD, answer=Answer(most_tokens=30, ends="text")), tiny_lm(packing=packing)
    lm.model.model.register_forward_pre_hook(fault, with_kwargs=True)
    ours, (prompt, _) = greedy(lm, task), prompts(lm, tokens=20)
    layouts = ours.lay_out(TEXTS[:2], prompt_tokens=20)
    assert ours.ids(prompt, layouts) == [generated(tiny_lm(), task, prompt, layout) for layout in layouts]


@pytest.mark.parametrize("packing", [True, False], ids=["packed", "cached"])
@pytest.mark.parametrize("task", [AHEAD, BEHIND], ids=lambda task: task.name)
@pytest.mark.parametrize("family", families(["llama", "gpt2", "gemma2", "mistral", "bloom", "gpt_neox", "opt"]))
def test_answers_are_those_of_transformers(family, task, packing):
    lm = tiny_lm(family, packing=packing)
    ours = greedy(lm, task)
    layouts = ours.lay_out(TEXTS, prompt_tokens=4)
    for prompt in prompts(lm):
        assert ours.ids(prompt, layouts) == [generated(lm, task, prompt, layout) for layout in layouts]
