"""Loads only the tokenizer and embeddings of a model that runs elsewhere."""

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
from dfo_prompt.lm.checkpoint import SAFELY, first_line, head_of, quiet
from dfo_prompt.lm.load import LanguageModel, fingerprint_of, load_model, pick_device

WHOLE, PARTS = "model.safetensors", "model.safetensors.index.json"
LAZY: dict[str, Any] = {"_raise_exceptions_for_missing_entries": False}


def load_shell(name: str, where: str | Path, *, device: str = "auto") -> LanguageModel:
    """Load a decoder-only model without its layers and head; its fingerprint is that of the whole model.

    In a few families, whose checkpoints call weights otherwise than the model, it is another.

    A GGUF file is loaded whole.

    Raises:
        ModelError: it cannot be had, or is no decoder-only model, or its weights are in no safetensors file.
    """
    if Path(where).suffix == ".gguf":
        return load_model(name, where, device=device)
    try:
        with quiet(), ExitStack() as files:
            config = AutoConfig.from_pretrained(str(where), **SAFELY)
            _check_decoder(config)
            weights = _weights(str(where), files)
            model = _without_layers(config)
            _fill(model, weights)
            fingerprint = fingerprint_of(config, _samples(config, weights))
            tokenizer = AutoTokenizer.from_pretrained(str(where), **SAFELY)
    except ModelError as error:
        raise ModelError(f"cannot load model {name!r}: {error}") from error
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise ModelError(f"cannot load model {name!r}: {first_line(error)}") from error
    return LanguageModel(
        name=name, model=model.to(pick_device(device)), tokenizer=tokenizer, fingerprint=fingerprint, head="causal"
    )


def _check_decoder(config: Any) -> None:
    if (head := head_of(config)) != "causal":
        raise ModelError(f"it is a {head or config.model_type} model, and endpoints score what follows a text")


Weights = dict[str, Callable[[], Tensor]]
"""Returns a tensor of a checkpoint, by name; its bytes are read where they are looked at."""


def _weights(where: str, files: ExitStack) -> Weights:
    found: Weights = {}
    for file in _files(where):
        opened = files.enter_context(safe_open(file, framework="pt"))
        found |= {key: lambda opened=opened, key=key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118 - no mapping
    return found


def _files(where: str) -> list[str]:
    if index := cached_file(where, PARTS, **LAZY):
        names = {*json.loads(Path(index).read_text())["weight_map"].values()}
        return [str(cached_file(where, name)) for name in sorted(names)]
    if whole := cached_file(where, WHOLE, **LAZY):
        return [str(whole)]
    raise ModelError("its weights are in no safetensors file; save it with transformers' save_pretrained")


def _without_layers(config: Any) -> Any:
    """Return the family's embedding of tokens, which some families scale."""
    small = deepcopy(config)
    small.num_hidden_layers = 0
    with torch.random.fork_rng(devices=[]):  # it fills itself with random weights
        return AutoModel.from_config(small, **SAFELY).eval().requires_grad_(requires_grad=False).float()


def _fill(model: Any, weights: Weights) -> None:
    for name, parameter in model.get_input_embeddings().named_parameters():
        place = next(key for key, value in model.named_parameters() if value is parameter)
        keys = [key for key in (place, f"{model.base_model_prefix}.{place}") if key in weights]
        ends = keys or [key for key in weights if key.endswith(f".{place}")]
        if len(ends) != 1:
            raise ModelError(f"the checkpoint has no weights for {place}")
        table = weights[ends[0]]()
        if table.shape != parameter.shape:
            raise ModelError(f"the checkpoint's {ends[0]} is {tuple(table.shape)}, not {tuple(parameter.shape)} ({name})")
        parameter.copy_(table)


def _samples(config: Any, weights: Weights) -> Iterator[tuple[str, Tensor]]:
    """Yield the weights that the whole model would have, by their names there."""
    with torch.device("meta"):
        whole = AutoModelForCausalLM.from_config(config, **SAFELY)
    prefix = f"{whole.base_model_prefix}."
    for name, _ in sorted(whole.named_parameters()):
        key = name if name in weights else name.removeprefix(prefix)
        if key in weights:
            yield name, weights[key]()
