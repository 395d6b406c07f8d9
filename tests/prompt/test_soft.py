"""An end-to-end study on a tiny model, from the command line to a prediction."""

import json

import numpy as np
import pytest
from tables import tables

import dfo_prompt as dp
from dfo_prompt.errors import InputError
from dfo_prompt.prompt.open import with_prompt_at
from dfo_prompt.prompt.problem import TaskSplit
from dfo_prompt.tasks.task import Task
from dfo_prompt.testing.tiny import MIDDLE, few_shot, tiny_lm


@pytest.fixture
def options(tiny_folder, tiny_task):
    return {"model": str(tiny_folder), "task": str(tiny_task), "shots": 4, "tokens": 3}


def prompt(options, **changes):
    whole = {"dim": 6, "seed": 1, **options, **changes}
    return dp.create_objective("prompt", dim=whole.pop("dim"), seed=whole.pop("seed"), **tables(whole))


@pytest.fixture
def run(program, options):
    flags = [
        part
        for table, keys in tables(options).items()
        for name, value in keys.items()
        for part in ("--set", f"{table}.{name}={value}")
    ]
    settings = ["--dim", "6", "--popsize", "4", "--budget", "18", "--dtype", "float32", "--out", "s"]
    return lambda *more: program("run", *flags, *settings, *more)


def test_run_show_predict(run, program):
    assert run()[0] == 0
    shown = json.loads(program("show", "s", "--json")[1])
    assert (shown["spent"]["queries"], shown["objective"], shown["task"], shown["stop_reason"]) == (
        18,
        "prompt",
        "films",
        "budget",
    )
    assert 0 <= shown["held_out"]["dev_metric"] <= 1
    assert 0 <= shown["held_out"]["test_metric"] <= 1
    assert shown["held_out"]["manual_test_metric"] is not None
    assert shown["spent"]["rows"] == 18 * 8
    status, out, _ = program("predict", "s", "good film", "dull plot", "--json")
    answers = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert [answer["text"] for answer in answers] == ["good film", "dull plot"]
    for answer in answers:
        assert answer["label"] == max(answer["probabilities"], key=answer["probabilities"].get)
        assert sum(answer["probabilities"].values()) == pytest.approx(1)


def test_blocks_are_layers_or_groups_of_them(run):
    deep = ["--set", "prompt.layers=all", "--optimizer", "blockwise:cma", "--set"]
    assert run(*deep, "optimizer.blocks=3")[0] == 0
    status, _, err = run(*deep, "optimizer.blocks=2", "--out", "other")
    assert status == 2
    assert "error: optimizer 'blockwise:cma': 2 blocks do not fit 3 layers, each with a prompt of its own" in err
    assert "2 blocks do not fit 3 layers" in run(*deep[:-1], "--out", "other")[2]  # two is the default


def test_predict_reads_standard_input(run, program, monkeypatch):
    import io

    run()
    monkeypatch.setattr("sys.stdin", io.StringIO("good film\n\nbad plot\n"))
    status, out, _ = program("predict", "s")
    assert status == 0
    assert [line.split("\t")[2] for line in out.splitlines()] == ["good film", "bad plot"]


def test_a_text_without_finite_probabilities_has_no_label(run, program, monkeypatch):
    import json

    run()
    found = np.array([[np.nan, 0.5], [0.25, 0.75]])
    monkeypatch.setattr("dfo_prompt.prompt.task_objective.TaskObjective.predict", lambda *_: found)
    status, out, _ = program("predict", "s", "odd", "even")
    assert (status, out.splitlines()[0]) == (0, "-\tits probabilities are not finite\todd")
    odd, even = (json.loads(line) for line in program("predict", "s", "odd", "even", "--json")[1].splitlines())
    assert (odd["label"], odd["probabilities"]) == (None, None)
    assert even["label"] == "good"


def test_predict_counts_the_texts_of_an_example(run, program):
    run()
    status, _, err = program("predict", "s", "one\ttwo")
    assert (status, err) == (
        2,
        "error: the example that begins with 'one' has 2 texts separated by tabs, and task 'films' has 1\n",
    )


def test_predict_refuses_empty_texts(run, program, options):
    run()
    status, _, err = program("predict", "s", "good film", " ")
    said = "error: example 2 has an empty text, as no example of task 'films' has\n"
    assert (status, err) == (2, said)
    with pytest.raises(InputError, match="there are no texts to label or answer"):
        prompt(options).predict(np.zeros(6), [])
    data = few_shot()
    pairs = Task(name="pairs", summary="", template="{text_a} or {text_b} ? {answer}", labels={"0": "no", "1": "yes"})
    with pytest.raises(InputError, match="example 1 has an empty text, as no example of task 'pairs' has"):
        TaskSplit(task=pairs, data=data, seed=0).prepared([("one", "")])


