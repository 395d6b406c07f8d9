"""Prompts transfer between studies, and to peft."""

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

import dfo_prompt as dp
from dfo_prompt.lm.layout import lay_out
from dfo_prompt.prompt.adapter import save_for_peft
from dfo_prompt.prompt.objective import PromptObjective
from dfo_prompt.prompt.problem import Problem
from dfo_prompt.prompt.projections.affine import Projection, Space
from dfo_prompt.prompt.projections.dense import normal
from dfo_prompt.prompt.projections.learned import TunedPrompt, check_sources, learn_projection
from dfo_prompt.testing.tiny import TASK, few_shot, tiny_lm

TOKENS, DIM = 4, 6


def objective(family="llama", calibration="none", **tokenizer):
    lm = tiny_lm(family, **tokenizer)
    space = Space(dim=DIM, tokens=TOKENS, width=lm.width, mean=0.0, std=0.5)
    projection = Projection(normal(space, np.random.default_rng(0)), torch.zeros(TOKENS, lm.width))
    problem = Problem(lm=lm, task=TASK, data=few_shot(), seed=0)
    sizes = {"prompt_tokens": TOKENS, "dim": DIM}
    return PromptObjective(problem=problem, projection=projection, **sizes, dtype="float32", calibration=calibration)


@pytest.mark.parametrize(
    ("family", "tokenizer"),
    [("llama", {}), ("llama", {"bos": True}), ("qwen3", {}), ("opt", {}), ("bert", {}), ("electra", {})],
)
def test_peft_predicts_the_same_from_an_exported_prompt(family, tokenizer, tmp_path):
    from peft import PeftModel

    ours, z = objective(family, **tokenizer), np.random.default_rng(1).standard_normal(DIM)
    lm = ours.problem.lm
    before = {name: value.clone() for name, value in lm.model.state_dict().items()}
    save_for_peft(ours, z, tmp_path / "adapter")
    assert all(torch.equal(before[name], value) for name, value in lm.model.state_dict().items())
    texts = [example.texts for example in few_shot().test]
    with pytest.warns(FutureWarning, match="is_gradient_checkpointing"):  # peft, of a name that transformers changes
        theirs = PeftModel.from_pretrained(tiny_lm(family, **tokenizer).model, tmp_path / "adapter").eval()
    words = [lm.tokens(word)[0] for word in TASK.words]
    found = []
    for text in texts:
        layout = lay_out(lm, TASK, text, prompt_tokens=TOKENS)  # its `right` is the text without special tokens ahead of it
        with torch.inference_mode():
            logits = theirs(input_ids=torch.tensor([layout.right])).logits[0]
        found.append(logits[layout.slot - len(layout.right), words].softmax(dim=0))
    np.testing.assert_allclose(ours.predict(z, texts), torch.stack(found).numpy(), atol=1e-5)


def prompts(count=5, tasks=("a", "b"), shape=(TOKENS, 8)):
    rng = np.random.default_rng(2)
    return [TunedPrompt(prompt=rng.standard_normal(shape), task=tasks[i % len(tasks)], model="m") for i in range(count)]


def test_a_learned_projection_reaches_the_prompts_it_was_learned_from():
    tuned = prompts()
    learned = learn_projection(tuned, dim=12)
    start, matrix = learned.start.ravel(), learned.projection
    for source in tuned:
        z, *_ = np.linalg.lstsq(matrix, source.prompt.ravel() - start)
        np.testing.assert_allclose(matrix @ z + start, source.prompt.ravel(), atol=1e-8)
    # All directions are orthogonal and of one length: that of the prompts' own deviation.
    gram = matrix.T @ matrix
    np.testing.assert_allclose(gram, gram[0, 0] * np.eye(12), atol=1e-9)
    flat = np.stack([source.prompt.ravel() for source in tuned])
    moved = matrix @ np.random.default_rng(0).standard_normal((12, 4000))
    assert moved.std() == pytest.approx((flat - start).std(), rel=0.05)


def test_tasks_weigh_the_same_in_the_start_however_many_prompts_they_gave():
    tuned = prompts(3, tasks=("a", "a", "b"))
    expected = (tuned[0].prompt + tuned[1].prompt) / 4 + tuned[2].prompt / 2
    np.testing.assert_allclose(learn_projection(tuned, dim=2).start, expected)


