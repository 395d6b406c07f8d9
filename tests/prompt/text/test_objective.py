"""The loss of a text over an endpoint."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import CTRLTokenizer

from dfo_prompt.contracts.endpoint import Capabilities, Form, Label
from dfo_prompt.contracts.objective import Composite, Described, Predictor, Textual, Validated
from dfo_prompt.contracts.usage import Usage
from dfo_prompt.errors import InputError, OutageError
from dfo_prompt.lm.local import LocalEndpoint
from dfo_prompt.methods.fixed import fixed_objective
from dfo_prompt.prompt.problem import Problem
from dfo_prompt.prompt.text.build import local_text_objective, words_of
from dfo_prompt.prompt.text.decoders import RandomKeys
from dfo_prompt.prompt.text.objective import TextObjective
from dfo_prompt.prompt.text.rendering import Rendering
from dfo_prompt.tasks.examples import Example
from dfo_prompt.testing.tiny import BEHIND, TASK, few_shot, tiny_lm

POOL = ("", "a film", "the story and the plot")
DIM = 6 + 3


class Watched(LocalEndpoint):
    """Keeps the rows that it is asked; fails at the call of a number."""

    def __init__(self, lm, fails_at=0, forms=(Form.TEXT, Form.TOKENS)):
        super().__init__(lm)
        self.rows, self.calls, self.fails_at, self.forms = [], 0, fails_at, forms

    def probe(self, labels):
        return Capabilities(**{**vars(super().probe(labels)), "forms": frozenset(self.forms)})

    def score(self, rows, labels):
        self.calls += 1
        if self.calls == self.fails_at:
            error = OutageError("it does not answer")
            error.usage = Usage(tokens=5, attempts=2)
            raise error
        self.rows += rows
        return super().score(rows, labels)


def problem(lm=None, task=TASK, data=None):
    return Problem(lm=lm or tiny_lm(), task=task, data=data or few_shot(), seed=0)


def keys(demonstrations=2, pool=POOL):
    return RandomKeys(examples=6, demonstrations=demonstrations, instructions=pool)


def local(found=None, decoder=None, **more):
    return local_text_objective(
        found or problem(), decoder or keys(), **{"loss": "cross_entropy", "calibration": "none", **more}
    )


def watched(found=None, decoder=None, *, endpoint=None, **more):
    found = found or problem()
    endpoint = endpoint or Watched(found.lm)
    words = words_of(found.lm, found.task)
    return endpoint, TextObjective(split=found, endpoint=endpoint, words=words, decoder=decoder or keys(), **more)


def candidates(count=3, dim=DIM):
    return np.random.default_rng(5).standard_normal((count, dim))


def asked_texts(lm, endpoint):
    return [lm.tokenizer.decode(row) if isinstance(row, tuple) else row for row in endpoint.rows]


def test_it_keeps_the_contracts():
    for contract in (Validated, Described, Predictor, Composite, Textual):
        assert isinstance(local(), contract)


def test_the_loss_is_that_of_the_texts_each_alone_in_a_row():
    found, z = problem(), candidates(1)
    objective, lm = local(found), found.lm
    choice = objective.decoder.decode(z[0])
    logits = []
    for i, example in enumerate(found.data.train):
        shown = [found.data.train[j] for j in choice.shown if j != i]
        parts = [choice.instruction, *(f"{one.texts[0]} . it was {('bad', 'good')[one.label]}" for one in shown)]
        text = "\n\n".join([*(part for part in parts if part), f"{example.texts[0]} . it was"])
        scores = lm.model(input_ids=torch.tensor([lm.tokens(text)]), use_cache=False).logits[0, -1]
        logits.append(scores[[lm.tokens(word)[0] for word in ("bad", "good")]])
    logits, labels = torch.stack(logits), torch.tensor([one.label for one in found.data.train])
    evaluation = objective.evaluate(z)
    assert evaluation.losses[0] == pytest.approx(cross_entropy(logits, labels).item(), abs=1e-4)
    assert evaluation.metrics["accuracy"][0] == pytest.approx((logits.argmax(1) == labels).float().mean().item())


@pytest.mark.parametrize("calibration", ["none", "contextual", "median"])
@pytest.mark.parametrize("words", [("bad", "good"), ("bad film", "good"), ("bad film plot", "bad story")])
@pytest.mark.parametrize("template", [TASK.template, BEHIND.template])
def test_the_hand_written_prompt_scores_as_under_the_prompt_objective(words, calibration, template):
    task = replace(TASK, template=template, labels=dict(zip(TASK.labels, words, strict=True)))
    found = problem(task=task)
    soft, text = fixed_objective(found, calibration=calibration), local(found, calibration=calibration)
    for split in ("train", "dev", "test"):
        one, other = soft.baseline(split), text.baseline(split)
        np.testing.assert_allclose(other.losses, one.losses, atol=1e-4)
        assert other.metrics == one.metrics
        if words != (
            "bad film plot",
            "bad story",
        ):  # an endpoint scores the next token only: a row more for each further one
            assert (other.usage.rows, other.usage.tokens) == (one.usage.rows, one.usage.tokens)


class Listing(Watched):
    """Lists only the second of two labels."""

    def probe(self, labels):
        return replace(super().probe(labels), exact=False)

    def score(self, rows, labels):
        return replace(super().score(rows, labels), bounds=np.tile([True, False], (len(rows), 1)))


@pytest.mark.parametrize(("calibration", "rows"), [("none", 6), ("contextual", 9), ("median", 6)])
def test_bounds_are_counted_in_the_rows_of_a_calibration_too(calibration, rows):
    found = problem()
    _, objective = watched(found, endpoint=Listing(found.lm), calibration=calibration)
    evaluation = objective.evaluate(candidates(2))
    assert (evaluation.metrics["bounded"].tolist(), evaluation.usage.rows) == ([rows, rows], 2 * rows)


def test_a_tokenizer_without_offsets_gives_the_tokens_of_label_words_as_it_decodes_them(tmp_path):
    (tmp_path / "vocab.json").write_text(json.dumps({"<unk>": 0, "bad": 1, "good": 2, ":": 3}))
    (tmp_path / "merges.txt").write_text("#\nb a\nba d</w>\ng o\ngo o\ngoo d</w>\n")
    tokenizer = CTRLTokenizer(tmp_path / "vocab.json", tmp_path / "merges.txt")
    assert not tokenizer.is_fast
    words = words_of(replace(tiny_lm(), tokenizer=tokenizer), TASK).labels
    assert words == ((Label(text="bad", token=1),), (Label(text="good", token=2),))


def test_no_training_example_is_asked_with_itself_in_the_prompt():
    lm = tiny_lm()
    words = ["bad", "good", "film", "plot", "dull", "fun"]
    train = tuple(Example(texts=(f"{word} {word} {word}",), label=i % 2) for i, word in enumerate(words))
    found = problem(lm, data=replace(few_shot(), train=train))
    endpoint, objective = watched(found, keys(demonstrations=4))
    objective.evaluate(candidates(5))
    rows = asked_texts(lm, endpoint)
    assert len(rows) == 5 * 6
    shown = 0
    for row in rows:
        *ahead, asked = row.split(" . it was")[:-1]
        text = " ".join(asked.split()[-3:])
        assert row.count(text) == 1
        shown += len(ahead)
    # Of six examples four are shown: to two of them all four, to four of them three.
    assert shown == 5 * (2 * 4 + 4 * 3)


def test_dev_and_test_see_training_examples_only_and_all_demonstrations():
    lm, data = tiny_lm(), few_shot()
    endpoint, objective = watched(problem(lm, data=data))
    z = candidates(1)
    ahead = objective.text(z[0]).removesuffix("{text} . it was")
    for split in ("dev", "test"):
        endpoint.rows.clear()
        objective.validate(z, split)
        expected = [ahead + f"{example.texts[0]} . it was" for example in data.part(split)]
        assert endpoint.rows == [tuple(lm.tokens(text)) for text in expected]
    held_out = {example.texts[0] for example in (*data.dev, *data.test)} - {example.texts[0] for example in data.train}
    assert not any(f"\n\n{text} . it was " in f"\n\n{ahead}" for text in held_out)


def test_the_text_is_the_prompt_that_new_texts_are_asked_with():
    endpoint, objective = watched()
    z = candidates(1)[0]
    found = objective.predict(z, [("a great film",)])
    assert endpoint.rows == [tuple(tiny_lm().tokens(objective.text(z).replace("{text}", "a great film")))]
    assert found.shape == (1, 2)
    assert found.sum() == pytest.approx(1)
    with pytest.raises(InputError, match="2 texts separated by tabs"):
        objective.predict(z, [("a", "b")])


def test_candidates_of_one_text_in_a_batch_are_paid_for_once():
    objective, z = local(), candidates(2)
    both = objective.evaluate(z)
    again = objective.evaluate(np.array([z[0], z[1], 2 * z[0], z[0]]))
    assert again.usage == both.usage
    np.testing.assert_array_equal(again.losses, both.losses[[0, 1, 0, 0]])


@pytest.mark.parametrize("calibration", ["none", "median", "contextual"])
def test_the_scores_are_outputs_of_which_the_loss_is_the_cross_entropy(calibration):
    objective, z = local(calibration=calibration), candidates(3)
    found, plain = objective.evaluate_outputs(z), objective.evaluate(z)
    assert found.outputs.shape == (3, 6 * 2) == (3, objective.outer.size)
    np.testing.assert_allclose(objective.outer.losses(found.outputs), plain.losses, rtol=1e-5)
    np.testing.assert_array_equal(found.losses, plain.losses)
    assert local(loss="hinge").outer is None


def test_texts_and_token_ids_give_the_same_losses():
    found, z = problem(), candidates(2)
    texts, tokens = ([form] for form in (Form.TEXT, Form.TOKENS))
    for words in (TASK.labels, {"0": "bad film", "1": "good"}):
        found = problem(task=replace(TASK, labels=words))
        one, other = (
            watched(found, endpoint=Watched(found.lm, forms=forms))[1].evaluate(z).losses for forms in (texts, tokens)
        )
        np.testing.assert_allclose(one, other, atol=1e-6)
    with pytest.raises(InputError, match="need an endpoint that takes texts, not only embeddings"):
        watched(found, endpoint=Watched(found.lm, forms=[Form.EMBEDDINGS]))


def test_the_tokens_of_a_label_word_are_parts_of_its_text():
    lm = tiny_lm()
    words = words_of(lm, replace(TASK, labels={"0": "bad film plot", "1": "good"}))
    assert [[label.text for label in word] for word in words.labels] == [[" bad", " film", " plot"], [" good"]]
    assert [[label.token for label in word] for word in words.labels] == [lm.tokens("bad film plot"), lm.tokens("good")]


def test_a_long_example_loses_its_end_and_the_prompt_nothing():
    lm = tiny_lm()
    endpoint, objective = watched(problem(lm), most_tokens=lm.max_tokens)
    z = candidates(1)[0]
    objective.predict(z, [(" ".join(["film"] * 100),)])
    (row,) = asked_texts(lm, endpoint)
    assert len(endpoint.rows[0]) <= lm.max_tokens == 64
    ahead = objective.text(z).removesuffix("{text} . it was").split()
    assert row.split()[: len(ahead)] == ahead
    assert row.endswith("film . it was")


def test_a_truncated_example_leaves_room_for_the_further_tokens_of_a_label_word():
    task = replace(TASK, labels={"0": "bad", "1": "very good film"})
    for length in range(54, 70):
        texts = tuple(Example(texts=(" ".join(["film"] * length),), label=label) for label in (0, 1))
        found = problem(task=task, data=replace(few_shot(), train=texts))
        endpoint, objective = watched(
            found, RandomKeys(examples=2, demonstrations=0, instructions=("", "film")), most_tokens=found.lm.max_tokens
        )
        assert np.isfinite(objective.evaluate(np.zeros((1, 2))).losses).all()
        assert found.lm.max_tokens - 10 < max(map(len, endpoint.rows)) <= found.lm.max_tokens


def test_an_estimate_is_an_upper_bound_whichever_demonstrations_are_shown():
    task = replace(TASK, labels={"0": "bad", "1": "very very long great movie"})
    texts = (("the film the film", 0), ("the film the", 1), ("fun film", 0), ("fun plot", 1))
    data = replace(few_shot(), train=tuple(Example(texts=(text,), label=label) for text, label in texts))
    objective = local(problem(task=task, data=data), RandomKeys(examples=4, demonstrations=1))
    for z in np.eye(4):
        assert objective.evaluate(z[None]).usage.tokens <= objective.estimate(1).tokens
        assert objective.validate(z[None], "dev").usage.tokens <= objective.estimate(1, "dev").tokens


@pytest.mark.parametrize("form", [Form.TEXT, Form.TOKENS])
def test_an_estimate_is_an_upper_bound_for_truncated_examples_too(form):
    train = (Example(texts=("film",), label=0), Example(texts=("film " * 9,), label=1))
    decoder, task = RandomKeys(examples=2, demonstrations=1), replace(TASK, labels={"0": "bad", "1": "very good"})
    lm = tiny_lm()
    longest = decoder.longest(lambda text: tokens_of(lm, text), Rendering(task, train).demonstrations)
    for length in range(50, 66):
        dev = tuple(Example(texts=(" ".join(["film"] * length),), label=label) for label in (0, 1))
        found, endpoint = problem(lm, task=task, data=replace(few_shot(), train=train, dev=dev)), Watched(lm, forms=[form])
        endpoint.estimate = lambda rows: sum((Usage(tokens=tokens_of(lm, row)) for row in rows), Usage())
        _, objective = watched(found, decoder, endpoint=endpoint, longest=longest, most_tokens=lm.max_tokens)
        for z in np.eye(2):
            used = objective.validate(z[None], "dev").usage.tokens
            assert used <= objective.estimate(1, "dev").tokens <= used + 2 * 3 * 12


def tokens_of(lm, row):
    return len(row) if isinstance(row, tuple) else len(lm.tokens(row))


@pytest.mark.parametrize("calibration", ["domain", "median"])
def test_feedback_changes_no_prompt_and_no_calibration(calibration):
    data, added = few_shot(), tuple(Example(texts=(f"{word} plot",), label=0) for word in ("fun", "fun fun", "fun fun fun"))
    grown = replace(data, train=(*data.train, *added), added=len(added), feedback="0")
    one, other = (local(problem(data=split), calibration=calibration) for split in (data, grown))
    z = candidates(2)
    np.testing.assert_array_equal(one.validate(z, "dev").losses, other.validate(z, "dev").losses)
    scores = [objective.evaluate_outputs(z).outputs.reshape(2, -1, 2) for objective in (one, other)]
    assert scores[1].shape[1] == len(data.train) + len(added)
    np.testing.assert_allclose(scores[0], scores[1][:, : len(data.train)], atol=1e-5)
    assert other.estimate(1).tokens > one.estimate(1).tokens


def test_training_texts_that_are_truncated_are_counted(caplog):
    first, *others = few_shot().train
    data = replace(few_shot(), train=(replace(first, texts=(" ".join(["film"] * 60),)), *others))
    local(problem(data=data), keys(demonstrations=0))
    (said,) = caplog.messages
    assert f"1 of {len(data.train)} training examples do not fit in 64 tokens" in said


def test_demonstrations_that_leave_no_room_are_refused_before_any_query():
    train = tuple(replace(example, texts=(" ".join(["film"] * 30),)) for example in few_shot().train)
    with pytest.raises(InputError, match="2 demonstrations of up to 7. tokens leave no room .* 64 .* fewer demonstrations"):
        local(problem(data=replace(few_shot(), train=train)))


def test_an_outage_in_a_batch_tells_what_was_spent_before_it():
    found = problem()
    _, objective = watched(found, endpoint=Watched(found.lm, fails_at=3))
    z = candidates(3)
    spent = local(found).evaluate(z[:2]).usage
    with pytest.raises(OutageError) as outage:
        objective.evaluate(z)
    assert outage.value.usage == spent + Usage(tokens=5, attempts=2)


@pytest.mark.parametrize("labels", [TASK.labels, {**TASK.labels, "1": "great film"}])
@pytest.mark.parametrize("calibration", ["none", "contextual"])
def test_an_outage_in_the_middle_of_a_candidate_tells_what_was_spent_on_it(labels, calibration):
    found = problem(task=replace(TASK, labels=labels))
    endpoint, objective = watched(found, calibration=calibration)
    z = candidates(1)
    whole = objective.evaluate(z).usage
    calls = endpoint.calls
    for last in range(1, calls + 1):
        endpoint.calls, endpoint.fails_at = 0, last
        with pytest.raises(OutageError) as outage:
            objective.evaluate(z)
        assert 0 <= outage.value.usage.rows < whole.rows
        assert (outage.value.usage.rows > 0) == (last > 1)


def test_the_manifest_tells_endpoint_pool_and_capabilities():
    one, other = (local(decoder=keys(pool=pool)).describe() for pool in (POOL, (*POOL[:2], "a story")))
    assert one["endpoint"].items() >= {"kind": "local", "model": "llama", "model_fingerprint": "tiny"}.items()
    assert one["endpoint"]["exact"] is True
    assert {key for key in one if one[key] != other[key]} == {"pool_fingerprint"}
