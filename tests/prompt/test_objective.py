from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch.nn.functional import cross_entropy as torch_cross_entropy

from dfo_prompt.contracts.objective import Described, Validated
from dfo_prompt.errors import InputError, ModelError
from dfo_prompt.lm.layout import lay_out
from dfo_prompt.lm.precision import choose_precision, has_bfloat16
from dfo_prompt.plugin.catalogue import catalogue
from dfo_prompt.prompt.losses import loss_called
from dfo_prompt.prompt.objective import PromptObjective
from dfo_prompt.prompt.problem import Problem
from dfo_prompt.prompt.projections.affine import Projection, Space
from dfo_prompt.prompt.projections.dense import normal
from dfo_prompt.tasks.sections import Source
from dfo_prompt.testing.tiny import TASK, few_shot, textbook_logits, tiny_lm

TOKENS, DIM = 4, 10


def projection(lm, seed=0):
    space = Space(dim=DIM, tokens=TOKENS, width=lm.width, mean=0.0, std=0.3)
    matrix = normal(space, np.random.default_rng(seed))
    return Projection(matrix, torch.zeros(TOKENS, lm.width))


def objective(lm=None, *, task=TASK, data=None, **changes):
    lm = lm or tiny_lm()
    problem = Problem(lm=lm, task=task, data=data or few_shot(), seed=0)
    parts = {"problem": problem, "projection": projection(lm), "dtype": "float32"}
    return PromptObjective(**{**parts, "prompt_tokens": TOKENS, "dim": DIM, **changes})


def candidates(count=3):
    return np.random.default_rng(5).standard_normal((count, DIM))


def test_it_is_an_objective_with_held_out_data_and_a_description():
    assert isinstance(objective(), Validated)
    assert isinstance(objective(), Described)


def test_the_loss_is_that_of_the_textbook():
    lm, data, z = tiny_lm(), few_shot(), candidates()
    evaluation = objective(lm).evaluate(z)
    for prompt, loss, accuracy in zip(projection(lm)(z), evaluation.losses, evaluation.metrics["accuracy"], strict=True):
        logits = torch.stack([textbook_logits(lm, TASK, prompt, example.texts) for example in data.train])
        labels = torch.tensor([example.label for example in data.train])
        assert loss == pytest.approx(torch_cross_entropy(logits, labels).item(), abs=1e-4)
        assert accuracy == pytest.approx((logits.argmax(1) == labels).float().mean().item())


def test_rows_and_tokens_are_those_a_service_would_see():
    lm, data = tiny_lm(), few_shot()
    evaluation = objective(lm).evaluate(candidates(3))
    text_tokens = sum(len(lm.tokenizer(TASK.causal.render(e.texts).before).input_ids) for e in data.train)
    assert evaluation.usage.rows == 3 * len(data.train)
    assert evaluation.usage.tokens == 3 * (text_tokens + len(data.train) * TOKENS)


@pytest.mark.parametrize("calibration", ["none", "contextual", "median"])
def test_an_estimate_is_what_is_used(calibration):
    built = objective(calibration=calibration)
    assert built.estimate(3) == built.evaluate(candidates(3)).usage == built.evaluate_outputs(candidates(3)).usage
    assert built.estimate(2, "test") == built.validate(candidates(2), "test").usage
    assert built.costs_again == ()


def test_candidates_do_not_influence_each_other():
    built, z = objective(), candidates(4)
    together = built.evaluate(z).losses
    np.testing.assert_array_equal(together, np.concatenate([built.evaluate(z[i : i + 1]).losses for i in range(4)]))


def test_the_baseline_is_the_template_alone():
    lm, data = tiny_lm(), few_shot()
    logits = torch.stack([textbook_logits(lm, TASK, torch.zeros(0, lm.width), example.texts) for example in data.dev])
    labels = torch.tensor([example.label for example in data.dev])
    baseline = objective(lm).baseline("dev")
    assert baseline.losses[0] == pytest.approx(torch_cross_entropy(logits, labels).item(), abs=1e-4)


def test_predictions_agree_with_the_metric():
    built, z, data = objective(), candidates(1), few_shot()
    probabilities = built.predict(z[0], [example.texts for example in data.test])
    labels = np.array([example.label for example in data.test])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    accuracy = (probabilities.argmax(axis=1) == labels).mean()
    assert accuracy == pytest.approx(built.validate(z, "test").metrics["accuracy"][0])


def test_new_texts_are_prepared_as_those_of_the_split_are():
    capped = objective(task=replace(TASK, data=Source(most_words=2)))
    assert capped.problem.prepared([(" good  film was dull\n",)]) == [("good  film",)]
    z = candidates(1)[0]
    texts = [("good film was dull and very long",), ("fun",)]
    np.testing.assert_array_equal(capped.predict(z, texts), objective().predict(z, [("good film",), ("fun",)]))
    assert np.abs(capped.predict(z, texts) - objective().predict(z, texts)).max() > 1e-3


