"""The engines for decoders, which compute what lies ahead of the texts once a candidate, and of the prompt once a study."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from dfo_prompt.lm.answers import Reader, head_is_plain
from dfo_prompt.lm.encoding import Bucket, Encoded
from dfo_prompt.lm.packing import pack, packed
from dfo_prompt.lm.scorer import Context, Scorer

KEPT_TOKENS = 2**15
"""Of texts ahead of the prompt whose keys and values are kept: training and dev texts, as a rule, that are asked again."""


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


def _texts_come_first(buckets: list[Bucket]) -> bool:
    return any(bucket.left.shape[1] for bucket in buckets)


def _fill(buckets: list[Bucket], most_tokens: int) -> Iterator[Bucket]:
    tokens = 0
    for bucket in buckets:
        tokens += int(bucket.lengths.sum())
        if tokens > most_tokens and tokens > int(bucket.lengths.sum()):
            return
        yield bucket
