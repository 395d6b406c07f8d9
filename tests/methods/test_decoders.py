"""Decoders at the answer slot agree with plain forward passes of transformers."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import softmax
from tables import tables

import dfo_prompt as dp
from dfo_prompt.config.presets import read_preset
from dfo_prompt.config.reading import parse_config
from dfo_prompt.lm.encoding import encode, first_token
from dfo_prompt.lm.layout import lay_out
from dfo_prompt.methods.chains import chained
from dfo_prompt.methods.decoders import decoder, decoder_top_k, label_scores_decoder, multi_prompt_decoder
from dfo_prompt.methods.heads import Prototypes, Ridge, held_out_loss
from dfo_prompt.methods.run import run_method
from dfo_prompt.methods.slots import TopTokens, tasks_of
from dfo_prompt.methods.voting import Fitting
from dfo_prompt.methods.words import distinctive_words
from dfo_prompt.prompt.problem import Problem
from dfo_prompt.run.reopen import reopen
from dfo_prompt.study.identity import read_manifest
from dfo_prompt.tasks.examples import Example
from dfo_prompt.tasks.sampling import FewShot
from dfo_prompt.tasks.sections import Pattern
from dfo_prompt.testing.tiny import TASK, few_shot, tiny_lm

TEXTS = [("bad film",), ("the plot was very very long",), ("fun",)]
OTHER = Pattern(template="{text} . the film was {answer}")
WIDTH, BYTES = 32, 4
ALONE = Fitting(join_dev=False)


def setting(family="llama", task=TASK, data=None):
    problem = Problem(lm=tiny_lm(family), task=task, data=data or few_shot(), seed=3)
    return dp.Setting(opened=problem, config=parse_config({"method": "decoder", "seed": 3}))


def output(lm, task, texts, prompt):
    """What transformers says of one text in a row of its own, and the slot in it."""
    layout = lay_out(lm, task, texts, prompt_tokens=len(prompt))
    embed = lm.model.get_input_embeddings()
    left, right = (embed(torch.tensor(ids, dtype=torch.long)) for ids in (layout.left, layout.right))
    inputs = {"inputs_embeds": torch.cat([left, prompt, right])[None]}
    if layout.decoder:
        inputs["decoder_input_ids"] = torch.tensor([layout.decoder])
    with torch.no_grad():
        found = lm.model(**inputs, output_hidden_states=True)
    return found, layout.slot + (0 if layout.decoder else len(left) + len(prompt))


def states(where, texts, layer=-1, task=TASK, prompt=None):
    lm = where.problem.lm
    rows = []
    for text in texts:
        found, slot = output(lm, task, text, torch.zeros(0, lm.width) if prompt is None else prompt)
        every = found.decoder_hidden_states if lm.head == "seq2seq" else found.hidden_states
        rows.append(every[layer][0, slot])
    return torch.stack(rows).double().numpy()


def fitted_by_hand(where, splits, fit, **how):
    """Log-probabilities of `TEXTS`, from a head fitted on the states of some splits."""
    x = np.concatenate([states(where, where.problem.texts(split), **how) for split in splits])
    y = np.concatenate([where.problem.labels(split) for split in splits])
    return fit(x, y, np.zeros((len(y), 2)))(states(where, TEXTS, **how), np.zeros((len(TEXTS), 2)))


@pytest.mark.parametrize("family", ["llama", "gpt2", "bert", "t5"])
@pytest.mark.parametrize(("head", "by_hand"), [("ridge", Ridge(strength=0.01)), ("prototypes", Prototypes())])
def test_a_decoder_reads_the_last_state_at_the_slot(family, head, by_hand):
    where = setting(family)
    for joined, splits in ((False, ["train"]), (True, ["train", "dev"])):
        found = decoder(where, fit=Fitting(head=head, join_dev=joined)).predict(TEXTS)
        np.testing.assert_allclose(found, np.exp(fitted_by_hand(where, splits, by_hand)), atol=1e-4)


def test_patterns_and_layers_vote_by_their_log_probabilities_and_losses():
    where = setting(task=replace(TASK, patterns=(OTHER,)), data=few_shot(12))
    ridge, other = Ridge(strength=0.1), replace(TASK, template=OTHER.template)
    members = [(task, layer) for task in (TASK, other) for layer in (2, 3)]
    votes = [fitted_by_hand(where, ["train", "dev"], ridge, layer=layer, task=task) for task, layer in members]
    equal = multi_prompt_decoder(where, depths=(0.67, 1.0), fit=Fitting(strength=0.1, sharpness=0))
    np.testing.assert_allclose(equal.predict(TEXTS), softmax(np.mean(votes, axis=0), axis=1), atol=1e-4)
    assert equal.about["members"] == 4
    labels, none = where.problem.labels("train"), np.zeros((12, 2))
    x = [states(where, where.problem.texts("train"), layer=layer, task=task) for task, layer in members]
    losses = np.array([held_out_loss(ridge, view, labels, none, folds=8) for view in x])
    weighted = multi_prompt_decoder(where, depths=(0.67, 1.0), fit=Fitting(strength=0.1, sharpness=3))
    expected = softmax(np.average(votes, axis=0, weights=np.exp(-3 * losses)), axis=1)
    np.testing.assert_allclose(weighted.predict(TEXTS), expected, atol=1e-4)
    assert not np.allclose(weighted.predict(TEXTS), equal.predict(TEXTS))
    own = multi_prompt_decoder(where, depths=(1.0,), templates=(TASK.template, OTHER.template))
    given = multi_prompt_decoder(where, depths=(1.0,))
    np.testing.assert_allclose(own.predict(TEXTS), given.predict(TEXTS))


@pytest.mark.parametrize("family", ["llama", "bert", "t5"])
def test_a_decoder_costs_a_query_a_template_and_split(family):
    where = setting(family, task=replace(TASK, patterns=(OTHER,)))
    lm, problem = where.problem.lm, where.problem
    tasks = [TASK, replace(TASK, template=OTHER.template)]
    tokens = {
        split: sum(encode(lm, task, problem.texts(split), prompt_tokens=0).tokens for task in tasks)
        for split in ("train", "dev")
    }
    one = multi_prompt_decoder(where, depths=(0.5, 1.0), fit=ALONE).spent
    assert (one.queries, one.rows, one.tokens) == (2, 2 * 6, tokens["train"])
    assert (one.uploaded, one.downloaded) == (BYTES * tokens["train"], BYTES * 2 * 6 * 2 * WIDTH)
    both = multi_prompt_decoder(where, depths=(0.5, 1.0)).spent
    assert (both.queries, both.rows, both.tokens) == (4, 2 * 12, tokens["train"] + tokens["dev"])
    assert both.downloaded == 2 * one.downloaded
    words = multi_prompt_decoder(where, depths=(0.5, 1.0), fit=replace(ALONE, words="auto")).spent
    assert words.rows == one.rows  # the same rows say both
    assert words.downloaded == one.downloaded + BYTES * 2 * 6 * 2


def test_label_words_of_several_tokens_cost_rows_of_their_own():
    task = replace(TASK, labels={"0": "bad", "1": "very good"})
    where = setting(task=task)
    alone, words = (decoder(where, fit=replace(ALONE, words=words)).spent for words in ("none", "offset"))
    assert (alone.rows, words.rows) == (6, 12)
    answer = where.problem.lm.tokens("very")
    assert words.tokens == alone.tokens + alone.tokens + 6 * len(answer)
    assert words.downloaded == alone.downloaded + BYTES * 6 * (2 + 1)


def test_label_words_are_added_as_an_offset():
    where = setting()
    lm, problem = where.problem.lm, where.problem
    ids = [lm.tokens(word)[0] for word in TASK.words]

    def words(texts):
        rows = []
        for text in texts:
            found, slot = output(lm, TASK, text, torch.zeros(0, lm.width))
            rows.append(found.logits[0, slot, ids].log_softmax(dim=-1))
        return torch.stack(rows).double().numpy()

    train = problem.texts("train")
    fitted = Ridge(strength=0.01)(states(where, train), problem.labels("train"), words(train))
    found = decoder(where, fit=replace(ALONE, words="offset")).predict(TEXTS)
    np.testing.assert_allclose(found, np.exp(fitted(states(where, TEXTS), words(TEXTS))), atol=1e-4)


def labelled_by_the_model(where, sign):
    """Examples whose classes are those that the label words say, or the others."""
    lm, ids = where.problem.lm, [where.problem.lm.tokens(word)[0] for word in TASK.words]

    def part(examples):
        made = []
        for example in examples:
            found, slot = output(lm, TASK, example.texts, torch.zeros(0, lm.width))
            made.append(Example(texts=example.texts, label=int((sign * found.logits[0, slot, ids]).argmax())))
        return tuple(made)

    data = few_shot(40)
    return FewShot(train=part(data.train), dev=part(data.dev), test=part(data.test))


@pytest.mark.parametrize(("sign", "taken"), [(1, 1), (-1, 0)])
def test_label_words_are_taken_where_they_help_on_train(sign, taken):
    where = setting()
    data = labelled_by_the_model(where, sign)
    found = decoder(setting(data=data), fit=Fitting(words="auto", strength=1e-4))
    assert found.about["with_words"] == taken


def separable():
    """Texts of three words, of which the last is the class."""
    words = ["film", "plot"]

    def part(seed):
        rng = np.random.default_rng(seed)
        return tuple(
            Example(texts=(f"{rng.choice(words)} {rng.choice(words)} {('terrible', 'great')[i % 2]}",), label=i % 2)
            for i in range(16)
        )

    return FewShot(train=part(1), dev=part(2), test=part(3))


@pytest.mark.parametrize("method", [decoder, multi_prompt_decoder, decoder_top_k])
def test_what_can_be_told_apart_is_told_apart(method):
    where = setting(data=separable())
    fitted = method(where, fit=Fitting(strength=1.0))
    assert where.problem.metric(fitted.predict, "test") == 1
    assert fitted.dev_metric == 1


def test_the_dev_metric_is_from_before_dev_was_learned():
    data = few_shot(24)  # random labels
    joined, alone = decoder(setting(data=data)), decoder(setting(data=data), fit=ALONE)
    where = setting(data=data)
    assert joined.dev_metric == where.problem.metric(alone.predict, "dev")
    assert joined.dev_metric < where.problem.metric(joined.predict, "dev")
    assert alone.dev_metric is None


def test_features_of_top_tokens_are_roots_of_what_the_list_gives():
    view = TopTokens(lm=tiny_lm(), k=2)
    train = np.array([[*np.log([0.9, 0.04]), 7, 3], [*np.log([0.5, 0.3]), 3, 9]])
    texts = [[*np.log([0.64, 0.01]), 9, 4], [*np.log([0.25, 0.09]), 5, 3], [*np.log([0.49, 0.36]), 7, 9]]
    # Tokens 3, 7 and 9 are known; 4 and 5 are not.
    np.testing.assert_allclose(view.learn(train)(np.array(texts))[0], [[0, 0, 0.8], [0.3, 0, 0], [0, 0.7, 0.6]])


@pytest.mark.parametrize("family", ["llama", "bert", "t5"])
def test_top_tokens_are_all_that_is_read(family):
    where = setting(family)
    lm, problem = where.problem.lm, where.problem

    def figures(texts):
        rows = []
        for text in texts:
            found, slot = output(lm, TASK, text, torch.zeros(0, lm.width))
            top = found.logits[0, slot].log_softmax(dim=-1).topk(3)
            rows.append(torch.cat([top.values, top.indices]))
        return torch.stack(rows).double().numpy()

    train = figures(problem.texts("train"))
    features = TopTokens(lm=lm, k=3).learn(train)
    fitted = Ridge(strength=0.01, scaling="all")(features(train)[0], problem.labels("train"), np.zeros((6, 2)))
    found = decoder_top_k(where, k=3, fit=ALONE)
    logs = fitted(features(figures(TEXTS))[0], np.zeros((3, 2)))
    np.testing.assert_allclose(found.predict(TEXTS), np.exp(logs), atol=1e-4)
    assert (found.spent.queries, found.spent.rows, found.spent.downloaded) == (1, 6, BYTES * 6 * 6)


@pytest.mark.parametrize("family", ["llama", "bert", "t5"])
def test_label_scores_are_all_that_is_read(family):
    other = replace(OTHER, labels={"0": "terrible", "1": "fun"})
    where = setting(family, task=replace(TASK, patterns=(other,)))
    lm, problem = where.problem.lm, where.problem
    train, labels = problem.texts("train"), problem.labels("train")
    sets = [TASK.words, ("terrible", "fun"), *distinctive_words(train, labels, 2, sets=1)]
    ids = [[first_token(lm, f" {word}") for word in words] for words in sets]

    def scores(task, texts):
        rows = []
        for text in texts:
            found, slot = output(lm, task, text, torch.zeros(0, lm.width))
            rows.append(torch.cat([found.logits[0, slot, words].log_softmax(dim=-1) for words in ids]))
        return torch.stack(rows).double().numpy()

    tasks = [TASK, replace(TASK, template=OTHER.template)]
    if lm.head == "causal":
        tasks = [replace(TASK, template=end) for end in chained(tasks, copies=1).ends]
    votes = []
    for task in tasks:
        fitted = Ridge(strength=0.1)(scores(task, train), labels, np.zeros((6, 2)))
        votes.append(fitted(scores(task, TEXTS), np.zeros((3, 2))))
    found = label_scores_decoder(where, sets=1, fit=Fitting(strength=0.1, sharpness=0, join_dev=False))
    np.testing.assert_allclose(found.predict(TEXTS), softmax(np.mean(votes, axis=0), axis=1), atol=1e-3)
    queries = 3 * len(tasks)
    assert (found.spent.queries, found.spent.rows, found.spent.downloaded) == (queries, 6 * queries, BYTES * 6 * 2 * queries)


def test_words_that_a_class_has_more_often_than_the_others_tell_most():
    texts = [("the dull plot",), ("dull and 10 so",), ("the fun film",), ("fun fun film",)]
    labels = np.array([0, 0, 1, 1])
    assert distinctive_words(texts, labels, 2, sets=2) == [("dull", "film"), ("and", "fun")]
    assert len(distinctive_words(texts, labels, 2, sets=9)) == 3


@pytest.mark.parametrize(("layers", "place"), [("first", "ahead"), ("first", "behind"), ("all", "ahead")])
def test_a_tuned_prompt_has_a_decoder_on_top(tiny_folder, tiny_task, tmp_path, layers, place):
    options = {
        "model": str(tiny_folder),
        "task": str(tiny_task),
        "shots": 4,
        "tokens": 3,
        "dtype": "float32",
        "device": "cpu",
    }
    keys = {"dim": 6, "budget": 12, "popsize": 4, "optimizer": "random", "method": "tuned-decoder"}
    config = parse_config({**keys, **tables({**options, "layers": layers, "place": place})})
    result = run_method(config, out=tmp_path / "out")
    objective, chosen = reopen(tmp_path / "out" / "study")
    prompt, problem = objective.prompt(chosen), objective.problem
    rows, tokens = [
        8 + 8,
        sum(encode(problem.lm, problem.task, problem.texts(s), prompt_tokens=3).tokens for s in ("train", "dev")),
    ]
    spent = result.fitted.spent
    assert (spent.queries, spent.rows) == (12 + 2, 12 * 8 + rows)
    study = run_method(replace(config, method="study")).fitted.spent
    assert spent.tokens == study.tokens + tokens + rows * 3
    assert spent.uploaded == study.uploaded + BYTES * (tokens + 2 * 6)
    assert spent.downloaded == study.downloaded + BYTES * rows * WIDTH
    assert result.result.training_seconds >= spent.seconds > 0
    if layers == "first":
        where = dp.Setting(opened=problem, config=config)
        by_hand = fitted_by_hand(where, ["train", "dev"], Ridge(strength=0.01), task=problem.task, prompt=prompt)
        np.testing.assert_allclose(result.fitted.predict(TEXTS), np.exp(by_hand), atol=1e-4)


def test_dev_is_looked_at_once(tiny_folder, tiny_task):
    options = {"model": str(tiny_folder), "task": str(tiny_task), "shots": 4}
    config = parse_config({"method": "decoder", **tables(options)})
    joined = run_method(config)
    alone = run_method(replace(config, method_options={"fit": {"join_dev": False}}))
    assert (joined.fitted.spent.queries, joined.result.validation.queries) == (2, 1)
    assert (alone.fitted.spent.queries, alone.result.validation.queries) == (1, 2)
    assert joined.result.held_out.dev_metric == alone.result.held_out.dev_metric


def test_the_recipe_is_frozen_in_a_preset(tiny_folder, tiny_task):
    config = parse_config({"preset": "recipe", **tables({"model": str(tiny_folder), "task": str(tiny_task), "shots": 4})})
    fitting = {"head": "ridge", "strength": 0.01, "words": "none", "sharpness": 5.0, "join_dev": True}
    assert (config.method, config.problem.shots) == ("chained-decoder", 4)
    assert config.method_options == {"depths": [0.5, 0.67, 0.83, 1.0], "copies": 1, "contexts": 1, "fit": fitting}
    result = run_method(config)
    assert result.fitted.spent.queries == 2 * 2
    # Of three layers the second, for three of the depths, and the last; at the ends of text, line and question; twice.
    assert result.fitted.about["members"] == 2 * 3 * 2


def test_the_recipe_is_a_method_too(tiny_folder, tiny_task):
    where = tables({"model": str(tiny_folder), "task": str(tiny_task), "shots": 4})
    named, preset = (run_method(parse_config({**key, **where})) for key in ({"method": "recipe"}, {"preset": "recipe"}))
    np.testing.assert_array_equal(named.fitted.predict(TEXTS), preset.fitted.predict(TEXTS))
    assert (named.fitted.spent.queries, named.fitted.about) == (preset.fitted.spent.queries, preset.fitted.about)


def test_a_folder_of_an_older_recipe_is_another_study(tiny_folder, tiny_task, tmp_path, monkeypatch):
    where = tables({"model": str(tiny_folder), "task": str(tiny_task), "shots": 4})
    config, frozen = parse_config({"method": "recipe", **where}), read_preset("recipe")
    run_method(config, out=tmp_path / "s")
    assert read_manifest(tmp_path / "s")["objective"]["recipe"]["options"] == frozen["method_options"]
    changed = {**frozen, "method_options": {**frozen["method_options"], "copies": 2}}
    monkeypatch.setattr("dfo_prompt.methods.recipe.read_preset", lambda _: changed)
    with pytest.raises(dp.InputError, match="holds another study: recipe.options.copies is 1 there and 2"):
        run_method(config, out=tmp_path / "s")


def test_templates_of_a_users_own():
    assert [one.template for one in tasks_of(replace(TASK, patterns=(OTHER,)), ())] == [TASK.template, OTHER.template]
    assert [asked.template for asked in tasks_of(TASK, ("It is {answer} : {text}",))] == ["It is {answer} : {text}"]


@pytest.mark.parametrize(
    ("method", "options", "said"),
    [
        ("decoder", {"depths": [0.0]}, "method 'decoder': depths"),
        ("decoder", {"depths": []}, "method 'decoder': depths"),
        ("decoder", {"fit": {"head": "tree"}}, "method 'decoder': fit.head"),
        ("decoder", {"fit": {"strength": 0}}, "method 'decoder': fit.strength"),
        ("decoder-top-k", {"k": 1}, "method 'decoder-top-k': k"),
        ("multi-prompt-decoder", {"templates": ["{text} ."]}, "templates: template: it needs one {answer} slot, not 0"),
        (
            "multi-prompt-decoder",
            {"templates": ["{text_a} {text_b} {answer}"]},
            "templates: patterns, number 1: text marks",
        ),
        (
            "multi-prompt-decoder",
            {"templates": ["{answer} : {text}"]},
            "nothing may follow {answer} for a decoder-only",
        ),
    ],
)
def test_mistakes_are_one_line(method, options, said, tiny_folder, tiny_task):
    where = tables({"model": str(tiny_folder), "task": str(tiny_task), "shots": 4})
    with pytest.raises(dp.InputError) as error:
        run_method(parse_config({"method": method, "method_options": options, **where}))
    assert said in str(error.value)
    assert "\n" not in str(error.value)
