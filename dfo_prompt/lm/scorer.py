"""The engine: what a model says of texts under soft prompts, one candidate at a time.

A score thus does not depend on which candidates share a batch. Only answer positions reach the head. A causal model computes
what lies ahead of the texts once a candidate, and what lies ahead of the prompt once a study. With a prompt in every layer,
what lies below the first in which the candidates differ is computed once for all of them.
"""

import re
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
"""Of texts that run together, until memory does not suffice: more are no faster."""
KEPT_TOKENS = 2**15
"""Of texts ahead of the prompt whose keys and values are kept: training and dev texts, as a rule, that are asked again."""
OUT_OF_MEMORY = re.compile("out of memory|not enough memory|can't allocate memory")  # CUDA and MPS; CPU
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
        self._most_tokens = MOST_TOKENS
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
        waiting = list(texts.buckets)
        with self._precision():
            while waiting:
                waiting = [part for bucket in waiting for part in bucket.split(self._most_tokens)]
                taken = self._take(waiting)
                try:
                    scores[:, torch.cat([bucket.rows for bucket in taken])] = self._score(prompts, texts, taken, reader)
                    waiting = waiting[len(taken) :]
                except RuntimeError as error:
                    if not (self._most_tokens and OUT_OF_MEMORY.search(str(error))):
                        raise
                    self._most_tokens //= 2
        return scores

    def has_plain_head(self, ids: Tensor) -> bool:  # noqa: ARG002
        """Tell whether label-word logits (token ids (C,)) can be had from the last hidden states alone."""
        return False

    def _take(self, waiting: list[Bucket]) -> list[Bucket]:
        """Return the first buckets, which run together."""
        return waiting[:1]

    @abstractmethod
    def _score(self, prompts: Tensor, texts: Encoded, buckets: list[Bucket], reader: Reader) -> Tensor:
        """Return the scores (B, N', K) of some buckets of the texts under prompts (B, H', P, E)."""

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

    def _take(self, waiting: list[Bucket]) -> list[Bucket]:
        return waiting  # one after the other, behind keys and values that all share

    def _score(self, prompts: Tensor, texts: Encoded, buckets: list[Bucket], reader: Reader) -> Tensor:
        return torch.stack([self._score_one(prompt, texts, buckets, reader) for prompt in prompts])

    def _score_one(self, prompt: Tensor, texts: Encoded, buckets: list[Bucket], reader: Reader) -> Tensor:
        prefix, at = self._prefix(prompt, texts), len(texts.head)
        if _texts_come_first(buckets):
            return torch.cat([self._behind(one, prefix, self._within(prompt, at), reader) for one in buckets])
        with self._within(prompt, at):
            shared = self._cache(prefix[None])
        return torch.cat([self._ahead(bucket, shared, len(prefix), reader) for bucket in buckets])

    def _prefix(self, prompt: Tensor, texts: Encoded) -> Tensor:
        return torch.cat([self._embed(texts.head), prompt[0], self._embed(texts.common)])  # (P', E)

    def _ahead(self, bucket: Bucket, prefix: Any, length: int, reader: Reader) -> Tensor:
        past = deepcopy(prefix)
        if length:
            past.reorder_cache(torch.zeros_like(bucket.rows))  # the one row, N' times
        return self._read(reader, self._embed(bucket.ids), bucket.slot, past, length)

    def _behind(self, bucket: Bucket, prefix: Tensor, within: AbstractContextManager[None], reader: Reader) -> Tensor:
        count, start = bucket.left.shape
        past = deepcopy(self._left(bucket))  # before the layers are given this candidate's prompts
        inputs = torch.cat([prefix.expand(count, -1, -1), self._embed(bucket.ids)], dim=1)
        with within:
            return self._read(reader, inputs, bucket.slot + len(prefix), past, start)

    def _left(self, bucket: Bucket) -> Any:
        if bucket in self._lefts:
            return self._lefts[bucket]
        left = self._cache(self._embed(bucket.left))
        if bucket.left.numel() + sum(one.left.numel() for one in self._lefts) <= KEPT_TOKENS:
            self._lefts[bucket] = left
        return left

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

    def _take(self, waiting: list[Bucket]) -> list[Bucket]:
        return waiting if _texts_come_first(waiting) else list(_fill(waiting, self._most_tokens))

    def _score(self, prompts: Tensor, texts: Encoded, buckets: list[Bucket], reader: Reader) -> Tensor:
        if _texts_come_first(buckets):  # they share no prefix
            return super()._score(prompts, texts, buckets, reader)
        return self._score_row(prompts, texts, buckets, reader)

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

    def _score(self, prompts: Tensor, texts: Encoded, buckets: list[Bucket], reader: Reader) -> Tensor:
        (bucket,) = buckets
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


def _texts_come_first(buckets: list[Bucket]) -> bool:
    return any(bucket.left.shape[1] for bucket in buckets)


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
