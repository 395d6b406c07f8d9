"""Studies of tasks whose answers are texts: loss, metric, usage, and the program end to end."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

import dfo_prompt as dp
from dfo_prompt.contracts.objective import Described, Estimating, Generating, Predictor, Validated
from dfo_prompt.lm.references import lay_out_texts, reference_ids
from dfo_prompt.prompt.generation import GenerationObjective
from dfo_prompt.prompt.problem import Problem
from dfo_prompt.prompt.projections.affine import Projection, Space
from dfo_prompt.prompt.projections.dense import normal
from dfo_prompt.tasks.examples import Example
from dfo_prompt.tasks.sampling import FewShot
from dfo_prompt.tasks.sections import Answer, Source
from dfo_prompt.tasks.task import Task
from dfo_prompt.testing.tiny import WORDS, save_tiny_model, some_examples, tiny_lm

TOKENS, DIM, MOST = 4, 10, 6
TASK = Task(
    name="tiny",
    summary="",
    template="{text} . it was {answer}",
    metric="exact_match",
    answer=Answer(most_tokens=MOST, ends="text"),
)
FILE = """\
summary = "Tiny."
template = "{text} . it was {answer}"
metric = "exact_match"
[answer]
most_tokens = 4
ends = "text"
[data]
path = "answers.csv"
"""


def examples(seed, count=6):
    rng = np.random.default_rng(seed)
    return tuple(
        replace(example, label=0, answer=" ".join(rng.choice(WORDS, 1 + i % 3)))
        for i, example in enumerate(some_examples(count, seed))
    )


DATA = FewShot(train=examples(1), dev=examples(2), test=examples(3))


def projection(lm):
    space = Space(dim=DIM, tokens=TOKENS, width=lm.width, mean=0.0, std=0.3)
    return Projection(normal(space, np.random.default_rng(0)), torch.zeros(TOKENS, lm.width))


def objective(lm=None, data=DATA, **changes):
    lm = lm or tiny_lm()
    problem = Problem(lm=lm, task=TASK, data=data, seed=0)
    parts = {"problem": problem, "projection": projection(lm), "prompt_tokens": TOKENS, "dim": DIM, "dtype": "float32"}
    return GenerationObjective(**{**parts, **changes})


def candidates(count=3):
    return np.random.default_rng(5).standard_normal((count, DIM))


def textbook(lm, prompt, one):
    """The mean negative log-likelihood of a reference: one row, no cache, no padding, all logits."""
    ids = reference_ids(lm, TASK, one.answer)
    (layout,) = lay_out_texts(lm, TASK, [one.texts], prompt_tokens=len(prompt))
    embedded = lm.model.get_input_embeddings()(torch.tensor(layout.right + ids))
    logits = lm.model(inputs_embeds=torch.cat([prompt, embedded])[None], use_cache=False).logits[0]
    places = torch.arange(len(ids)) + len(prompt) + len(layout.right) - 1
    return torch.nn.functional.cross_entropy(logits[places], torch.tensor(ids)).item()


def test_it_has_held_out_data_a_description_and_answers_and_no_classes():
    built = objective()
    for kind in (Validated, Described, Estimating, Generating):
        assert isinstance(built, kind)
    assert not isinstance(built, Predictor)


def test_the_loss_is_the_mean_over_examples_of_the_mean_over_tokens():
    lm, z = tiny_lm(), candidates()
    expected = [np.mean([textbook(lm, prompt, one) for one in DATA.train]) for prompt in projection(lm)(z)]
    np.testing.assert_allclose(objective(lm).evaluate(z).losses, expected, atol=1e-5)


def test_the_baseline_is_the_template_alone():
    lm = tiny_lm()
    found = objective(lm).baseline("dev")
    expected = np.mean([textbook(lm, torch.zeros(0, lm.width), one) for one in DATA.dev])
    np.testing.assert_allclose(found.losses, [expected], atol=1e-5)
    assert found.metrics.keys() == {"exact_match"}


def test_the_metric_is_of_the_answers_that_it_generates():
    built, z = objective(), candidates(1)[0]
    answers = built.generate(z, [one.texts for one in DATA.test])
    assert len(answers) == len(DATA.test)
    own = tuple(Example(texts=one.texts, answer=answer) for one, answer in zip(DATA.test, answers, strict=True))
    right = objective(data=replace(DATA, test=(*own[:3], *DATA.test[3:])))
    assert right.validate(z[None], "test").metrics["exact_match"][0] == pytest.approx(0.5)


def test_new_texts_are_cut_as_those_of_the_split_are():
    lm, z = tiny_lm(), candidates(1)[0]
    capped = objective(lm, problem=Problem(lm=lm, task=replace(TASK, data=Source(most_words=1)), data=DATA, seed=0))
    texts = [one.texts for one in DATA.test]
    whole, cut = objective().generate(z, texts), objective().generate(z, [(text.split()[0],) for (text,) in texts])
    assert capped.generate(z, texts) == cut != whole


def test_candidates_do_not_influence_each_other():
    built, z = objective(), candidates(4)
    alone = [built.validate(row[None], "dev") for row in z]
    together = built.validate(z, "dev")
    np.testing.assert_array_equal(together.losses, [one.losses[0] for one in alone])
    np.testing.assert_array_equal(together.metrics["exact_match"], [one.metrics["exact_match"][0] for one in alone])
    assert together.usage.tokens == sum(one.usage.tokens for one in alone)


def test_rows_tokens_and_bytes_are_those_a_service_would_see():
    lm = tiny_lm()
    usage = objective(lm).evaluate(candidates(3)).usage
    asked = sum(len(lm.tokens(TASK.causal.render(one.texts).before)) for one in DATA.train)
    references = sum(len(one.answer.split()) + 1 for one in DATA.train)
    count = len(DATA.train)
    assert usage.rows == 3 * count
    assert usage.tokens == 3 * (asked + references - count + count * TOKENS)
    assert usage.uploaded == 3 * 4 * (DIM + asked + references)
    assert usage.downloaded == 3 * 4 * references


def test_an_estimate_is_what_is_used_at_most():
    built = objective()
    assert built.estimate(3) == built.evaluate(candidates(3)).usage
    used, most = built.validate(candidates(2), "test").usage, built.estimate(2, "test")
    assert used.rows == most.rows == 2 * 2 * len(DATA.test)
    assert all(0 < getattr(used, name) <= getattr(most, name) for name in ("tokens", "uploaded", "downloaded"))
    assert built.baseline("test").usage.tokens <= built.estimate(1, "test").tokens


def test_prompts_of_all_layers_change_answers():
    lm = tiny_lm()
    built = objective(
        lm, projection=lambda z: torch.tensor(z, dtype=torch.float32)[:, :3, None, None].expand(-1, 3, TOKENS, lm.width)
    )
    assert built.prompt_layers == 3
    same, other = np.zeros(DIM), np.zeros(DIM)
    other[2] = 3.0  # of the last layer alone
    texts = [one.texts for one in DATA.test]
    assert built.generate(same, texts) != built.generate(other, texts)
    prompt = built.prompt(other)
    (layout, *_) = lay_out_texts(lm, TASK, texts, prompt_tokens=TOKENS)
    cached, built._greedy._cache = built._greedy.ids(prompt, [layout]), lambda *_: None
    assert built._greedy.ids(prompt, [layout]) == cached  # whole rows give the same


def test_truncated_texts_are_counted_once(caplog):
    train = tuple(replace(example, texts=("film " * 90,)) for example in DATA.train)
    objective(data=replace(DATA, train=train))
    (said,) = [message for message in caplog.messages if "do not fit" in message]
    assert said.startswith(f"{len(train)} of {len(train)} examples")


def test_reduced_precision_generates_too():
    built = objective(dtype="bfloat16")
    assert built.describe()["dtype"] == "bfloat16"
    np.testing.assert_allclose(built.evaluate(candidates()).losses, objective().evaluate(candidates()).losses, atol=0.1)
    assert len(built.generate(candidates(1)[0], [("fun",)])) == 1


@pytest.fixture
def task_file(tmp_path):
    rows = {example.texts[0]: f"{example.texts[0]},{example.answer}" for example in examples(7, 40)}
    (tmp_path / "answers.csv").write_text("\n".join(["text,answer", *rows.values()]) + "\n")
    (tmp_path / "answers.toml").write_text(FILE)
    return tmp_path / "answers.toml"


def settings(model, task, **more):
    flags = {"model": model, "task": task, "dim": 3, "popsize": 3, "shots": 4, "prompt-tokens": 2, "budget": 7} | more
    return [part for name, value in flags.items() for part in (f"--{name}", str(value))]


def test_a_study_from_end_to_end(program, task_file, tiny_folder):
    flags = [*settings(tiny_folder, task_file), "--out", "study"]
    status, out, err = program("run", *flags, "--dry-run")
    assert (status, "at most 7 queries, 28 rows" in out) == (0, True), out + err
    status, out, err = program("run", *flags)
    assert status == 0, err
    shown = json.loads(program("show", "study", "--json")[1])
    assert (shown["metric"], shown["spent"]["rows"]) == ("exact_match", 7 * 4)
    assert 0 <= shown["held_out"]["manual_test_metric"] <= 1
    status, out, err = program("predict", "study", "it was fun", "dull", "--json")
    assert status == 0, err
    assert [[*json.loads(line)] for line in out.splitlines()] == [["text", "answer"]] * 2
    assert program("predict", "study", "dull")[1].endswith("\tdull\n")
    status, _, err = program("predict", "study", "two\ttexts")
    assert (status, "2 texts separated by tabs, and task 'answers' has 1" in err) == (2, True)
    status, _, err = program("predict", "study", "")
    assert (status, "example 1 has an empty text" in err) == (2, True)
    status, _, err = program("export", "study")
    assert (status, "the folder of peft is for labels; use --format safetensors" in err) == (2, True)
    assert program("export", "study", "--format", "safetensors")[0] == 0


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--set", "prompt.loss=hinge"], "prompt.loss = 'hinge' is for label words"),
        (["--set", "prompt.calibration=contextual"], "prompt.calibration = 'contextual' is for label words"),
        (["--objective", "trigger"], "answers that are texts, without labels; only studies of the objective 'prompt'"),
        (["--objective", "text-prompt"], "answers that are texts, without labels; only studies of the objective 'prompt'"),
        (["--set", "endpoint.kind=vllm", "--set", "endpoint.url=http://127.0.0.1:9"], "without [endpoint]"),
        (["--set", "method=manual"], "answers that are texts, without labels"),
    ],
)
def test_what_is_for_labels_is_refused_in_one_line(flags, said, program, task_file, tiny_folder):
    status, _, err = program("run", *settings(tiny_folder, task_file), "--out", "study", *flags)
    *_, error = err.splitlines()
    assert (status, said in error, "Traceback" in err) == (2, True, False), err


SUITE = """\
name = "words"
optimizers = ["cma"]
seeds = [1]
[study]
budget = 4
popsize = 2
dim = 3
problem = {{ model = "{model}", task = "answers.toml", shots = 4 }}
prompt = {{ tokens = 2 }}
"""


SAID = (
    r"the answers of task 'answers' are texts, and '{}' is a {} model \({}\); set problem.model .* to a decoder-only model"
)


@pytest.mark.parametrize(("family", "kind"), [("bert", "masked"), ("roberta", "masked"), ("t5", "seq2seq")])
def test_a_model_that_does_not_generate_is_refused_in_python(family, kind, task_file, tmp_path):
    save_tiny_model(tmp_path / family, family)
    problem = dp.ProblemConfig(model=tmp_path / family, task=task_file, shots=4)
    with pytest.raises(dp.ModelError, match=SAID.format(family, kind, family)):
        dp.create_objective("prompt", dim=500, seed=0, problem=problem, prompt=dp.PromptConfig(tokens=2))


def test_a_model_that_does_not_generate_is_refused_at_every_door_before_anything_is_asked(program, task_file, tmp_path):
    save_tiny_model(tmp_path / "bert", "bert")
    (tmp_path / "suite.toml").write_text(SUITE.format(model=(tmp_path / "bert").as_posix()))
    model, study = ["--model", "bert", "--task", "answers.toml"], settings("bert", task_file)
    doors = [
        ("run", *study, "--out", "study"),
        ("run", *study, "--dry-run"),
        ("suite", "run", "suite.toml", "--dry-run"),
        ("suite", "run", "suite.toml", "--out", "suite"),
        (
            "serve",
            *model,
            "--shots",
            "4",
            "--prompt-tokens",
            "2",
        ),  # d = 500 is too large for it, but the model is said first
    ]
    for door in doors:
        status, out, err = program(*door)
        said = [line for line in err.splitlines() if re.search(SAID.format("bert", "masked", "bert"), line)]
        assert (status, len(said), "Traceback" in out + err) == (2, 1, False), err
    assert [*tmp_path.rglob("journal.jsonl")] == []
    assert not (tmp_path / "study").exists()
