"""Loads a language model and its tokenizer from a hub id, a folder or a GGUF file."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from dfo_prompt.errors import ModelError
from dfo_prompt.lm.checkpoint import Head, first_line, quiet, read_checkpoint, read_gguf
from dfo_prompt.lm.packing import enable_packing
from dfo_prompt.types import Json

SENTINEL = "<extra_id_0>"
"""The token for a missing span in models pretrained on span corruption (Raffel et al., 2020)."""


@dataclass(frozen=True, kw_only=True)
class LanguageModel:
    """A frozen language model in float32 on its device.

    Attributes:
        name: name of the model, for messages and manifests.
        model: the model of transformers.
        tokenizer: its tokenizer.
        fingerprint: SHA-256 of the configuration and a sample of every weight, 16 hexadecimal digits.
        head: "causal" for decoder-only models, "masked" for encoders, "seq2seq" for encoder-decoders.
        checked: results of checks on the model, such as those of `shortcuts`, cached by key.
    """

    name: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    fingerprint: str
    head: Head = "causal"
    checked: dict[Any, Any] = field(init=False, repr=False, compare=False, default_factory=dict)

    @property
    def device(self) -> torch.device:
        """Return the device of the embeddings."""
        return self._embeddings.device

    @property
    def width(self) -> int:
        """Return E, the embedding width; `config.hidden_size` differs from it in some families."""
        return self._embeddings.shape[1]

    @property
    def peft_sizes(self) -> dict[str, Any]:
        """Return the sizes that peft needs but does not find in the configuration of every family."""
        config: Any = self.model.config
        return {
            "token_dim": self.width,
            "num_layers": config.num_hidden_layers,
            "num_attention_heads": getattr(config, "num_attention_heads", 1),  # has no effect on prompt tuning
        }

    @property
    def vocabulary(self) -> int:
        """Return V, the number of tokens that both tokenizer and embeddings have; either may have more."""
        return min(len(self.tokenizer), len(self._embeddings))

    @property
    def _embeddings(self) -> Tensor:
        weight: Tensor = self.model.get_input_embeddings().weight  # type: ignore[assignment]
        return weight

    @property
    def body(self) -> Any:
        """Return the module that reads a text: the encoder of an encoder-decoder, else the model without its head."""
        return self.model.get_encoder() if self.head == "seq2seq" else self.model.base_model

    @cached_property
    def max_tokens(self) -> int:
        """Return the largest number of tokens that the model takes, including the soft prompt."""
        known = (getattr(self.model.config, "max_position_embeddings", None), self.tokenizer.model_max_length)
        limits = [limit for limit in known if limit and limit > 0]  # XLNet has -1, for no limit
        return min([*limits, *_offset_positions(self.body)], default=10**9)

    @property
    def decoder_start(self) -> int:
        """Return the first token of a decoder's input, as `generate` of transformers chooses it.

        Raises:
            ModelError: the model has neither decoder_start_token_id nor bos_token_id.
        """
        for name in ("decoder_start_token_id", "bos_token_id"):
            for config in (getattr(self.model, "generation_config", None), self.model.config):
                if isinstance(token := getattr(config, name, None), int):
                    return token
        raise ModelError(f"{self.name!r} lacks decoder_start_token_id, and bos_token_id in its place; add it to config.json")

    @property
    def forced_start(self) -> list[int]:
        """Return the token that `generate` forces an answer to begin with, if any: the language in multilingual models."""
        token = getattr(getattr(self.model, "generation_config", None), "forced_bos_token_id", None)
        return [token] if isinstance(token, int) else []

    @cached_property
    def unknown_tokens(self) -> frozenset[int]:
        """Return the token ids that stand for unknown words."""
        inner = getattr(getattr(self.tokenizer, "backend_tokenizer", None), "model", None)
        names = {self.tokenizer.unk_token, getattr(inner, "unk_token", None)}  # the tokenizer may not declare its backend's
        return frozenset(id_ for token, id_ in self.tokenizer.get_vocab().items() if token in names)

    @cached_property
    def frame(self) -> tuple[list[int], list[int]]:
        """Return the special tokens that the tokenizer adds ahead of a text, and those that it adds behind."""
        bare, framed = self.tokens("a"), list(self.tokenizer("a").input_ids)
        at = next(i for i in range(len(framed) + 1) if framed[i : i + len(bare)] == bare)
        return framed[:at], framed[at + len(bare) :]

    @cached_property
    def slot_token(self) -> str:
        """Return the token for a missing word; "" if the model can only continue a text.

        Raises:
            ModelError: the tokenizer of a masked model has no mask token.
        """
        if self.head == "causal":
            return ""
        spans = self.head == "seq2seq" and SENTINEL in self.tokenizer.get_vocab()
        if self.head == "masked" and not self.tokenizer.mask_token:
            raise ModelError(f"the tokenizer of {self.name!r} has no mask token; set it in tokenizer_config.json")
        return SENTINEL if spans else self.tokenizer.mask_token or ""

    def tokens(self, text: str) -> list[int]:
        """Return the token ids of a text, without the special tokens that the tokenizer adds."""
        return list(self.tokenizer(text, add_special_tokens=False).input_ids)

    def describe(self) -> dict[str, Json]:
        """Return the name, fingerprint and device type, for manifests."""
        return {"model": self.name, "model_fingerprint": self.fingerprint, "device": self.device.type}

    @torch.inference_mode()
    def embed(self, ids: npt.NDArray[np.integer]) -> Tensor:
        """Return the embeddings (L, E) of token ids (L,), as the model computes them: some families scale them."""
        embedded: Tensor = self.model.get_input_embeddings()(torch.as_tensor(ids, device=self.device))
        return embedded.float()


def load_model(name: str, where: str | Path, *, device: str = "auto") -> LanguageModel:
    """Load a model in float32.

    Args:
        name: name of the model, for messages and manifests.
        where: hub id, local folder or GGUF file.
        device: "auto"; a name that `torch.device` takes; or "sharded", to let accelerate distribute the layers over all
            accelerators and the main memory.

    Raises:
        ModelError: the model cannot be loaded, is not a language model, or does not fit into memory.
    """
    sharded = device == "sharded"
    target = None if sharded else pick_device(device)
    path = Path(where)
    if sharded and path.suffix == ".gguf":
        raise ModelError(f"cannot load model {name!r}: a GGUF file cannot be sharded; choose another --device")
    head: Head
    try:
        with quiet():
            if path.suffix == ".gguf":
                head, (model, tokenizer) = "causal", read_gguf(path)
            else:
                head, model, tokenizer = read_checkpoint(str(where), **({"device_map": "auto"} if sharded else {}))
        model = model.eval().requires_grad_(requires_grad=False)
        model = model.to(target) if target else model  # accelerate has placed a sharded model
        if head == "causal":
            enable_packing(model)
    except ModelError as error:
        raise ModelError(f"cannot load model {name!r}: {error}") from error
    except torch.OutOfMemoryError as error:
        raise ModelError(f"model {name!r} does not fit on {target}; choose another --device") from error
    except (OSError, ValueError, ImportError, RuntimeError, KeyError, SafetensorError) as error:
        raise ModelError(f"cannot load model {name!r}: {first_line(error)}") from error
    fingerprint = fingerprint_of(model.config, _weights(model))
    return LanguageModel(name=name, model=model, tokenizer=tokenizer, fingerprint=fingerprint, head=head)


def pick_device(device: str) -> torch.device:
    """Return the device named `device`; "auto" prefers CUDA, then MPS, then the CPU.

    Raises:
        ModelError: this machine has no such device.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return torch.device(next(name for name, here in available.items() if here))
    try:
        place = torch.device(device)
    except RuntimeError as error:
        raise ModelError(f"unknown device {device!r}; known: auto, cpu, cuda, mps, sharded") from error
    if not available.get(place.type, False):
        raise ModelError(f"device {device!r} is not available here; use --device cpu")
    return place


