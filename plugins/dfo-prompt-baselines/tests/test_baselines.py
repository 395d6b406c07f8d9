"""Each method with gradients learns a batch by heart; features separate what can be separated."""

from dataclasses import replace
from itertools import product

import dfo_prompt_baselines
import numpy as np
import pytest
import torch
from dfo_prompt_baselines.batches import batch_of, first_tokens, label_logits
from dfo_prompt_baselines.features import _states
from dfo_prompt_baselines.training import quality_of

import dfo_prompt as dp
from dfo_prompt.config.reading import parse_config
from dfo_prompt.contracts.spec import load_target
from dfo_prompt.plugin.entries import arguments_of
from dfo_prompt.prompt.projections.learned import TunedPrompt
from dfo_prompt.tasks.sampling import FewShot
from dfo_prompt.testing.tiny import TASK, WORDS, textbook_logits, tiny_lm

SPECS = {spec.name: spec for spec in dfo_prompt_baselines.dfo_prompt_methods()}
GRADIENTS = [name for name, spec in SPECS.items() if spec.needs_gradients]
FEATURES = [name for name, spec in SPECS.items() if not spec.needs_gradients]
OPTIONS = {name: {"prompt_tokens": 5} for name in ("prompt-tuning", "p-tuning", "prefix-tuning")}


def problem(family="llama", count=8):
    rng = np.random.default_rng(1)
    texts = {tuple(rng.choice(WORDS, 4)) for _ in range(count)}
    examples = tuple(dp.Example(texts=(" ".join(text),), label=i % 2) for i, text in enumerate(sorted(texts)))
    lm = tiny_lm(family)
    if family in ("bert", "gpt2"):  # they know no such thing, but peft believes a configuration that has it
        del lm.model.config.num_key_value_heads
    return dp.Problem(lm=lm, task=TASK, data=FewShot(train=examples, dev=examples, test=examples), seed=0)


def fit(name, where, **training):
    setting = dp.Setting(opened=where, config=parse_config({"method": name}))
    options = {**OPTIONS.get(name, {}), "training": training} if name in GRADIENTS else training
    return load_target(SPECS[name].target, needed_by=name)(setting, **options)


def loss_of(fitted, where):
    examples = where.data.train
    probabilities = fitted.predict([example.texts for example in examples])
    return -np.log(probabilities[np.arange(len(examples)), [example.label for example in examples]]).mean()


@pytest.mark.slow
@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_learn_a_batch_by_heart(name):
    where = problem(count=2)
    # Louder, or the frozen head could not give a loss near zero, whatever it is shown.
    where.lm.model.model.norm.weight.data.mul_(10)
    before = {key: value.clone() for key, value in where.lm.model.state_dict().items()}
    fitted = fit(name, where, learning_rates=(3e-2,), epochs=200, patience=200, dtype="float32")
    assert loss_of(fitted, where) < 0.01
    looks = (fitted.validation.queries, fitted.validation.rows, fitted.spent.rows)
    assert looks == (201, 201 * 2, 200 * 2)  # before the first epoch, and after each
    after = where.lm.model.state_dict()
    assert before.keys() == after.keys()  # the shared model is as it was
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_prompt_tuning_starts_from_tokens_of_the_vocabulary(tmp_path):
    where = problem()
    setting = dp.Setting(opened=where, config=parse_config({"method": "prompt-tuning"}), folder=tmp_path)
    training = {"learning_rates": (1e-9,), "epochs": 1}
    load_target(SPECS["prompt-tuning"].target, needed_by="prompt-tuning")(setting, prompt_tokens=5, training=training)
    vocabulary = where.lm.embed(np.arange(len(where.lm.tokenizer))).numpy()
    for row in TunedPrompt.read(tmp_path / "prompt.safetensors").prompt:
        assert np.abs(vocabulary - row).max(axis=1).min() < 1e-6


def test_training_has_no_other_settings_than_those_of_a_recipe():
    with pytest.raises(dp.InputError, match="unknown key in method option training: 'room'"):
        fit("lora", problem(), room=3)


