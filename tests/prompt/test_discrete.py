"""Prompts of vocabulary tokens."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tables import tables

import dfo_prompt as dp
from dfo_prompt.prompt.tokens import TokenPrompts
from dfo_prompt.testing.tiny import TASK, textbook_logits, tiny_lm


def test_coordinates_are_tokens_and_wrap_around():
    lm = tiny_lm()
    prompts = TokenPrompts(lm, np.random.default_rng(0))
    size = len(lm.tokenizer) - len(lm.tokenizer.all_special_ids)
    z = np.array([[0.0, 1.0, 2.0], [0.4, 1.0 + size, 2.0 - 3 * size]])
    ids = prompts.tokens(z)
    assert ids[0].tolist() == ids[1].tolist()
    every = prompts.tokens(np.arange(size, dtype=np.float64)[None])[0]
    assert sorted(every) == [token for token in range(len(lm.tokenizer)) if token not in lm.tokenizer.all_special_ids]
    torch.testing.assert_close(prompts(z)[0], lm.embed(ids[0]))


def test_a_trigger_is_text_ahead_of_the_text(tiny_folder, tiny_task):
    options = {"model": str(tiny_folder), "task": str(tiny_task), "shots": 4, "dtype": "float32"}
    objective = dp.create_objective("trigger", dim=2, seed=0, **tables(options))
    z = np.array([3.0, 7.0])
    words = objective.problem.lm.embed(objective._projection.tokens(z[None])[0]).cpu()
    expected = textbook_logits(tiny_lm(), TASK, words, ("a film",)).softmax(dim=0)
    np.testing.assert_allclose(objective.predict(z, [("a film",)])[0], expected.numpy(), atol=1e-5)


def test_the_search_finds_the_best_token_where_there_is_but_one(tiny_folder, tiny_task):
    options = {"model": str(tiny_folder), "task": str(tiny_task), "shots": 4, "dtype": "float32"}
    objective = dp.create_objective("trigger", dim=1, seed=0, **tables(options))
    every = objective.evaluate(np.arange(30, dtype=np.float64)[:, None]).losses
    result = dp.minimize(objective, optimizer="coordinate", budget=300, popsize=10, sigma=100.0, seed=1)
    assert result.best_loss == every.min()


def test_a_trigger_can_stand_behind_the_text_and_takes_nothing_else_of_a_prompt(tiny_folder, tiny_task):
    options = {"model": str(tiny_folder), "task": str(tiny_task), "shots": 4, "dtype": "float32", "place": "behind"}
    objective = dp.create_objective("trigger", dim=2, seed=0, **tables(options))
    z = np.array([3.0, 7.0])
    words = objective.problem.lm.embed(objective._projection.tokens(z[None])[0]).cpu()
    task = replace(TASK, template=TASK.template.replace("{text}", "{text}{prompt}"))
    expected = textbook_logits(tiny_lm(), task, words, ("a film",)).softmax(dim=0)
    np.testing.assert_allclose(objective.predict(z, [("a film",)])[0], expected.numpy(), atol=1e-5)
    with pytest.raises(dp.InputError, match="takes only these keys of .prompt.: tokens, place, loss, calibration, dtype"):
        dp.create_objective("trigger", dim=2, seed=0, **tables({**options, "start": "zero"}))
