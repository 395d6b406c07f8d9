import json
import sys
from io import StringIO

import gguf
import numpy as np
import pytest
import torch
from families import families
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForPreTraining, AutoModelForSequenceClassification

from dfo_prompt.errors import ModelError
from dfo_prompt.lm.checkpoint import read_gguf
from dfo_prompt.lm.load import load_model
from dfo_prompt.testing.tiny import tiny_model, tiny_tokenizer


def saved(folder, family, auto=None, **changes):
    """A folder with a tiny model, as `auto` makes one, and with `changes` to its configuration."""
    model = tiny_model(family)
    (auto.from_config(model.config) if auto else model).save_pretrained(folder)
    tiny_tokenizer(mask=True).save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    return folder


@pytest.mark.parametrize("family", families())
def test_a_whole_checkpoint_is_loaded_as_it_was_saved(tmp_path, family):
    saved(tmp_path, family)
    there = tiny_model(family).state_dict()
    here = load_model("m", tmp_path, device="cpu").model.state_dict()
    assert there.keys() == here.keys()
    assert all(torch.equal(there[name], here[name]) for name in there)


@pytest.mark.parametrize("family", ["llama", "gpt2", "t5", "bart", "bert"])
def test_tied_weights_are_not_missing(tmp_path, family):
    model = tiny_model(family)
    model.config.tie_word_embeddings = True
    model.tie_weights()
    model.save_pretrained(tmp_path)
    tiny_tokenizer(mask=True).save_pretrained(tmp_path)
    again = load_model("m", tmp_path).model
    assert torch.equal(again.get_output_embeddings().weight, again.get_input_embeddings().weight)


def test_a_pooler_and_another_head_are_left_out(tmp_path):
    saved(tmp_path, "bert", AutoModelForPreTraining)
    assert any("pooler" in name for name in load_file(tmp_path / "model.safetensors"))
    load_model("m", tmp_path)


@pytest.mark.parametrize(
    ("family", "auto", "missing"),
    [
        ("bert", AutoModel, "cls.predictions.bias"),
        ("bert", AutoModelForSequenceClassification, "cls.predictions.bias"),
        ("roberta", AutoModel, "lm_head.bias"),
        ("electra", AutoModel, "generator_lm_head.bias"),
        ("llama", AutoModel, "lm_head.weight"),
        ("llama", AutoModelForSequenceClassification, "lm_head.weight"),
    ],
)
def test_a_checkpoint_without_its_head_is_refused(tmp_path, family, auto, missing):
    saved(tmp_path, family, auto)
    with pytest.raises(ModelError, match=f"cannot load model 'm': the checkpoint has no weights for {missing}"):
        load_model("m", tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"num_hidden_layers": 4}, r"has no weights for model.layers.3.input_layernorm.weight, model.* and 7 more"),
        ({"num_hidden_layers": 2}, r"has weights that its configuration has no place for: model.layers.2.input_layer"),
        ({"intermediate_size": 50}, r"model.layers.0.mlp.down_proj.weight is \(32, 48\), where .* says \(32, 50\)"),
    ],
)
def test_a_configuration_of_another_size_is_refused(tmp_path, change, said):
    saved(tmp_path, "llama", **change)
    with pytest.raises(ModelError, match=said) as caught:
        load_model("m", tmp_path)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("family", ["llama", "gpt2", "bert", "t5"])
def test_layers_of_a_body_saved_alone_are_counted_too(tmp_path, family):
    saved(tmp_path, family, AutoModel)
    weights = load_file(tmp_path / "model.safetensors")
    last = next(name for name in reversed(weights) if ".1." in name)
    saved(tmp_path, family)
    weights = load_file(tmp_path / "model.safetensors") | {last.replace(".1.", ".9."): weights[last]}
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="no place for: "):
        load_model("m", tmp_path)


def test_a_shard_with_few_tensors_is_refused(tmp_path):
    saved(tmp_path, "llama")
    weights = load_file(tmp_path / "model.safetensors")
    few = {name: weights[name] for name in list(weights)[:3]}
    save_file(few, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"has no weights for .* and \d+ more"):
        load_model("m", tmp_path)


@pytest.mark.parametrize("part", ["config.json", "tokenizer_config.json"])
def test_code_of_a_checkpoint_is_never_run_and_nobody_is_asked(tmp_path, part, monkeypatch):
    saved(tmp_path / "m", "llama")
    ran = tmp_path / "ran"
    (tmp_path / "m" / "theirs.py").write_text(f"open({str(ran)!r}, 'w')\n")
    settings = json.loads((tmp_path / "m" / part).read_text())
    if part == "config.json":
        settings |= {"model_type": "theirs", "auto_map": {"AutoConfig": "theirs.C", "AutoModelForCausalLM": "theirs.M"}}
    else:
        settings |= {"tokenizer_class": "TheirTokenizer", "auto_map": {"AutoTokenizer": ["theirs.T", None]}}
    (tmp_path / "m" / part).write_text(json.dumps(settings))
    monkeypatch.setattr(sys, "stdin", StringIO("y\n" * 9))
    with pytest.raises(ModelError, match=r"cannot load model 'm': .* needs Python code of its own, which is never run"):
        load_model("m", tmp_path / "m")
    assert sys.stdin.tell() == 0
    assert not ran.exists()


def test_a_gguf_file_that_lacks_weights_is_refused(tmp_path):
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "llama")
    writer.add_block_count(2)
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_feed_forward_length(48)
    writer.add_head_count(4)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_vocab_size(40)
    writer.add_tensor("token_embd.weight", np.zeros((40, 32), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(
        ModelError, match=r"cannot read .*m\.gguf: the checkpoint has no weights for .*model.layers.0.* more"
    ):
        read_gguf(tmp_path / "m.gguf")


def test_a_file_that_is_no_gguf_is_one_line(tmp_path):
    (tmp_path / "m.gguf").write_bytes(b"GGUF but not really")
    with pytest.raises(ModelError, match=r"cannot read .*m\.gguf") as caught:
        read_gguf(tmp_path / "m.gguf")
    assert "\n" not in str(caught.value)


def test_gguf_without_its_extra_names_it(tmp_path, monkeypatch):
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    monkeypatch.setattr("dfo_prompt.lm.checkpoint.AutoModelForCausalLM.from_pretrained", _no_gguf)
    with pytest.raises(ModelError, match=r"needs an extra: pip install 'dfo-prompt\[gguf\]'"):
        read_gguf(tmp_path / "m.gguf")


def _no_gguf(**_):
    raise ImportError("gguf is required")
