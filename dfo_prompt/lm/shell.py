"""Loads only the tokenizer and the embeddings of a model that runs elsewhere."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoTokenizer
from transformers.utils.hub import cached_file

from dfo_prompt.errors import ModelError
from dfo_prompt.lm.checkpoint import NO_REMOTE_CODE, first_line, head_of, quiet
from dfo_prompt.lm.load import LanguageModel, fingerprint_of, load_model, pick_device

WEIGHTS_FILE, INDEX_FILE = "model.safetensors", "model.safetensors.index.json"
OPTIONAL: dict[str, Any] = {"_raise_exceptions_for_missing_entries": False}


def load_shell(name: str, where: str | Path, *, device: str = "auto") -> LanguageModel:
    """Load a decoder-only model without its layers and head; a GGUF file is loaded completely. "sharded" is "auto" here.

    The fingerprint is that of the complete model, except in a few families whose checkpoints and models name weights
    differently.

    Raises:
        ModelError: the model cannot be loaded, is not decoder-only, or its weights are not in safetensors files.
    """
    device = "auto" if device == "sharded" else device  # without layers, there is nothing to distribute
    if Path(where).suffix == ".gguf":
        return load_model(name, where, device=device)
    try:
        with quiet(), ExitStack() as files:
            config = AutoConfig.from_pretrained(str(where), **NO_REMOTE_CODE)
            _check_decoder(config)
            weights = _weights(str(where), files)
            model = _without_layers(config)
            _load_embeddings(model, weights)
            fingerprint = fingerprint_of(config, _model_weights(config, weights))
            tokenizer = AutoTokenizer.from_pretrained(str(where), **NO_REMOTE_CODE)
    except ModelError as error:
        raise ModelError(f"cannot load model {name!r}: {error}") from error
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise ModelError(f"cannot load model {name!r}: {first_line(error)}") from error
    return LanguageModel(
        name=name, model=model.to(pick_device(device)), tokenizer=tokenizer, fingerprint=fingerprint, head="causal"
    )


def _check_decoder(config: Any) -> None:
    if (head := head_of(config)) != "causal":
        raise ModelError(f"it is a {head or config.model_type} model, and endpoints need a decoder-only model")


Weights = dict[str, Callable[[], Tensor]]
"""Functions that read the tensors of a checkpoint, by name."""


def _weights(where: str, files: ExitStack) -> Weights:
    weights: Weights = {}
    for file in _files(where):
        opened = files.enter_context(safe_open(file, framework="pt"))
        names = opened.keys()
        weights |= {name: lambda opened=opened, name=name: opened.get_tensor(name) for name in names}
    return weights


def _files(where: str) -> list[str]:
    if index := cached_file(where, INDEX_FILE, **OPTIONAL):
        names = {*json.loads(Path(index).read_text())["weight_map"].values()}
        return [str(cached_file(where, name)) for name in sorted(names)]
    if file := cached_file(where, WEIGHTS_FILE, **OPTIONAL):
        return [str(file)]
    raise ModelError("its weights are not in safetensors files; save it with save_pretrained of transformers")


def _without_layers(config: Any) -> Any:
    """Return a model without layers, because some families scale embeddings outside of the embedding module."""
    small = deepcopy(config)
    small.num_hidden_layers = 0
    with torch.random.fork_rng(devices=[]):  # from_config draws random weights
        return AutoModel.from_config(small, **NO_REMOTE_CODE).eval().requires_grad_(requires_grad=False).float()


def _load_embeddings(model: Any, weights: Weights) -> None:
    for name, parameter in model.get_input_embeddings().named_parameters():
        full_name = next(key for key, value in model.named_parameters() if value is parameter)
        keys = [key for key in (full_name, f"{model.base_model_prefix}.{full_name}") if key in weights]
        keys = keys or [key for key in weights if key.endswith(f".{full_name}")]
        if len(keys) != 1:
            raise ModelError(f"the checkpoint has no weights for {full_name}")
        table = weights[keys[0]]()
        if table.shape != parameter.shape:
            raise ModelError(f"the checkpoint's {keys[0]} is {tuple(table.shape)}, not {tuple(parameter.shape)} ({name})")
        parameter.copy_(table)


def _model_weights(config: Any, weights: Weights) -> Iterator[tuple[str, Tensor]]:
    """Yield the weights of the complete model, with their names there."""
    with torch.device("meta"):
        whole = AutoModelForCausalLM.from_config(config, **NO_REMOTE_CODE)
    prefix = f"{whole.base_model_prefix}."
    for name, _ in sorted(whole.named_parameters()):
        key = name if name in weights else name.removeprefix(prefix)
        if key in weights:
            yield name, weights[key]()
