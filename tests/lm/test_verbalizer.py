from dataclasses import replace

import numpy as np
import pytest
import torch
from families import families

from dfo_prompt.errors import PluginError
from dfo_prompt.lm.calibration import Calibration, log_mean
from dfo_prompt.lm.layout import lay_out
from dfo_prompt.lm.scorer import Scorer
from dfo_prompt.lm.verbalizer import Verbalizer
from dfo_prompt.tasks.task import Task
from dfo_prompt.testing.tiny import TASK, some_examples, tiny_lm

LONG = Task(
    name="t", summary="", template="{text} . it was {answer}", labels={"0": "very bad", "1": "good fun film", "2": "dull"}
)
TEXTS = [example.texts for example in some_examples(7)]


def prompts(lm, count=2, tokens=4):
    return torch.tensor(np.random.default_rng(0).normal(0, 0.3, (count, tokens, lm.width)), dtype=torch.float32)


def scores(lm, task, texts=TEXTS, **options):
    verbalizer = Verbalizer(lm, task, prompt_tokens=4, sample=TEXTS, **options)
    return verbalizer.scorer_with(Scorer(lm))(prompts(lm), verbalizer.encode(texts))


def whole_word(lm, prompt, texts, word):
    """log p(word | prompt, text), token after token."""
    ids = lm.tokens(word)
    total = 0.0
    for i, token in enumerate(ids):
        layout = lay_out(lm, LONG, texts, prompt_tokens=4, answer=ids[:i])
        embed = lm.model.get_input_embeddings()
        parts = [embed(torch.tensor(layout.left, dtype=torch.long)), prompt, embed(torch.tensor(layout.right))]
        inputs = {"inputs_embeds": torch.cat(parts)[None]}
        if layout.decoder:
            inputs["decoder_input_ids"] = torch.tensor([layout.decoder])
        total += lm.model(**inputs, use_cache=False).logits[0, -1].log_softmax(0)[token].item()
    return total


@pytest.mark.parametrize("packing", [True, False], ids=["packed", "cached"])
@pytest.mark.parametrize("family", families(["llama", "gpt2", "gemma2", "mistral", "t5", "bart"]))
def test_long_label_words_are_scored_whole(family, packing):
    lm = tiny_lm(family, packing=packing)
    expected = [[[whole_word(lm, prompt, texts, word) for word in LONG.words] for texts in TEXTS] for prompt in prompts(lm)]
    ours = scores(lm, LONG).log_softmax(dim=-1)
    torch.testing.assert_close(ours, torch.tensor(expected).log_softmax(dim=-1), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("family", ["bert", "roberta", "modernbert"])
def test_a_masked_model_fills_in_a_mask_for_each_token(family):
    lm = tiny_lm(family)
    mask, expected = lm.tokenizer.mask_token_id, []
    for prompt in prompts(lm):
        for texts in TEXTS:
            for word in LONG.words:
                ids = lm.tokens(word)
                layout = lay_out(lm, LONG, texts, prompt_tokens=4)
                right = [*layout.right[: layout.slot], *[mask] * len(ids), *layout.right[layout.slot + 1 :]]
                embed = lm.model.get_input_embeddings()
                parts = [embed(torch.tensor(layout.left)), prompt, embed(torch.tensor(right))]
                logits = lm.model(inputs_embeds=torch.cat(parts)[None]).logits[0].log_softmax(dim=-1)
                start = len(layout.left) + len(prompt) + layout.slot
                expected.append(sum(logits[start + i, token] for i, token in enumerate(ids)))
    ours = scores(lm, LONG)
    torch.testing.assert_close(ours.flatten(), torch.stack(expected), atol=1e-4, rtol=1e-4)


def test_words_of_one_length_share_their_texts_in_a_masked_model():
    lm = tiny_lm("bert")
    asked = Verbalizer(lm, LONG, prompt_tokens=4).encode(TEXTS)
    assert (asked.rows, asked.scores) == (3 * len(TEXTS), 3 * len(TEXTS))  # lengths 1, 2 and 3
    task = Task(name="t", summary="", template="{text} . {answer}", labels={"0": "very bad", "1": "good fun"})
    asked = Verbalizer(lm, task, prompt_tokens=4).encode(TEXTS)
    assert (asked.rows, asked.scores) == (len(TEXTS), 2 * len(TEXTS))


def test_rows_and_tokens_of_long_words_are_counted():
    lm = tiny_lm()
    asked = Verbalizer(lm, LONG, prompt_tokens=4).encode(TEXTS)
    lengths = [len(lay_out(lm, LONG, texts, prompt_tokens=4).ids) for texts in TEXTS]
    assert asked.rows == 3 * len(TEXTS)  # once for the first tokens, once for each long word
    assert asked.tokens == 3 * sum(lengths) + (1 + 2) * len(TEXTS)


@pytest.mark.parametrize(("calibration", "count"), [("contextual", 3), ("domain", 20)])
def test_what_neutral_texts_give_is_taken_out(calibration, count):
    lm = tiny_lm()
    plain, calibrated = (
        Verbalizer(lm, TASK, prompt_tokens=4, sample=TEXTS, calibration=one) for one in ("none", calibration)
    )
    assert calibrated.reference.count == count
    neutral = plain.scorer_with(Scorer(lm))(prompts(lm), calibrated.reference).softmax(dim=-1)  # (B, N, C)
    expected = scores(lm, TASK) - neutral.mean(dim=1, keepdim=True).log()
    torch.testing.assert_close(scores(lm, TASK, calibration=calibration), expected, atol=1e-5, rtol=1e-5)


def test_the_median_shift_lets_both_classes_win():
    difference = scores(tiny_lm(), TASK, calibration="median").diff(dim=-1)[:, :, 0]  # (B, N), N odd
    torch.testing.assert_close(difference.quantile(0.5, dim=1), torch.zeros(2), atol=1e-5, rtol=0)


@pytest.mark.parametrize("words", [("bad", "good"), ("very bad", "very good"), ("very bad", "good")])
@pytest.mark.parametrize("family", ["llama", "bert", "t5"])
def test_truncated_examples_are_counted_once_whatever_their_label_words(family, words, caplog):
    task = replace(TASK, labels=dict(zip(TASK.labels, words, strict=True)))
    Verbalizer(tiny_lm(family), task, prompt_tokens=4).encode([("film " * 200,), ("film",)])
    (said,) = caplog.messages
    assert "1 of 2 examples of task 'tiny' do not fit" in said


def test_the_mean_of_probabilities_below_the_smallest_float_is_finite():
    neutral = torch.tensor([[[0.0, 110.0], [0.0, 130.0], [0.0, 120.0]]]).log_softmax(dim=-1)
    expected = neutral.double().exp().mean(dim=1, keepdim=True).log()
    torch.testing.assert_close(log_mean(neutral), expected.float())


def test_calibration_is_of_each_prompt_by_itself():
    lm = tiny_lm()
    raw, shifted = scores(lm, TASK), scores(lm, TASK, calibration="contextual")
    shift = (raw - shifted).detach()
    torch.testing.assert_close(shift, shift[:, :1].expand_as(shift), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(shift[0, 0], shift[1, 0])


def test_a_calibration_of_another_shape_is_named(monkeypatch):
    flat = Calibration(texts=TEXTS, average=lambda logs: logs.mean(dim=1))
    monkeypatch.setattr("dfo_prompt.lm.calibration.contextual", lambda task, sample: flat)
    with pytest.raises(PluginError, match=r"calibration 'contextual' gives the shape \(\d+, 2\), not \(\d+, 1, 2\)"):
        scores(tiny_lm(), TASK, calibration="contextual")