def test_losses_have_their_known_values():
    logits = torch.tensor([[[2.0, 0.0, 1.0], [0.0, 3.0, 3.5]]])  # (1, 2, 3)
    labels = torch.tensor([0, 1])
    values = {name: loss_called(name)(logits, labels).item() for name in catalogue().losses.specs}
    expected = torch_cross_entropy(logits[0], labels).item()
    assert values["cross_entropy"] == pytest.approx(expected)
    logs = torch.log_softmax(logits[0], dim=-1)
    targets = 0.9 * torch.eye(3)[labels] + 0.1 / 3
    assert values["smoothed"] == pytest.approx(-(targets * logs).sum(dim=-1).mean().item())
    # margin 2: example 0: max(0, 2+0-2) + max(0, 2+1-2) = 1; example 1: max(0, 2+0-3) + max(0, 2+3.5-3) = 2.5
    assert values["hinge"] == pytest.approx(1.75)
    assert values["accuracy"] == pytest.approx(0.5)


def test_auto_takes_reduced_precision_only_where_ranks_agree(monkeypatch):
    monkeypatch.setattr("dfo_prompt.lm.precision.has_bfloat16", lambda _: True)
    lm, ranks = tiny_lm(), np.arange(10.0)
    agrees = choose_precision(lm, "auto", lambda _: ranks)
    assert (agrees.dtype, agrees.spearman) == ("bfloat16", 1.0)
    disagrees = choose_precision(lm, "auto", lambda p: ranks if p.dtype == "float32" else ranks[::-1])
    assert (disagrees.dtype, disagrees.spearman) == ("float32", -1.0)
    flat = choose_precision(lm, "auto", lambda p: ranks if p.dtype == "float32" else ranks * np.nan)
    assert flat.dtype == "float32"


def test_a_copy_without_memory_leaves_auto_in_float32(monkeypatch, caplog):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("dfo_prompt.lm.precision.has_bfloat16", lambda _: True)
    monkeypatch.setattr("dfo_prompt.lm.precision.deepcopy", full)
    assert choose_precision(tiny_lm(), "auto", lambda _: np.arange(10.0)).dtype == "float32"
    assert "has no memory for a copy of model 'llama' in bfloat16" in caplog.text
    with pytest.raises(ModelError, match="choose --dtype float32 or another --device"):
        choose_precision(tiny_lm(), "bfloat16", lambda _: np.arange(10.0))


@pytest.mark.parametrize("dtype", ["auto", "bfloat16", "float16"])
def test_studies_share_a_model_in_reduced_precision(monkeypatch, dtype):
    monkeypatch.setattr("dfo_prompt.lm.precision.has_bfloat16", lambda _: True)
    lm = tiny_lm()
    first, second = (choose_precision(lm, dtype, lambda _: np.arange(10.0)) for _ in range(2))
    assert first.model is second.model is not lm.model
    assert choose_precision(lm, "float32", lambda _: np.zeros(1)).model is lm.model
    assert choose_precision(tiny_lm(), dtype, lambda _: np.arange(10.0)).model is not first.model


@pytest.mark.parametrize(
    ("change", "probes"),
    [({}, 1), ({"loss": "hinge"}, 2), ({"calibration": "contextual"}, 2), ({"data": few_shot(4)}, 2), ({"draw": 1}, 2)],
    ids=["same", "loss", "calibration", "data", "prompts"],
)
def test_studies_with_the_same_prompts_and_texts_share_a_probe(monkeypatch, change, probes):
    monkeypatch.setattr("dfo_prompt.lm.precision.has_bfloat16", lambda _: True)
    compared = []
    monkeypatch.setattr("dfo_prompt.lm.precision.spearmanr", lambda *losses: compared.append(losses) or spearmanr(*losses))
    lm, change = tiny_lm(), dict(change)
    first = objective(lm, dtype="auto")
    second = objective(lm, dtype="auto", projection=projection(lm, seed=change.pop("draw", 0)), **change)
    assert len(compared) == probes
    if probes == 1:
        assert first.describe() == second.describe()


def test_a_precision_that_is_refused_is_copied_once(monkeypatch):
    monkeypatch.setattr("dfo_prompt.lm.precision.has_bfloat16", lambda _: True)
    monkeypatch.setattr("dfo_prompt.lm.precision.MIN_SPEARMAN", 2)
    copies = []
    monkeypatch.setattr("dfo_prompt.lm.precision.deepcopy", lambda model: copies.append(model) or deepcopy(model))
    lm = tiny_lm()
    assert [objective(lm, dtype="auto").describe()["dtype"] for _ in range(3)] == ["float32"] * 3
    assert len(copies) == 1


def test_a_study_in_full_precision_projects_nothing_for_a_probe():
    asked, lm = [], tiny_lm()
    objective(lm, projection=lambda z: asked.append(z) or projection(lm)(z))
    assert not asked


