"""The engine: what a model says of texts under soft prompts, one candidate at a time.

A score thus does not depend on which candidates share a batch. Only answer positions reach the head. A causal model computes
what lies ahead of the texts once a candidate, and what lies ahead of the prompt once a study. With a prompt in every layer,
what lies below the first in which the candidates differ is computed once for all of them.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from dfo_prompt.lm.answers import Reader, head_is_plain
from dfo_prompt.lm.encoding import Bucket, Encoded
from dfo_prompt.lm.layers import Layers
from dfo_prompt.lm.load import Head
from dfo_prompt.lm.packing import pack, packed, takes_packed_rows

Context = Callable[[], AbstractContextManager[object]]
Run = Callable[[Tensor], Tensor]
"""Returns the scores (N', K) of some texts under one prompt (H', P, E)."""

MOST_TOKENS = 8192
"""Of texts in one packed row, to begin with."""
TOLERANCE = 1e-3


class Scorer(ABC):
    """Scores soft prompts with a language model of transformers.

    Args:
        model: any model that takes `inputs_embeds`.
        precision: opens the context that forwards run in.
    """

    def __init__(self, model: PreTrainedModel, *, precision: Context = nullcontext) -> None:
        self.model = model
        self._model: Any = model  # transformers' own attributes are typed in part
        self._precision = precision
        # Whether a run that begins at a layer gives what a whole run gives; tried once for each.
        self._resumes: dict[int, bool] = {}

    @torch.inference_mode()
    def score(self, prompts: Tensor, texts: Encoded, reader: Reader) -> Tensor:
        """Return what `reader` reads of N texts under each prompt, (B, N, K), in float32.

        Args:
            prompts: (B, P, E), or (B, H, P, E) with a prompt for each of the H layers.
            texts: N examples.
            reader: of K figures a text.
        """
        prompts = (prompts if prompts.dim() == 4 else prompts[:, None]).to(self._embed.weight.dtype)  # noqa: PLR2004
        scores = torch.empty((len(prompts), texts.count, reader.width), device=prompts.device)
        with self._precision():
            self._score(scores, prompts, texts, reader)
        return scores

    def has_plain_head(self, ids: Tensor) -> bool:  # noqa: ARG002
        """Tell whether label-word logits (token ids (C,)) can be had from the last hidden states alone."""
        return False

    @abstractmethod
    def _score(self, scores: Tensor, prompts: Tensor, texts: Encoded, reader: Reader) -> None:
        """Fill in the scores (B, N, K) under prompts (B, H', P, E)."""

    @property
    def _embed(self) -> Any:
        return self._model.get_input_embeddings()

    @cached_property
    def _layers(self) -> Layers:
        return Layers(self._model)

    def _within(self, prompt: Tensor, at: int) -> AbstractContextManager[None]:
        return self._layers.prompts(prompt, at) if len(prompt) > 1 else nullcontext()

    def _each(self, prompts: Tensor, run: Run) -> Tensor:
        """Return (B, N', C): `run` for every prompt, from the first layer on in which they differ."""
        start = _first_difference(prompts)
        if not start or len(prompts) == 1:
            return torch.stack([run(prompt) for prompt in prompts])
        states: list[Tensor] = []
        with self._layers.watched(start, states):
            scores = [run(prompts[0])]

        def resumed(prompt: Tensor) -> Tensor:
            with self._layers.from_layer(start, states[0]):
                return run(prompt)

        if start not in self._resumes:
            whole = scores[0]
            self._resumes[start] = torch.allclose(resumed(prompts[0]), whole, atol=TOLERANCE * whole.abs().max().item())
        scores += [(resumed if self._resumes[start] else run)(prompt) for prompt in prompts[1:]]
        return torch.stack(scores)


class CausalScorer(Scorer):
    """The engine for decoder-only models: each bucket behind the cached keys and values of what lies ahead."""

    def __init__(self, model: PreTrainedModel, *, precision: Context = nullcontext) -> None:
        super().__init__(model, precision=precision)
        # Keys and values of the texts ahead of the prompt, which no candidate changes.
        self._lefts: WeakKeyDictionary[Bucket, Any] = WeakKeyDictionary()

    @torch.inference_mode()
    def has_plain_head(self, ids: Tensor) -> bool:
        """Tell whether label-word logits (token ids (C,)) can be had from the last hidden states alone."""
        with self._precision():
            return head_is_plain(self._model, ids)

    def _score(self, scores: Tensor, prompts: Tensor, texts: Encoded, reader: Reader) -> None:
        for i, prompt in enumerate(prompts):
            prefix = self._prefix(prompt, texts)
            shared: Any = None
            for bucket in texts.buckets:
                if bucket.left.shape[1]:
                    with self._within(prompt, len(texts.head)):
                        scores[i, bucket.rows] = self._behind(bucket, prefix, reader)
                else:
                    if shared is None:
                        with self._within(prompt, len(texts.head)):
                            shared = self._cache(prefix[None])
                    scores[i, bucket.rows] = self._ahead(bucket, shared, len(prefix), reader)

    def _prefix(self, prompt: Tensor, texts: Encoded) -> Tensor:
        return torch.cat([self._embed(texts.head), prompt[0], self._embed(texts.common)])  # (P', E)

    def _ahead(self, bucket: Bucket, prefix: Any, length: int, reader: Reader) -> Tensor:
        past = deepcopy(prefix)
        if length:
            past.reorder_cache(torch.zeros_like(bucket.rows))  # the one row, N' times
        return self._read(reader, self._embed(bucket.ids), bucket.slot, past, length)

    def _behind(self, bucket: Bucket, prefix: Tensor, reader: Reader) -> Tensor:
        count, start = bucket.left.shape
        if bucket not in self._lefts:
            self._lefts[bucket] = self._cache(self._embed(bucket.left))
        inputs = torch.cat([prefix.expand(count, -1, -1), self._embed(bucket.ids)], dim=1)
        return self._read(reader, inputs, bucket.slot + len(prefix), deepcopy(self._lefts[bucket]), start)

    def _cache(self, inputs: Tensor) -> Any:
        cache: Any = DynamicCache(config=self._model.config)
        if inputs.shape[1]:
            self._model.base_model(inputs_embeds=inputs, past_key_values=cache, use_cache=True)
        return cache

    def _read(self, reader: Reader, inputs: Tensor, slot: Tensor, past: Any, start: int) -> Tensor:
        # Padding is on the right, behind every answer, where causal attention does not look: no mask is needed.
        positions = torch.arange(start, start + inputs.shape[1], device=inputs.device)[None]
        rows = torch.arange(len(slot), device=slot.device)
        arguments = {"inputs_embeds": inputs, "past_key_values": past, "position_ids": positions, "use_cache": True}
        return reader.read(rows, slot, arguments)


class PackedScorer(CausalScorer):
    """The engine for decoder-only models that take many texts in one row; see `packing`."""

    def __init__(self, model: PreTrainedModel, *, precision: Context = nullcontext) -> None:
        super().__init__(model, precision=precision)
        self._most_tokens = MOST_TOKENS

    def _score(self, scores: Tensor, prompts: Tensor, texts: Encoded, reader: Reader) -> None:
        if texts.buckets[0].left.shape[1]:  # the texts come first, and share no prefix
            super()._score(scores, prompts, texts, reader)
            return
        waiting = list(texts.buckets)
        while waiting:
            row = list(_fill(waiting, self._most_tokens))
            try:
                rows = torch.cat([bucket.rows for bucket in row])
                scores[:, rows] = self._score_row(prompts, texts, row, reader)
                del waiting[: len(row)]
            except torch.OutOfMemoryError:
                if len(row) == 1 and len(row[0].rows) == 1:
                    raise
                self._most_tokens //= 2
                waiting = [part for bucket in waiting for part in bucket.split(self._most_tokens)]

    def _score_row(self, prompts: Tensor, texts: Encoded, buckets: list[Bucket], reader: Reader) -> Tensor:
        ahead = len(texts.head) + prompts.shape[2] + len(texts.common)
        layout = pack([bucket.lengths.tolist() for bucket in buckets], ahead, prompts.device)
        both = list(zip(buckets, layout.groups, strict=True))
        embedded = self._embed(torch.cat([bucket.ids[group.real] for bucket, group in both]))
        slots = torch.cat([group.places.gather(1, bucket.slot[:, None])[:, 0] for bucket, group in both])
        rows = torch.zeros_like(slots)

        def run(prompt: Tensor) -> Tensor:
            inputs = torch.cat([self._prefix(prompt, texts), embedded])[None]
            arguments = {"inputs_embeds": inputs, "position_ids": layout.positions, "use_cache": False}
            with self._within(prompt, len(texts.head)), packed(layout):
                return reader.read(rows, slots, arguments)

        return self._each(prompts, run)


class WholeScorer(Scorer):
    """The engine for models that look both ways, encoders and encoder-decoders: nothing is shared between texts."""

    def _score(self, scores: Tensor, prompts: Tensor, texts: Encoded, reader: Reader) -> None:
        for bucket in texts.buckets:
            scores[:, bucket.rows] = self._score_bucket(prompts, texts, bucket, reader)

    def _score_bucket(self, prompts: Tensor, texts: Encoded, bucket: Bucket, reader: Reader) -> Tensor:
        count = len(bucket.rows)
        left = torch.cat([self._embed(texts.head).expand(count, -1, -1), self._embed(bucket.left)], dim=1)
        right = torch.cat([self._embed(texts.common).expand(count, -1, -1), self._embed(bucket.ids)], dim=1)
        at = left.shape[1]
        offset = at + prompts.shape[2] + len(texts.common)
        places = torch.arange(offset + bucket.ids.shape[1], device=prompts.device)
        arguments: dict[str, Any] = {"attention_mask": (places < offset + bucket.lengths[:, None]).long()}
        slot = bucket.slot + offset
        if bucket.decoder.shape[1]:
            arguments |= {"decoder_input_ids": bucket.decoder, "use_cache": False}
            slot = bucket.slot
        rows = torch.arange(count, device=prompts.device)

        def run(prompt: Tensor) -> Tensor:
            inputs = torch.cat([left, prompt[0].expand(count, -1, -1), right], dim=1)
            with self._within(prompt, at):
                return reader.read(rows, slot, {"inputs_embeds": inputs, **arguments})

        return self._each(prompts, run)


def scorer_for(head: Head, model: PreTrainedModel, *, precision: Context = nullcontext) -> Scorer:
    """Return the engine for a model with this head."""
    causal = PackedScorer if takes_packed_rows(model) else CausalScorer
    return (causal if head == "causal" else WholeScorer)(model, precision=precision)


def _first_difference(prompts: Tensor) -> int:
    same = (prompts == prompts[:1]).flatten(2).all(dim=2).all(dim=0)  # (H',)
    return int(same.long().cumprod(0).sum()) % len(same)


def _fill(buckets: list[Bucket], most_tokens: int) -> Iterator[Bucket]:
    tokens = 0
    for bucket in buckets:
        tokens += int(bucket.lengths.sum())
        if tokens > most_tokens and tokens > int(bucket.lengths.sum()):
            return
        yield bucket