@pytest.mark.parametrize("family", ["llama", "qwen3", "gpt2"])
def test_prefixes_start_from_what_the_model_makes_of_tokens(family):
    where = problem(family)
    texts = [example.texts for example in where.data.test]
    # Nothing is learned at this rate: tokens ahead of every layer are the same tokens ahead of the text.
    ahead, prefix = (
        fit(name, where, learning_rates=(1e-9,), epochs=1, dtype="float32").predict(texts)
        for name in ("prompt-tuning", "prefix-tuning")
    )
    np.testing.assert_allclose(prefix, ahead, atol=1e-5)


def test_prefixes_that_a_model_ignores_are_refused():
    where = problem("albert")
    del where.lm.model.config.num_key_value_heads
    with pytest.raises(dp.ModelError, match="'albert' ignores keys and values ahead of a text"):
        fit("prefix-tuning", where, learning_rates=(1e-2,))


@pytest.mark.parametrize("family", [pytest.param("qwen3", marks=pytest.mark.slow), "bert"])
@pytest.mark.parametrize("name", GRADIENTS)
def test_other_families_are_trained_too(name, family):
    where = problem(family)
    one, again, none = (fit(name, where, learning_rates=(rate,), epochs=3, dtype="float32") for rate in (1e-2, 1e-2, 1e-12))
    texts = [example.texts for example in where.data.test]
    np.testing.assert_array_equal(one.predict(texts), again.predict(texts))
    if one.about["epoch"]:
        assert np.abs(one.predict(texts) - none.predict(texts)).max() > 1e-4


@pytest.mark.parametrize(
    ("name", "family"),
    # Embeddings narrower than the layers; a configuration with names of its own; an attention that peft does not know.
    [
        *product(["prompt-tuning", "p-tuning", "adapter"], ["opt", "electra"]),
        ("p-tuning", "distilbert"),
        ("lora", "phi3"),
        ("feature-bilstm", "electra"),
    ],
)
def test_families_that_are_built_otherwise_are_trained_too(name, family):
    training = {"learning_rates": (1e-2,), "dtype": "float32"} if name in GRADIENTS else {}
    fitted = fit(name, problem(family, count=2), epochs=1, **training)
    assert np.isfinite(fitted.predict([("a film",)])).all()


@pytest.mark.parametrize("name", ["lora", "prompt-tuning"])
def test_a_step_does_not_depend_on_which_texts_run_together(name, monkeypatch):
    where = problem(count=8)
    lengthy = tuple(replace(example, texts=(example.texts[0] * (1 + i % 3),)) for i, example in enumerate(where.data.train))
    where = replace(where, data=replace(where.data, train=lengthy))
    texts = [example.texts for example in where.data.test]
    found = []
    for most in (64, 1):
        monkeypatch.setattr("dfo_prompt_baselines.batches.MAX_TEXTS", most)
        found.append(fit(name, where, learning_rates=(1e-2,), epochs=3, dtype="float32").predict(texts))
    np.testing.assert_allclose(*found, atol=1e-4)


@pytest.mark.parametrize("name", ["prompt-tuning", "feature-linear", "feature-bilstm"])
def test_texts_that_are_truncated_are_counted(name, caplog):
    where = problem()
    training = {"learning_rates": (1e-2,), "dtype": "float32"} if name in GRADIENTS else {}
    fitted = fit(name, where, **({} if name == "feature-linear" else {"epochs": 1, **training}))
    assert not caplog.messages
    fitted.predict([("film " * 200,), ("film",)])
    (said,) = caplog.messages
    assert "1 of 2 " in said
    assert "of task 'tiny' do not fit in the 64 tokens" in said


def test_logits_of_a_reduced_precision_are_not_rounded_to_it(monkeypatch):
    monkeypatch.setattr("dfo_prompt_baselines.training.has_bfloat16", lambda _: True)
    fitted = fit("prompt-tuning", problem(), learning_rates=(1e-2,), epochs=1)
    (log_odds,) = np.diff(np.log(fitted.predict([("a film",)]))[0])
    steps = log_odds * 2**16  # of logits between 1/512 and 256 in bfloat16, a whole number
    assert abs(steps - round(steps)) > 1e-3


