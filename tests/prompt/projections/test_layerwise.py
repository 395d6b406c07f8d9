"""A prompt in every layer: the blocks of z, their scales, and invalid settings."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from tables import tables

import dfo_prompt as dp
from dfo_prompt.errors import ModelError
from dfo_prompt.lm.layers import Layers, layer_inputs
from dfo_prompt.prompt.projections.affine import projector
from dfo_prompt.prompt.projections.dense import normal
from dfo_prompt.prompt.projections.layerwise import clipped_moments, deep_projection
from dfo_prompt.testing.tiny import few_shot, tiny_lm

LAYERS, TOKENS = 3, 20


@pytest.fixture
def options(tiny_folder, tiny_task):
    task = {"model": str(tiny_folder), "task": str(tiny_task), "shots": 4, "dtype": "float32"}
    return {**task, "tokens": TOKENS, "layers": "all"}


def build(lm, dim=12):
    texts = [np.array(lm.tokens(example.texts[0])) for example in few_shot().train]
    start = lm.embed(np.arange(TOKENS))
    return deep_projection(lm, start, dim, projector(normal, [0]), texts), start, texts


def test_each_layer_has_its_own_part_of_z(options):
    objective = dp.create_objective("prompt", dim=2 * LAYERS, **tables(options))
    plain = objective.prompt(np.zeros(2 * LAYERS))
    assert plain[0].abs().max() > 0
    assert not plain[1:].any()  # nothing is added to begin with
    losses = {objective.evaluate(np.zeros((1, 2 * LAYERS))).losses[0]}
    for layer in range(LAYERS):
        z = np.zeros(2 * LAYERS)
        z[2 * layer] = 3.0
        moved = (objective.prompt(z) - plain).flatten(1).abs().amax(dim=1)
        assert [bool(change) for change in moved] == [one == layer for one in range(LAYERS)]
        losses |= {objective.evaluate(z[None]).losses[0]}
    assert len(losses) == 1 + LAYERS


@pytest.mark.parametrize("family", ["llama", "bert", "t5"])
def test_prompts_are_as_large_as_what_their_layers_are_given(family):
    lm = tiny_lm(family)
    dim = 200 * len(Layers(lm.model))
    projection, start, texts = build(lm, dim)
    states = torch.cat([layer_inputs(lm, lm.embed(ids)) for ids in texts], dim=1)
    prompts = projection(np.random.default_rng(7).standard_normal((4, dim)))
    prompts[:, 0] -= start
    wanted = [clipped_moments(torch.cat([lm.embed(ids) for ids in texts]))[1]]
    wanted += [clipped_moments(state)[1] for state in states[1:]]
    for layer, deviation in enumerate(wanted):
        assert prompts[:, layer].std().item() == pytest.approx(deviation, rel=0.1)


def test_outliers_do_not_count():
    values = torch.linspace(-1, 1, 1001)
    assert clipped_moments(values) == pytest.approx((values.mean().item(), values.std().item()), abs=1e-6)
    mean, deviation = clipped_moments(torch.cat([values, torch.tensor([1e4])]))
    assert abs(mean) < 0.5
    assert deviation < 20 < torch.cat([values, torch.tensor([1e4])]).std()


def test_layers_get_equal_parts():
    with pytest.raises(dp.InputError, match="dim 13 must be a multiple of 3, the layers of 'llama'"):
        build(tiny_lm("llama"), 13)


def test_layers_of_another_width_are_refused():
    with pytest.raises(ModelError, match="those of 'electra' are not"):
        build(tiny_lm("electra"))


def test_a_model_that_ignores_a_layers_prompt_is_refused(monkeypatch):
    monkeypatch.setattr(Layers, "prompts", lambda *_: nullcontext())
    with pytest.raises(ModelError, match="a prompt in layer 1 has no effect on 'llama'"):
        build(tiny_lm("llama"))


def test_layers_are_searched_in_turn(options, tmp_path):
    objective = dp.create_objective("prompt", dim=2 * LAYERS, **tables(options))
    optimizer, sizes = "blockwise:cma", {"budget": 24, "popsize": 4, "seed": 1}
    seen = []

    class Watch:
        def study_started(self, info):
            pass

        def batch_evaluated(self, batch):
            changed = np.ptp(batch.candidates, axis=0).reshape(LAYERS, 2).any(axis=1)
            seen.append(changed.nonzero()[0].tolist())

        def study_finished(self, result):
            pass

    result = dp.minimize(objective, optimizer=optimizer, observers=[Watch()], blocks=LAYERS, out=tmp_path / "s", **sizes)
    assert seen == [[0], [1], [2], [0], [1], [2]]
    assert result.spent.queries == 24
    assert result.best_loss < objective.evaluate(np.zeros((1, 2 * LAYERS))).losses[0]
