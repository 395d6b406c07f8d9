"""Reads the hidden states of chosen layers, and the most likely tokens, at answer slots."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from dfo_prompt.lm.answers import Slots, answer_logits
from dfo_prompt.lm.load import LanguageModel


class HiddenReader:
    """Reads hidden states at the slot, for an encoder-decoder those of its decoder.

    Layers are numbered like `hidden_states` of transformers: 0 is the embeddings, H the last layer behind the final norm.

    Args:
        lm: the model.
        layers: layers to read, each from 1 to H.
        model: the same model in another precision; by default that of `lm`.
        back: (N, B) positions to read in each of the N texts, in tokens ahead of the slot; only the slot by default.
    """

    def __init__(
        self,
        lm: LanguageModel,
        layers: Sequence[int],
        model: PreTrainedModel | None = None,
        *,
        back: Tensor | None = None,
    ) -> None:
        widths = hidden_widths(lm)
        # Counted from the end: a run from a middle layer on returns only the states of that layer and later ones.
        self._from_end = [layer - len(widths) for layer in layers]
        self._back = back
        self.widths = tuple(widths[layer] for layer in self._from_end) * (1 if back is None else back.shape[1])
        self.width = sum(self.widths)
        self._model: Any = (model or lm.model).base_model

    def read(self, at: Slots, inputs: dict[str, Any]) -> Tensor:
        """Return the states (N, K) in float32, concatenated over positions and, within a position, over layers."""
        states = _states(self._model(**inputs, output_hidden_states=True))
        places = at.slot[:, None] if self._back is None else at.slot[:, None] - self._back[at.texts]  # (N, B)
        chosen = [_at(states[layer], at.rows, place) for place in places.T for layer in self._from_end]
        return torch.cat(chosen, dim=1)


class TopReader:
    """Reads the k most likely tokens at the slot.

    Args:
        model: a language model of transformers.
        k: number of tokens, at most the size of the vocabulary.
        narrow: whether to compute logits only at the slots; see `answer_logits`.
    """

    def __init__(self, model: PreTrainedModel, k: int, *, narrow: bool = True) -> None:
        self.width = 2 * k
        self._model: Any = model
        self._k, self._narrow = k, narrow

    def read(self, at: Slots, inputs: dict[str, Any]) -> Tensor:
        """Return (N, 2 k): k log-probabilities, largest first, then their token ids, exact in float32 up to 2^24."""
        logits = answer_logits(self._model, at.rows, at.slot, inputs, narrow=self._narrow)
        top = logits.float().log_softmax(dim=-1).topk(self._k, dim=-1)
        return torch.cat([top.values, top.indices.float()], dim=1)


@torch.inference_mode()
def hidden_widths(lm: LanguageModel) -> tuple[int, ...]:
    """Return the widths of the embeddings and of each layer, which differ in some families; measured once per model."""
    if "widths" not in lm.checked:
        ids = torch.tensor([[lm.tokens("a")[0]]], device=lm.device)
        decoder = {"decoder_input_ids": ids} if lm.head == "seq2seq" else {}
        base: Any = lm.model.base_model
        lm.checked["widths"] = tuple(
            state.shape[-1] for state in _states(base(input_ids=ids, output_hidden_states=True, **decoder))
        )
    widths: tuple[int, ...] = lm.checked["widths"]
    return widths


def _at(states: Tensor, rows: Tensor, place: Tensor) -> Tensor:
    """Return the states (N, E) at places (N,) of rows (N,), on their device; layers of a sharded model are on several."""
    return states[rows.to(states.device), place.to(states.device)].float().to(rows.device)


def _states(output: Any) -> Sequence[Tensor]:
    decoder: Sequence[Tensor] | None = getattr(output, "decoder_hidden_states", None)
    states: Sequence[Tensor] = output.hidden_states if decoder is None else decoder
    return states