@pytest.mark.parametrize("family", ["llama", "gpt2", "bert"])
def test_a_batch_gives_the_textbook_logits(family):
    where = problem(family)
    texts = [("bad film",), ("the plot was very very long",)]
    batch = batch_of(where, texts, prompt_tokens=0)
    found = label_logits(where.lm.model, where.lm.model, batch, first_tokens(where))
    nothing = torch.zeros(0, where.lm.width)
    expected = torch.stack([textbook_logits(where.lm, TASK, nothing, text) for text in texts])
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(
        label_logits(where.lm.model, where.lm.model, batch.at(torch.tensor([0])), first_tokens(where)), expected[:1]
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "family"), [*product(FEATURES, ["llama", "t5"]), ("feature-linear", "bert"), ("feature-mlp", "bert")]
)
def test_features_separate_what_can_be_separated(name, family):
    where = problem(family, count=10)
    options = {"epochs": 300, "patience": 300, "learning_rate": 3e-3} if name == "feature-bilstm" else {}
    fitted = fit(name, where, **options)
    assert where.metric(fitted.predict, "train") == 1.0
    assert np.isfinite(fitted.predict([("a film",)])).all()


@pytest.mark.parametrize("family", ["llama", "bert", "t5"])
def test_features_do_not_depend_on_the_texts_beside(family):
    texts = [("a film",), ("a very very long film",), ("bad",)]
    predict = fit("feature-linear", problem(family, count=10)).predict
    np.testing.assert_allclose(predict(texts), np.concatenate([predict([text]) for text in texts]), atol=0.02)


