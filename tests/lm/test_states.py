"""Hidden states and most likely tokens at answer slots equal those of a plain forward pass in transformers."""

import numpy as np
import pytest
import torch
from families import engines

from dfo_prompt.lm.encoding import arranged, encode
from dfo_prompt.lm.layers import Layers
from dfo_prompt.lm.layout import lay_out, lay_out_all
from dfo_prompt.lm.scorer import Scorer
from dfo_prompt.lm.states import HiddenReader, TopReader, hidden_widths
from dfo_prompt.testing.tiny import BEHIND, MIDDLE, TASK, some_examples, tiny_lm

TEXTS = [example.texts for example in some_examples(9)]


def some_prompts(lm, *, count, layers=()):
    rng = np.random.default_rng(0)
    return torch.tensor(rng.normal(0, 0.3, (count, *layers, 5, lm.width)), dtype=torch.float32)


def plain(lm, task, prompt, texts):
    """The output of transformers for one text in a row of its own, and the slot in it."""
    layout = lay_out(lm, task, texts, prompt_tokens=len(prompt))
    embed = lm.model.get_input_embeddings()
    left, right = (embed(torch.tensor(ids, dtype=torch.long)) for ids in (layout.left, layout.right))
    inputs = {"inputs_embeds": torch.cat([left, prompt, right])[None]}
    if layout.decoder:
        inputs["decoder_input_ids"] = torch.tensor([layout.decoder])
    output = lm.model(**inputs, output_hidden_states=True)
    return output, layout.slot + (0 if layout.decoder else len(left) + len(prompt))


def states_by_hand(lm, task, prompt, layers):
    found = []
    for texts in TEXTS:
        output, slot = plain(lm, task, prompt, texts)
        states = output.decoder_hidden_states if lm.head == "seq2seq" else output.hidden_states
        found.append(torch.cat([states[layer][0, slot] for layer in layers]))
    return torch.stack(found)


def read(lm, task, prompts, reader):
    return Scorer(lm).score(prompts, encode(lm, task, TEXTS, prompt_tokens=prompts.shape[-2]), reader)


@pytest.mark.parametrize("task", [TASK, MIDDLE, BEHIND], ids=lambda task: task.name)
@pytest.mark.parametrize(("family", "packing"), engines())
def test_hidden_states_are_those_of_a_plain_forward(family, packing, task):
    lm = tiny_lm(family, packing=packing)
    layers = (1, len(hidden_widths(lm)) - 1)
    prompts, reader = some_prompts(lm, count=2), HiddenReader(lm, layers)
    expected = torch.stack([states_by_hand(lm, task, prompt, layers) for prompt in prompts])
    assert reader.width == expected.shape[-1]
    torch.testing.assert_close(read(lm, task, prompts, reader), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("family", ["llama", "bert", "t5"])
def test_no_prompt_at_all_is_the_template_alone(family):
    lm = tiny_lm(family)
    nothing = torch.zeros(1, 0, lm.width)
    found = read(lm, TASK, nothing, HiddenReader(lm, [len(hidden_widths(lm)) - 1]))[0]
    torch.testing.assert_close(found, states_by_hand(lm, TASK, nothing[0], [-1]), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("family", ["llama", "gpt2", "bert"])
def test_layers_below_a_run_that_begins_in_the_middle_are_read_right(family):
    lm = tiny_lm(family)
    prompts = some_prompts(lm, count=2, layers=(3,))
    prompts[1, :2] = prompts[0, :2]  # they differ in the third layer: the run of the second begins there
    found = read(lm, TASK, prompts, HiddenReader(lm, [1, 2, 3]))

    def by_hand(prompt):
        rows = []
        for texts in TEXTS:
            left = len(lay_out(lm, TASK, texts, prompt_tokens=prompt.shape[1]).left)
            with Layers(lm.model).prompts(prompt, left):
                output, slot = plain(lm, TASK, prompt[0], texts)
            rows.append(torch.cat([output.hidden_states[layer][0, slot] for layer in (1, 2, 3)]))
        return torch.stack(rows)

    torch.testing.assert_close(found, torch.stack([by_hand(one) for one in prompts]), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("family", ["llama", "gemma2", "cohere", "bert", "t5", "bart"])
def test_top_tokens_are_those_of_a_plain_forward(family):
    lm = tiny_lm(family)
    prompts, scorer = some_prompts(lm, count=1), Scorer(lm)
    found = read(lm, TASK, prompts, TopReader(lm.model, 4, narrow=scorer.narrow))[0]
    for row, texts in zip(found, TEXTS, strict=True):
        output, slot = plain(lm, TASK, prompts[0], texts)
        logs = output.logits[0, slot].log_softmax(dim=-1)
        torch.testing.assert_close(row[:4], logs.sort(descending=True).values[:4], atol=1e-4, rtol=1e-4)
        np.testing.assert_allclose(logs[row[4:].long()], row[:4], atol=1e-4)


@pytest.mark.parametrize("packing", [True, False], ids=["packed", "cached"])
@pytest.mark.parametrize("texts", [TEXTS, TEXTS[:1]], ids=["many", "one"])
def test_places_ahead_of_the_slot_are_read(packing, texts):
    lm = tiny_lm(packing=packing)
    nothing = torch.zeros(1, 0, lm.width)
    ahead = [2 - row % 3 for row in range(len(texts))]
    reader = HiddenReader(lm, [1, 3], back=torch.tensor([[0, back] for back in ahead]))
    encoded = arranged(lm, lay_out_all(lm, TASK, texts, prompt_tokens=0), back=2)
    found = Scorer(lm).score(nothing, encoded, reader)[0]
    expected = []
    for text, back in zip(texts, ahead, strict=True):
        output, slot = plain(lm, TASK, nothing[0], text)
        places = [(slot, 1), (slot, -1), (slot - back, 1), (slot - back, -1)]
        expected.append(torch.cat([output.hidden_states[layer][0, at] for at, layer in places]))
    assert reader.width == 4 * lm.width
    torch.testing.assert_close(found, torch.stack(expected), atol=1e-4, rtol=1e-4)