@pytest.mark.parametrize(("capability", "faster"), [("amx_bf16", True), ("avx512_bf16", False)])
def test_a_processor_multiplies_faster_in_bfloat16_with_amx_only(monkeypatch, capability, faster):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {capability: True})
    assert has_bfloat16(torch.device("cpu")) is faster


def test_reduced_precision_is_near_full_precision():
    lm, z = tiny_lm(), candidates(4)
    full, reduced = objective(lm), objective(lm, dtype="bfloat16")
    np.testing.assert_allclose(reduced.evaluate(z).losses, full.evaluate(z).losses, atol=0.1)
    assert not np.array_equal(reduced.evaluate(z).losses, full.evaluate(z).losses)
    assert reduced.describe()["dtype"] == "bfloat16"


def test_an_unknown_dtype_is_one_line():
    with pytest.raises(InputError, match="unknown dtype 'int3'; known: auto, float32"):
        objective(dtype="int3")


@pytest.mark.parametrize(("calibration", "more"), [("none", 0), ("contextual", 3), ("domain", 20)])
def test_calibration_is_paid_for(calibration, more):
    evaluation = objective(calibration=calibration).evaluate(candidates(2))
    assert evaluation.usage.rows == 2 * (6 + more)
    assert np.isfinite(evaluation.losses).all()


def test_texts_that_calibrate_themselves_are_asked_once():
    built, z = objective(calibration="median"), candidates(2)
    assert [built.validate(z, split).usage.rows for split in ("train", "dev")] == [2 * 6, 2 * (6 + 6)]
    forwards = []
    built.problem.lm.model.register_forward_hook(lambda *_: forwards.append(1))
    built.problem.lm.model.base_model.register_forward_hook(lambda *_: forwards.append(1))
    built.evaluate(z)
    train = len(forwards)
    built.validate(z, "dev")
    assert len(forwards) == 3 * train


@pytest.mark.parametrize("words", [("bad", "good"), ("bad film", "good")])
def test_bytes_are_those_of_the_arrays_on_the_wire(words):
    task = replace(TASK, labels=dict(zip(TASK.labels, words, strict=True)))
    lm, data = tiny_lm(), few_shot()
    evaluation = objective(lm, task=task, data=data).evaluate(candidates(3))
    sent, back = candidates(3).astype(np.float32).nbytes, 0
    for example in data.train:
        # A word that goes on is asked about a second time, with its beginning in the text.
        asked = [(), *(tuple(lm.tokens(" " + word))[:-1] for word in words if " " in word)]
        for answer in asked:
            ids = lay_out(lm, task, example.texts, prompt_tokens=TOKENS, answer=answer).ids
            sent += 3 * np.array(ids, dtype=np.int32).nbytes
            back += 3 * np.zeros(1 if answer else len(words), dtype=np.float32).nbytes
    assert (evaluation.usage.uploaded, evaluation.usage.downloaded) == (sent, back)


BEHIND = replace(TASK, template="{text} . {prompt} it was {answer}")


@pytest.mark.parametrize(
    ("lm", "task", "engine"),
    [("llama", TASK, "packed"), ("llama", BEHIND, "packed"), ("bert", TASK, "plain")],
)
def test_the_engine_that_runs_is_told(lm, task, engine):
    assert objective(tiny_lm(lm), task=task).describe()["engine"] == engine


def test_a_model_that_no_prompt_changes_is_refused_before_any_query():
    lm = tiny_lm(packing=False)
    lm.model.model.register_forward_pre_hook(
        lambda _, args, named: (
            (args, {**named, "inputs_embeds": torch.ones_like(named["inputs_embeds"])})
            if named.get("inputs_embeds") is not None
            else None
        ),
        with_kwargs=True,
    )
    with pytest.raises(InputError, match="a soft prompt has no effect on 'llama', a llama model"):
        objective(lm)


@pytest.mark.parametrize("calibration", ["none", "median", "contextual"])
def test_the_scores_are_outputs_of_which_the_loss_is_the_cross_entropy(calibration):
    built, z = objective(calibration=calibration), candidates(3)
    found, plain = built.evaluate_outputs(z), built.evaluate(z)
    assert built.outer is not None
    assert found.outputs.shape == (3, 6 * 2) == (3, built.outer.size)
    assert found.outputs.dtype == np.float64
    np.testing.assert_allclose(built.outer.losses(found.outputs), plain.losses, rtol=1e-5)
    np.testing.assert_array_equal(found.losses, plain.losses)
    assert plain.outputs is None
    assert found.metrics["accuracy"].tolist() == plain.metrics["accuracy"].tolist()
    assert found.usage == plain.usage  # the scores of a query are sent back in any case


def test_a_loss_without_an_outer_function_has_no_outputs():
    assert objective(loss="hinge").outer is None
