"""Reads label-word logits at answer positions."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import linear
from transformers import PreTrainedModel

from dfo_prompt.errors import ModelError


@dataclass(frozen=True, kw_only=True, eq=False)
class Slots:
    """Where the answers of N texts are read.

    Attributes:
        rows, slot: (N,) the row of each, and the place in it.
        texts: (N,) the places of these texts among all that are scored.
    """

    rows: Tensor
    slot: Tensor
    texts: Tensor


class Reader(Protocol):
    """Reads K figures a text."""

    width: int

    def read(self, at: Slots, inputs: dict[str, Any]) -> Tensor:
        """Run the model on `inputs` and return (N, K)."""


class FirstTokens:
    """Reads the logits of the label words' first tokens.

    Args:
        model: any language model of transformers.
        ids: (C,) token ids.
        plain_head: see `head_is_plain`.
        narrow: see `answer_logits`.
    """

    def __init__(self, model: PreTrainedModel, ids: Tensor, *, plain_head: bool, narrow: bool = True) -> None:
        self.width = len(ids)
        self._model: Any = model
        self._ids = ids
        self._plain_head, self._narrow = plain_head, narrow

    def read(self, at: Slots, inputs: dict[str, Any]) -> Tensor:
        """Return logits (N, C), in float32."""
        if self._plain_head:
            hidden = self._model.base_model(**inputs).last_hidden_state  # (N', L', E)
            return label_logits(self._model, hidden[at.rows, at.slot], self._ids)
        return answer_logits(self._model, at.rows, at.slot, inputs, narrow=self._narrow)[:, self._ids].float()


class SpanReader:
    """Reads the log-probabilities of runs of tokens: label words, or what follows their first token.

    Args:
        model: any language model of transformers.
        ids: (G, K) token ids of G runs.
        after: how far behind the slot the output for the first of them stands. A causal model's text holds the run but for
            its last token; a masked model's a mask for each.
        narrow: see `answer_logits`.
    """

    def __init__(self, model: PreTrainedModel, ids: Tensor, *, after: int, narrow: bool = True) -> None:
        self.width = len(ids)
        self._model: Any = model
        self._ids = ids
        self._after, self._narrow = after, narrow

    def read(self, at: Slots, inputs: dict[str, Any]) -> Tensor:
        """Return log-probabilities (N, G)."""
        steps = torch.arange(self._ids.shape[1], device=at.slot.device)  # (K,)
        places = (at.slot[:, None] + self._after + steps).flatten()
        rows = at.rows.repeat_interleave(len(steps))
        logits = answer_logits(self._model, rows, places, inputs, narrow=self._narrow)  # (N K, V)
        each = logits.float().log_softmax(dim=-1).view(len(at.slot), len(steps), -1)  # (N, K, V)
        return each[:, steps, self._ids].sum(dim=-1)  # (N, G, K) -> (N, G)


def answer_logits(model: Any, rows: Tensor, slot: Tensor, inputs: dict[str, Any], *, narrow: bool) -> Tensor:
    """Run the model on `inputs` and return its logits (N, V) at the slots (N,) of rows (N,).

    Args:
        model: any language model of transformers.
        rows, slot: where.
        inputs: of its forward.
        narrow: whether to compute only these logits; see `only_answers`.
    """
    with only_answers(model, rows, slot) if narrow else nullcontext():
        logits: Tensor = model(**inputs).logits
    return logits[:, 0] if narrow else logits[rows, slot]


def label_logits(model: PreTrainedModel, hidden: Tensor, words: Tensor) -> Tensor:
    """Return the logits (N, C) of the label words from hidden states (N, E): the head's rows for them, in float32."""
    head: Any = model.get_output_embeddings()
    bias = None if getattr(head, "bias", None) is None else head.bias[words].float()
    with torch.autocast(hidden.device.type, enabled=False):
        return linear(hidden.float(), head.weight[words].float(), bias)


def head_is_plain(model: Any, words: Tensor) -> bool:
    """Tell whether a causal model's logits equal `label_logits` of its last hidden states.

    Some families scale or cap their logits, so this compares both on the label words.
    """
    products: list[Tensor] = []
    handle = model.get_output_embeddings().register_forward_hook(lambda _, __, product: products.append(product))
    try:
        logits = model(input_ids=words[None], use_cache=False).logits[0]
    finally:
        handle.remove()
    # Bit by bit: small logits are capped by less than any tolerance, and others, later, by more.
    if len(products) != 1 or not torch.equal(products[0].reshape(logits.shape).float(), logits.float()):
        return False
    full = logits[:, words].float()
    hidden = model.base_model(input_ids=words[None], use_cache=False).last_hidden_state[0]
    short = label_logits(model, hidden, words)
    return torch.allclose(full, short, rtol=1e-2, atol=1e-2 * full.std().item())


@contextmanager
def only_answers(model: PreTrainedModel, rows: Tensor, slot: Tensor) -> Iterator[None]:
    """Pass only the hidden states at the slots (N,) of rows (N,) to the head; logits are (N, 1, V) inside.

    Raises:
        ModelError: the model computes its logits without calling its output embeddings.
    """
    head: Any = model.get_output_embeddings()
    calls: list[Tensor] = []

    def narrow(_: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        calls.append(inputs[0])
        return inputs[0][rows, slot][:, None], *inputs[1:]

    hook = head.register_forward_pre_hook(narrow)
    try:
        yield
    finally:
        hook.remove()
    if len(calls) != 1:
        raise ModelError(f"a {model.config.model_type} model computes its logits in a way of its own")