def test_the_same_seed_gives_the_same_objective(options):
    z = np.random.default_rng(0).standard_normal((2, 6))
    losses = [prompt(options, seed=seed).evaluate(z).losses for seed in (1, 1, 2)]
    np.testing.assert_array_equal(losses[0], losses[1])
    assert not np.array_equal(losses[0], losses[2])


def test_starts_differ_and_a_text_is_repeated_to_the_prompt_s_length(options):
    zero = np.zeros((1, 6))
    starts = ("zero", "vocabulary", "text:good film", "text:good film good", "text:bad")
    losses = [prompt(options, start=start).evaluate(zero).losses[0] for start in starts]
    assert losses[2] == losses[3]
    assert len({round(loss, 6) for loss in losses}) == 4


@pytest.mark.parametrize("name", ["normal", "matched", "uniform"])
def test_every_projection_moves_the_prompt(options, name):
    losses = prompt(options, projection=name, dtype="float32").evaluate(np.eye(6)[:2]).losses
    assert losses[0] != losses[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dim": 97}, "dim 97 is larger than the prompt: 3 tokens of width 32, 96 entries"),
        ({"tokens": 0}, "objective 'prompt': prompt.tokens: Input should be greater than or equal to 1, not 0"),
        ({"shots": 40}, r"class 'bad' has \d+ distinct examples to draw from; 40 shots need 80"),
        ({"start": "ones"}, "unknown start of a prompt, 'ones'; known: zero, vocabulary, text:WORDS"),
        ({"start": "text:"}, "unknown start of a prompt"),
        ({"projection": "norml"}, "unknown projection 'norml'; did you mean 'normal'"),
        ({"projection_options": {"alhpa": 1}}, "unknown option of projection 'normal': 'alhpa'; did you mean 'alpha'"),
        ({"projection_options": {"alpha": "big"}}, "projection 'normal': alpha: Input should be a valid number"),
        ({"projection_options": {"alpha": -1.0}}, "projection 'normal': alpha: Input should be greater than 0, not -1.0"),
        (
            {"projection": "fastfood", "projection_options": {"sigma": 0.0}},
            "'fastfood': sigma: Input should be greater than 0",
        ),
        ({"loss": "squared"}, "unknown loss 'squared'; known: accuracy, cross_entropy, hinge, smoothed"),
        ({"dtype": "float8"}, "unknown dtype 'float8'; known: auto, float32"),
        ({"device": "tpu"}, "unknown device 'tpu'; known: auto, cpu, cuda, mps, sharded"),
        ({"model": "a" * 300}, r"cannot load model 'a.*named models: smollm2-135m"),
        ({"model": "no/such-model"}, r"cannot load model 'no/such-model': .*named models: smollm2-135m"),
        ({"task": "missing.toml"}, "cannot read missing.toml"),
        ({"data": "missing.csv"}, "missing.csv"),
        ({"tokns": 3}, "prompt.tokns: Unexpected keyword argument"),
    ],
)
def test_bad_input_is_one_line(options, changes, message):
    with pytest.raises(InputError, match=message) as caught:
        prompt(options, **changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text,sentiment\nfun,good\n", "no column 'label'"),
        ("text,label\n\n,good\nfun,bad\n", "empty"),
        ("text,label\nfun,good\nfun,odd\n", "odd"),
    ],
)
def test_bad_data_is_one_line(options, tmp_path, content, message):
    (tmp_path / "films.csv").write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        prompt(options)
    assert "films.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_data_in_another_encoding_is_one_line(options, tmp_path):
    (tmp_path / "films.csv").write_bytes("text,label\ncaf\u00e9,good\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"films\.csv.*utf-8"):
        prompt(options)


def test_a_prompt_can_stand_behind_the_texts(options, tiny_task):
    z = np.arange(6.0)[None] / 6
    ahead, behind = (prompt({**options, "place": place}).evaluate(z).losses for place in ("ahead", "behind"))
    np.testing.assert_array_equal(ahead, prompt(options).evaluate(z).losses)
    tiny_task.write_text(tiny_task.read_text().replace("{text}", "{text}{prompt}"))
    np.testing.assert_array_equal(behind, prompt(options).evaluate(z).losses)
    assert behind != ahead


def test_the_place_belongs_to_the_template_that_suits_the_model():
    models = {family: dp.Problem(lm=tiny_lm(family), task=MIDDLE, data=few_shot(), seed=0) for family in ("llama", "bert")}
    assert with_prompt_at(models["llama"], "behind").task.causal_template == "{text}{prompt} . it was {answer}"
    assert with_prompt_at(models["bert"], "ahead") is models["bert"]
    with pytest.raises(InputError, match=r"prompt.place = 'behind': the template of task 'middle' for 'bert' has no text"):
        with_prompt_at(models["bert"], "behind")