def test_features_have_the_configured_precision(monkeypatch):
    monkeypatch.setattr("dfo_prompt_baselines.training.has_bfloat16", lambda _: True)
    where, texts = problem(count=4), [("good film was bad",)]

    def states(dtype):
        config = parse_config({"method": "feature-linear", "prompt": {"dtype": dtype}})
        return _states(dp.Setting(opened=where, config=config), texts)[0]

    (expected,) = where.lm.model.model(input_ids=torch.tensor([where.lm.tokens(texts[0][0])])).last_hidden_state
    torch.testing.assert_close(states("float32"), expected)
    assert not torch.allclose(states("auto"), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(states("auto"), states("bfloat16"), rtol=0, atol=0)


def test_features_of_many_texts_are_held_part_by_part(monkeypatch):
    fitted = fit("feature-linear", problem(count=10))
    texts = [("good film",), ("bad",), ("a film",)]
    whole = fitted.predict(texts)
    monkeypatch.setattr("dfo_prompt_baselines.features.MAX_TEXTS", 2)
    np.testing.assert_allclose(fitted.predict(texts), whole, atol=0.02)


def test_features_cost_what_is_sent():
    where = problem(count=6)
    tokens = sum(len(where.lm.tokens(example.texts[0])) for example in where.data.train)
    states = np.zeros((6, where.lm.width), dtype=np.float32)
    spent = fit("feature-linear", where).spent
    assert (spent.queries, spent.rows, spent.tokens) == (1, 6, tokens)
    assert (spent.uploaded, spent.downloaded) == (np.zeros(tokens, dtype=np.int32).nbytes, states.nbytes)
    assert fit("feature-bilstm", where).spent.downloaded == np.zeros((tokens, where.lm.width), dtype=np.float32).nbytes


@pytest.mark.parametrize(
    ("family", "options", "said"),
    [
        ("t5", {}, "is an encoder-decoder"),
        ("llama", {"learning_rates": ()}, "learning_rates must be one or more positive numbers"),
        ("llama", {"learning_rates": (float("nan"),)}, "positive numbers, not .nan."),
        ("llama", {"learning_rates": (1e-3, float("inf"))}, "positive numbers, not .0.001, inf."),
        ("llama", {"epochs": 0}, "must be at least 1"),
        ("llama", {"epoch": 3}, "did you mean 'epochs'"),
        ("llama", {"dtype": "float8"}, "training: dtype: Input should be"),
    ],
)
def test_bad_choices_are_one_line(family, options, said):
    with pytest.raises(dp.DfoPromptError, match=said):
        fit("lora", problem(family), **options)


@pytest.mark.parametrize(
    ("name", "option", "values"),
    [
        *((name, "prompt_tokens", (0, -1)) for name in ("prompt-tuning", "p-tuning", "prefix-tuning")),
        ("lora", "rank", (0, 10**6)),
        ("lora", "alpha", (0, -16)),
        *((name, "width", (0, -3, 10**9)) for name in ("adapter", "feature-mlp", "feature-bilstm")),
        *(("feature-bilstm", option, (0, -1)) for option in ("epochs", "patience")),
        ("feature-bilstm", "learning_rate", (0.0, -1.0, float("inf"), float("nan"))),
    ],
)
def test_options_out_of_range_are_refused_before_training(name, option, values):
    for value in values:
        with pytest.raises(dp.InputError, match=rf"^method '{name}': {option}: Input should be "):
            arguments_of("method", name, {option: value})


@pytest.mark.parametrize("name", ["prompt-tuning", "p-tuning", "prefix-tuning"])
def test_a_prompt_longer_than_the_model_takes_is_refused_before_it_is_drawn(name):
    setting = dp.Setting(opened=problem(), config=parse_config({"method": name}))
    with pytest.raises(dp.DfoPromptError, match=r"a prompt of 1,?000,?000,?000 tokens .* than the 64 tokens"):
        load_target(SPECS[name].target, needed_by=name)(setting, prompt_tokens=10**9)


def test_the_best_of_the_grid_is_kept():
    where = problem()
    texts = [example.texts for example in where.data.test]
    both = fit("lora", where, learning_rates=(1e-9, 1e-1), epochs=20, dtype="float32")
    alone = fit("lora", where, learning_rates=(1e-1,), epochs=20, dtype="float32")
    assert both.about["learning_rate"] == 1e-1
    np.testing.assert_array_equal(both.predict(texts), alone.predict(texts))


@pytest.mark.parametrize(
    ("name", "options"),
    [("lora", {"learning_rates": (1e30, 1e-3), "dtype": "float32"}), ("feature-bilstm", {"learning_rate": 1e30})],
)
def test_weights_that_training_has_lost_are_never_the_best(name, options):
    where = problem()
    easy = tuple(example for example in where.data.dev if example.label == 0)  # NaN would predict the first class
    fitted = fit(name, replace(where, data=replace(where.data, dev=easy)), epochs=2, **options)
    assert np.isfinite(fitted.predict([("a film",)])).all()
    assert quality_of(where, torch.tensor([[1.0, np.nan]] * 8), torch.zeros(8).long()) == (-np.inf, -np.inf)


def test_a_tuned_prompt_is_left_for_others(tmp_path):
    where = problem()
    setting = dp.Setting(opened=where, config=parse_config({"method": "prompt-tuning"}), folder=tmp_path)
    training = {"learning_rates": [1e-2], "epochs": 5, "dtype": "float32"}
    fitted = load_target(SPECS["prompt-tuning"].target, needed_by="")(setting, prompt_tokens=3, training=training)
    file = tmp_path / "prompt.safetensors"
    tuned, before = TunedPrompt.read(file), file.read_bytes()
    load_target(SPECS["prompt-tuning"].target, needed_by="")(
        replace(setting, reopened=True), prompt_tokens=3, training={**training, "epochs": 1}
    )
    assert file.read_bytes() == before  # even if training took another course
    assert (tuned.task, tuned.model, tuned.prompt.shape) == ("tiny", "tiny", (3, where.lm.width))
    texts = [example.texts for example in where.data.test]
    by_hand = torch.stack(
        [textbook_logits(where.lm, TASK, torch.tensor(tuned.prompt, dtype=torch.float32), text) for text in texts]
    )
    np.testing.assert_allclose(fitted.predict(texts), by_hand.softmax(dim=1).numpy(), atol=1e-4)