def _weights(model: PreTrainedModel) -> Iterator[tuple[str, Tensor]]:
    """Yield the weights in the order of their names; each that accelerate keeps off its device is there while it is read."""
    tied = getattr(model, "all_tied_weights_keys", None) or {}
    for name, weight in sorted(model.named_parameters()):
        if not weight.is_meta:
            yield name, weight
        elif name not in tied:  # two parameters off the device are two objects, even if tied
            from accelerate.utils import align_module_device  # noqa: PLC0415 - an extra, which has sharded the model

            owner, _, key = name.rpartition(".")
            module = model.get_submodule(owner)
            with align_module_device(module):
                yield name, getattr(module, key)


def _offset_positions(body: nn.Module) -> Iterator[int]:
    """Yield the limits of position embeddings whose rows up to the padding index are unused, as in RoBERTa."""
    for name, module in body.named_modules():
        if isinstance(module, nn.Embedding) and "position" in name.rpartition(".")[2] and module.padding_idx is not None:
            yield module.num_embeddings - module.padding_idx - 1


def fingerprint_of(config: Any, weights: Iterable[tuple[str, Tensor]]) -> str:
    """Return the fingerprint of a configuration and of weights in the order of their names."""
    known = {key: value for key, value in config.to_diff_dict().items() if key != "transformers_version"}
    digest = hashlib.sha256(json.dumps(known, sort_keys=True, default=str).encode())
    for name, weight in weights:
        flat = weight.detach().flatten()
        sample = flat[:: max(1, flat.numel() // 64)].float().cpu().numpy()
        digest.update(name.encode() + sample.tobytes())
    return digest.hexdigest()[:16]
