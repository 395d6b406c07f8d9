import json
import shutil

import numpy as np
import pytest
import torch

from dfo_prompt.errors import ModelError
from dfo_prompt.lm import load
from dfo_prompt.lm.layers import _added
from dfo_prompt.lm.load import load_model, pick_device
from dfo_prompt.lm.scorer import Scorer
from dfo_prompt.lm.shell import load_shell
from dfo_prompt.lm.verbalizer import Verbalizer
from dfo_prompt.prompt.initial import initial_prompt_of, shallow_projection
from dfo_prompt.prompt.objective import PromptObjective
from dfo_prompt.prompt.open import open_tokenizer
from dfo_prompt.prompt.problem import Problem
from dfo_prompt.prompt.projections.affine import Projection, Space
from dfo_prompt.prompt.projections.dense import normal
from dfo_prompt.testing.tiny import HEAD_OF, TASK, few_shot, save_tiny_model, tiny_model, tiny_tokenizer


def test_a_folder_is_loaded_frozen_and_in_float32(tiny_folder):
    lm = load_model("mine", tiny_folder, device="cpu")
    assert (lm.name, lm.width, lm.device.type) == ("mine", 32, "cpu")
    assert not any(parameter.requires_grad for parameter in lm.model.parameters())
    assert {parameter.dtype for parameter in lm.model.parameters()} == {torch.float32}
    assert lm.fingerprint == load_model("again", tiny_folder).fingerprint


def test_the_fingerprint_tells_weights_apart(tmp_path):
    prints = set()
    for seed in (0, 1):
        tiny_model(seed=seed).save_pretrained(tmp_path / str(seed))
        tiny_tokenizer().save_pretrained(tmp_path / str(seed))
        prints.add(load_model("m", tmp_path / str(seed)).fingerprint)
    assert len(prints) == 2


def test_the_fingerprint_does_not_tell_versions_apart(tiny_folder, monkeypatch):
    before = load_model("m", tiny_folder).fingerprint
    monkeypatch.setattr("transformers.configuration_utils.__version__", "99.0")
    assert load_model("m", tiny_folder).fingerprint == before


def test_a_tokenizer_with_more_tokens_than_embeddings_draws_from_these(tiny_folder):
    lm = load_model("m", tiny_folder)
    rows = len(lm.tokenizer)
    lm.tokenizer.add_tokens([f"more{i}" for i in range(200)])
    assert lm.vocabulary == lm.model.get_input_embeddings().weight.shape[0] >= rows
    rng = np.random.default_rng(0)
    *_, start = [initial_prompt_of(lm, "vocabulary", 60, rng) for _ in range(5)]
    shallow_projection(lm, start, 4, lambda space, start, _: Projection(normal(space, np.random.default_rng(1)), start))


def test_a_file_cut_short_is_one_line(tiny_folder, tmp_path):
    shutil.copytree(tiny_folder, tmp_path / "cut")
    weights = tmp_path / "cut" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match="cannot load model 'm': "):
        load_model("m", tmp_path / "cut")


def test_a_sharded_model_gives_the_same(tiny_folder):
    whole, parts = (load_model("m", tiny_folder, device=device) for device in ("cpu", "sharded"))
    z = np.random.default_rng(0).standard_normal((2, 4))
    losses = []
    for lm in (whole, parts):
        space = Space(dim=4, tokens=3, width=lm.width, mean=0.0, std=0.3)
        projection = Projection(normal(space, np.random.default_rng(1)), torch.zeros(3, lm.width, device=lm.device))
        problem = Problem(lm=lm, task=TASK, data=few_shot(), seed=0)
        parts_of = {"problem": problem, "projection": projection}
        losses.append(PromptObjective(**parts_of, prompt_tokens=3, dim=4, dtype="float32").evaluate(z).losses)
    np.testing.assert_allclose(losses[0], losses[1], atol=1e-5)


