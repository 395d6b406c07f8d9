"""Reads the logits of label words at answer positions."""

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
    """The positions at which the answers of N texts are read.

    Attributes:
        rows: (N,) row of each text in the model's batch.
        slot: (N,) position of the answer in the row.
        texts: (N,) index of each text among all that are scored.
    """

    rows: Tensor
    slot: Tensor
    texts: Tensor


class Reader(Protocol):
    """Reads K values per text.

    Attributes:
        width: K.
    """

    width: int

    def read(self, at: Slots, inputs: dict[str, Any]) -> Tensor:
        """Run the model on `inputs` and return the values (N, K) at the slots `at`."""


class FirstTokenReader:
    """Reads the logits of the first tokens of the label words.

    Args:
        model: a language model of transformers.
        ids: (C,) token ids.
        plain_head: whether the logits are a linear map of the last hidden states; see `head_is_plain`.
        narrow: whether to compute logits only at the slots; see `answer_logits`.
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
    """Reads the log-probabilities of spans of tokens: label words, or label words without their first token.

    Args:
        model: a language model of transformers.
        ids: (G, K) token ids of G spans. The text of a causal model contains a span without its last token, that of a masked
            model one mask per token.
        after: distance from the slot to the output that predicts the first token of a span.
        narrow: whether to compute logits only at the slots; see `answer_logits`.
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
        rows = at.rows[:, None].expand(-1, len(steps)).flatten()
        logits = answer_logits(self._model, rows, places, inputs, narrow=self._narrow)  # (N K, V)
        logs = logits.float().log_softmax(dim=-1).view(len(at.slot), len(steps), -1)  # (N, K, V)
        return logs[:, steps, self._ids].sum(dim=-1)  # (N, G, K) -> (N, G)


def answer_logits(model: Any, rows: Tensor, slot: Tensor, inputs: dict[str, Any], *, narrow: bool) -> Tensor:
    """Run the model on `inputs` and return its logits (N, V) at the slots (N,) of rows (N,).

    Args:
        model: a language model of transformers.
        rows: (N,) row of each slot.
        slot: (N,) position of each slot.
        inputs: keyword arguments of the model's forward pass.
        narrow: whether to compute only these logits; see `only_answers`.
    """
    with only_answers(model, rows, slot) if narrow else nullcontext():
        logits: Tensor = model(**inputs).logits
    return logits[:, 0] if narrow else logits[rows, slot]


def label_logits(model: PreTrainedModel, hidden: Tensor, words: Tensor) -> Tensor:
    """Return the logits (N, C), in float32, of label words (token ids (C,)) from last hidden states (N, E)."""
    head: Any = model.get_output_embeddings()
    bias = None if getattr(head, "bias", None) is None else head.bias[words].float()
    with torch.autocast(hidden.device.type, enabled=False):
        return linear(hidden.float(), head.weight[words].float(), bias)


def head_is_plain(model: Any, words: Tensor) -> bool:
    """Tell whether a causal model's logits equal `label_logits` of its last hidden states.

    Some families scale or cap their logits, so both are computed for a text of the label words and compared.
    """
    products: list[Tensor] = []  # outputs of the head
    handle = model.get_output_embeddings().register_forward_hook(lambda _, __, product: products.append(product))
    try:
        logits = model(input_ids=words[None], use_cache=False).logits[0]
    finally:
        handle.remove()
    # Bitwise: a soft cap changes small logits by less than any tolerance, and larger ones, in later texts, by more.
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
        ModelError: the model does not call its output embeddings exactly once.
    """
    head: Any = model.get_output_embeddings()
    calls: list[Tensor] = []

    def narrow(_: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        calls.append(inputs[0])
        hidden = inputs[0]
        return hidden[rows.to(hidden.device), slot.to(hidden.device)][:, None], *inputs[1:]

    hook = head.register_forward_pre_hook(narrow)
    try:
        yield
    finally:
        hook.remove()
    if len(calls) != 1:
        raise ModelError(f"a {model.config.model_type} model does not compute its logits with its output embeddings")