def test_files_go_there_and_back(tmp_path):
    tuned = prompts(2)
    tuned[0].save(tmp_path / "p.safetensors")
    again = TunedPrompt.read(tmp_path / "p.safetensors")
    assert (again.task, again.model) == ("a", "m")
    np.testing.assert_allclose(again.prompt, tuned[0].prompt, atol=1e-6)
    learn_projection(tuned, dim=3).save(tmp_path / "f.safetensors")
    assert {name: value.shape for name, value in load_file(tmp_path / "f.safetensors").items()} == {
        "projection": (32, 3),
        "start": (TOKENS, 8),
    }
    check_sources("c", "m", str(tmp_path / "f.safetensors"))
    with pytest.raises(dp.InputError, match="was learned on task 'b' too"):
        check_sources("b", "m", str(tmp_path / "f.safetensors"))
    with pytest.raises(dp.InputError, match="was learned from prompts for another model"):
        check_sources("c", "n", str(tmp_path / "f.safetensors"))
    for foreign in ("imagenet, coco", '{"a": 1}', '"b"'):
        save_file({"projection": np.zeros((32, 3))}, tmp_path / "other.safetensors", {"sources": foreign})
        with pytest.raises(dp.InputError, match="other.safetensors has metadata of another program: its 'sources' is no"):
            check_sources("b", "m", tmp_path / "other.safetensors")
    (tmp_path / "file").touch()
    with pytest.raises(dp.StudyError, match="cannot write"):
        tuned[0].save(tmp_path / "file" / "p.safetensors")


@pytest.mark.parametrize(
    ("tuned", "dim", "said"),
    [
        (prompts(1), 2, "at least two tuned prompts"),
        ([*prompts(2), *prompts(1, shape=(3, 8))], 2, "of two shapes"),
        ([*prompts(1)] * 2, 2, "the tuned prompts are all the same"),
        (prompts(2), 33, "dim must lie between 1 and 32"),
        (prompts(2, shape=(3, TOKENS, 8)), 2, "dim must lie between 1 and 96, the entries of a prompt of one layer"),
    ],
)
def test_what_cannot_be_learned_from_is_one_line(tuned, dim, said):
    with pytest.raises(dp.InputError, match=said):
        learn_projection(tuned, dim=dim)


def test_the_way_from_a_study_to_peft(program, tiny_folder, tiny_task):
    from peft import PeftConfig

    where = ["--model", str(tiny_folder), "--task", str(tiny_task), "--shots", "4", "--prompt-tokens", "3"]
    assert program("run", *where, "--dim", "4", "--budget", "6", "--popsize", "3", "--out", "s")[0] == 0
    assert program("export", "s")[1].strip() == "s/adapter"
    assert PeftConfig.from_pretrained("s/adapter").num_virtual_tokens == 3
    status, _, err = program("export", "s", "--out", "s/result.json")
    assert (status, err.count("\n"), err.startswith("error: cannot write s/result.json")) == (2, 1, True)


def test_the_way_from_studies_to_a_study(program, tiny_folder, tiny_task):
    settings = ["--model", str(tiny_folder), "--shots", "4", "--prompt-tokens", "3", "--dtype", "float32"]
    sizes = ["--dim", "4", "--budget", "6", "--popsize", "3"]
    for seed in ("1", "2"):
        assert program("run", *settings, *sizes, "--task", str(tiny_task), "--seed", seed, "--out", seed)[0] == 0
        assert program("export", seed, "--format", "safetensors", "--out", f"{seed}.safetensors")[0] == 0
    status, out, _ = program("pretrain-projection", "1.safetensors", "2.safetensors", "--dim", "4", "--out", "f.safetensors")
    assert (status, "learned on films" in out) == (0, True)
    learned = ["--projection", "file", "--set", "prompt.projection_options.path=f.safetensors"]
    learned += ["--set", "prompt.start=file:f.safetensors"]
    for part in (learned[:4], learned[4:]):  # the projection alone, the start alone
        status, _, err = program("run", *settings, *sizes, *part, "--task", str(tiny_task), "--out", "same")
        assert (status, "was learned on task 'films' too" in err.splitlines()[-1]) == (2, True)
    other = tiny_task.with_name("other.toml")
    other.write_text(tiny_task.read_text())
    assert program("run", *settings, *sizes, *learned, "--task", str(other), "--out", "other")[0] == 0
    config = json.loads((tiny_task.parent / "other" / "manifest.json").read_text())["config"]
    assert config["prompt"]["projection"] == "file"
    assert config["prompt"]["start"] == "file:../f.safetensors"  # relative to the study's folder