@pytest.mark.parametrize("tied", [True, False])
def test_weights_that_do_not_stay_on_a_device_are_in_the_fingerprint(tmp_path, monkeypatch, tied):
    from accelerate import dispatch_model

    model = tiny_model()
    model.config.tie_word_embeddings = tied
    model.save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    expected, read = load_model("m", tmp_path, device="cpu"), load.read_checkpoint

    def offloaded(where, **_):
        head, model, tokenizer = read(where)
        places = {"model.embed_tokens": "cpu", "model.layers.0": "cpu", "model.layers.1": "cpu", "model.norm": "cpu"}
        places |= {"model.rotary_emb": "cpu", "model.layers.2": "disk", "lm_head": "cpu" if tied else "disk"}
        dispatch_model(model, places, main_device="cpu", offload_dir=tmp_path / "offloaded")
        return head, model, tokenizer

    monkeypatch.setattr(load, "read_checkpoint", offloaded)
    lm = load_model("m", tmp_path, device="sharded")
    assert any(weight.is_meta for weight in lm.model.parameters())
    assert lm.fingerprint == expected.fingerprint
    scores = []
    for found in (expected, lm):
        verbalizer = Verbalizer(found, TASK, prompt_tokens=0)
        score = verbalizer.scorer_with(Scorer(found))
        scores.append(score(torch.zeros(1, 0, found.width), verbalizer.encode([("a film",), ("very dull",)])))
    torch.testing.assert_close(*scores, atol=1e-5, rtol=1e-5)


def test_prompts_follow_the_device_of_a_layer():
    far = torch.zeros((2, 4, 8), device="meta")  # as the states of a layer on a second GPU
    assert _added(torch.zeros(3, 8), 1, far).shape == far.shape
    assert _added(torch.zeros(3, 8), torch.arange(3).expand(2, -1), far).shape == far.shape


def test_a_file_that_cannot_be_sharded_is_one_line(tiny_folder, tmp_path):
    with pytest.raises(ModelError, match="^cannot load model 'm': a GGUF file cannot be sharded; choose another --device$"):
        load_model("m", tmp_path / "m.gguf", device="sharded")
    assert load_shell("m", tiny_folder, device="sharded").device.type == pick_device("auto").type


def test_embeddings_are_those_the_model_sees(tiny_folder):
    lm = load_model("mine", tiny_folder)
    assert lm.embed(range(5)).shape == (5, 32)


@pytest.mark.parametrize("content", ["{", '{"model_type": "nonsense"}', "{}"])
def test_a_damaged_folder_is_one_line(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ModelError, match="cannot load model 'mine': ") as caught:
        load_model("mine", tmp_path)
    assert "\n" not in str(caught.value)


def test_a_model_that_is_no_language_model_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip"}))
    with pytest.raises(ModelError, match="is a clip model, not a language model"):
        load_model("mine", tmp_path)


@pytest.mark.parametrize("family", ["gpt2", "bert", "roberta", "electra", "t5", "bart"])
def test_the_head_is_that_of_the_class_it_was_saved_from(tmp_path, family):
    tiny_model(family).save_pretrained(tmp_path)
    tiny_tokenizer(mask=True).save_pretrained(tmp_path)
    lm = load_model("m", tmp_path)
    assert lm.head == HEAD_OF[family]
    assert type(lm.model) is type(tiny_model(family))


def test_devices():
    assert pick_device("cpu").type == "cpu"
    with pytest.raises(ModelError, match="unknown device 'abacus'"):
        pick_device("abacus")
    if not torch.cuda.is_available():
        with pytest.raises(ModelError, match="device 'cuda' is not available here; use --device cpu"):
            pick_device("cuda")


def test_a_model_that_was_saved_again_is_loaded_again(tmp_path):
    found = []
    for seed in (0, 0, 1):
        if not found or seed:
            save_tiny_model(tmp_path, seed=seed)
        found.append(open_tokenizer(tmp_path))
    assert found[0] is found[1]
    assert found[1].fingerprint != found[2].fingerprint
