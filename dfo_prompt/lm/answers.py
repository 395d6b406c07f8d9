"""Logits of label words at answer positions only, whatever head a model has."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear
from transformers import PreTrainedModel


def label_logits(model: PreTrainedModel, hidden: Tensor, words: Tensor) -> Tensor:
    """Return the logits (N, C) of the label words from hidden states (N, E): the head's rows for them, in float32."""
    head: Any = model.get_output_embeddings()
    bias = None if getattr(head, "bias", None) is None else head.bias[words].float()
    with torch.autocast(hidden.device.type, enabled=False):
        return linear(hidden.float(), head.weight[words].float(), bias)


def head_is_plain(model: Any, words: Tensor) -> bool:
    """Tell whether `label_logits` of the last hidden states is all there is to the model's head.

    Some families scale or cap their logits. This is tried on the label words themselves, whatever the family.
    """
    full = model(input_ids=words[None], use_cache=False).logits[0][:, words].float()
    hidden = model.base_model(input_ids=words[None], use_cache=False).last_hidden_state[0]
    short = label_logits(model, hidden, words)
    return torch.allclose(full, short, rtol=1e-2, atol=1e-2 * full.std().item())


@contextmanager
def only_answers(model: PreTrainedModel, rows: Tensor, slot: Tensor) -> Iterator[None]:
    """Let nothing but the hidden states at the slots (N,) of rows (N,) reach the vocabulary: logits are (N, 1, V) inside."""
    head: Any = model.get_output_embeddings()
    hook = head.register_forward_pre_hook(lambda _, inputs: (inputs[0][rows, slot][:, None], *inputs[1:]))
    try:
        yield
    finally:
        hook.remove()
