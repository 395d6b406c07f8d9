"""Methods that use the model unchanged agree with computations by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import softmax

import dfo_prompt as dp
from dfo_prompt._util.seeding import Stream, generator
from dfo_prompt.config.reading import parse_config
from dfo_prompt.lm.layout import lay_out
from dfo_prompt.methods import fixed
from dfo_prompt.methods.contexts import in_turn
from dfo_prompt.methods.fixed import calibrated, in_context, manual, patterns
from dfo_prompt.prompt.problem import Problem
from dfo_prompt.study.costs import Spent
from dfo_prompt.tasks.sections import Pattern
from dfo_prompt.testing.tiny import TASK, few_shot, textbook_logits, tiny_lm

TEXTS = [("bad film",), ("the plot was very very long",), ("fun",)]
OTHER = Pattern(template="{text} . the film was {answer}")


def setting(family="llama", task=TASK, **changes):
    problem = Problem(lm=tiny_lm(family), task=task, data=few_shot(), seed=3)
    return dp.Setting(opened=replace(problem, **changes), config=parse_config({"method": "manual", "seed": 3}))


def by_hand(where, prompt=None, task=TASK):
    lm = where.problem.lm
    nothing = torch.zeros(0, lm.width) if prompt is None else prompt
    logits = torch.stack([textbook_logits(lm, task, nothing, text) for text in TEXTS])
    return logits.softmax(dim=-1).double().numpy()


@pytest.mark.parametrize("family", ["llama", "bert", "t5"])
def test_the_manual_prompt_is_the_template_alone(family):
    where = setting(family)
    np.testing.assert_allclose(manual(where).predict(TEXTS), by_hand(where), atol=1e-5)
    assert manual(where).spent.queries == 0


def test_calibration_takes_out_what_texts_without_content_give():
    where = setting()
    lm = where.problem.lm
    neutral = torch.stack([textbook_logits(lm, TASK, torch.zeros(0, lm.width), (text,)) for text in ("N/A", "", "[MASK]")])
    prior = neutral.softmax(dim=-1).mean(dim=0).double().numpy()
    expected = by_hand(where) / prior
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(calibrated(where).predict(TEXTS), expected, atol=1e-5)


@pytest.mark.parametrize("family", ["llama", "bert"])
def test_demonstrations_stand_ahead_of_the_text(family):
    where = setting(family)
    lm, data = where.problem.lm, where.problem.data
    fitted = in_context(where, demonstrations=1)
    candidates = [
        lm.embed(np.array(lm.tokens(f"{example.texts[0]} . it was {TASK.words[example.label]}\n\n")))
        for example in data.train
    ]
    found = fitted.predict(TEXTS)
    assert fitted.about["demonstrations"] == 1
    assert any(np.allclose(found, by_hand(where, prompt), atol=1e-5) for prompt in candidates)


def test_as_many_demonstrations_as_fit():
    where = setting()
    lm, data = where.problem.lm, where.problem.data
    every = in_context(where).about["demonstrations"]
    longest = max(len(lay_out(lm, TASK, example.texts, prompt_tokens=0).ids) for example in data.train)
    drawn = [data.train[i] for i in in_turn(data.train, 2, generator(3, Stream.ORDER, 0))]
    lengths = [len(lm.tokens(f"{example.texts[0]} . it was bad\n\n")) for example in drawn]
    room = max(lm.max_tokens - longest, lm.max_tokens // 2)
    assert 1 < every < len(drawn)
    assert sum(lengths[:every]) <= room < sum(lengths[: every + 1])


def test_texts_as_long_as_the_model_takes_leave_room_for_demonstrations():
    where = setting()
    lm, data = where.problem.lm, where.problem.data
    endless = replace(data.train[0], texts=(" ".join(["very"] * 2 * lm.max_tokens),))
    unseen = in_context(setting(data=replace(data, test=(endless,))))
    assert unseen.about == in_context(where).about  # what is tested decides nothing
    fitted = in_context(setting(data=replace(data, train=(endless, *data.train[1:]))))
    assert fitted.about["demonstrations"] >= 1
    assert np.isfinite(fitted.predict([endless.texts])).all()


def test_orders_are_drawn_by_the_seed_and_the_best_on_dev_is_kept():
    where = setting()
    best = in_context(where, demonstrations=2, orders=5)
    assert best.predict(TEXTS).tolist() == in_context(where, demonstrations=2, orders=5).predict(TEXTS).tolist()
    metric = where.problem.metric
    assert metric(best.predict, "dev") >= metric(in_context(where, demonstrations=2).predict, "dev")
    assert (best.validation.queries, best.validation.rows) == (5, 5 * len(where.problem.data.dev))


def test_patterns_are_averaged_by_their_accuracy_on_train():
    where = setting(task=replace(TASK, patterns=(OTHER,)))
    other = replace(TASK, template=OTHER.template)
    readers = [manual(setting()), manual(setting(task=other))]
    weights = np.array([where.problem.metric(reader.predict, "train") for reader in readers])
    expected = sum(w * np.log(reader.predict(TEXTS)) for w, reader in zip(weights / weights.sum(), readers, strict=True))
    fitted = patterns(where)
    np.testing.assert_allclose(fitted.predict(TEXTS), softmax(expected, axis=1), atol=1e-5)
    assert (fitted.spent.queries, fitted.spent.rows) == (2, 2 * len(where.problem.data.train))


@pytest.mark.parametrize("metrics", [(-2.0, -18.0), (0.5, -0.5), (0.0, 0.0)])
def test_patterns_weigh_the_same_where_a_metric_is_negative_or_all_are_zero(monkeypatch, metrics):
    found = iter(metrics)
    monkeypatch.setattr(fixed, "_look", lambda objective, split: (next(found), Spent()))
    readers = [manual(setting()), manual(setting(task=replace(TASK, template=OTHER.template)))]
    expected = softmax(sum(np.log(reader.predict(TEXTS)) for reader in readers) / 2, axis=1)
    np.testing.assert_allclose(patterns(setting(task=replace(TASK, patterns=(OTHER,)))).predict(TEXTS), expected, atol=1e-5)


def test_a_task_of_one_pattern_has_no_mean_of_patterns():
    with pytest.raises(dp.InputError, match="has one pattern only"):
        patterns(setting())
