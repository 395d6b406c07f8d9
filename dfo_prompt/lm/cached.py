"""The cached engine for decoders, which computes the keys and values of a shared prefix once."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from copy import copy, deepcopy
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from dfo_prompt.lm.answers import Reader, Slots
from dfo_prompt.lm.encoding import Bucket, Encoded
from dfo_prompt.lm.runs import Runs

KEPT_TOKENS = 2**15
"""The largest number of tokens ahead of prompts whose keys and values stay cached; training and dev texts usually fit."""


class Cached:
    """Runs bucket after bucket with the cached keys and values of its prefix; see `Strategy`.

    Texts ahead of the prompt do not depend on the candidate, so their keys and values are cached between queries. If the
    prompt comes first, its keys and values are computed once per candidate.
    """

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._left_caches: WeakKeyDictionary[Bucket, Any] = WeakKeyDictionary()

    def arrange(self, bucket: Bucket) -> Sequence[Bucket]:
        """Return the bucket as it is."""
        return (bucket,)

    def take(self, waiting: list[Bucket], most_tokens: int) -> list[Bucket]:  # noqa: ARG002
        """Return all buckets, which share the prompt's keys and values."""
        return waiting

    def score(self, prompts: Tensor, texts: Encoded, buckets: list[Bucket], reader: Reader) -> Tensor:
        """Return scores (B, N', K)."""
        run = self._texts_first if texts.texts_first else self._prompt_first
        return torch.stack([run(prompt, texts, buckets, reader) for prompt in prompts])

    def _prompt_first(self, prompt: Tensor, texts: Encoded, buckets: list[Bucket], reader: Reader) -> Tensor:
        prefix = prefix_of(self._runs, prompt, texts)
        with self._runs.within(prompt, len(texts.head)):
            shared = self._cache(prefix[None])
        return torch.cat([self._after_prefix(bucket, shared, len(prefix), reader) for bucket in buckets])

    def _texts_first(self, prompt: Tensor, texts: Encoded, buckets: list[Bucket], reader: Reader) -> Tensor:
        prefix, at = prefix_of(self._runs, prompt, texts), len(texts.head)
        return torch.cat([self._after_left(bucket, prefix, self._runs.within(prompt, at), reader) for bucket in buckets])

    def _after_prefix(self, bucket: Bucket, prefix: Any, length: int, reader: Reader) -> Tensor:
        past = _continued(prefix)
        if length:
            past.reorder_cache(torch.zeros_like(bucket.rows))  # row 0, N' times
        return self._read(reader, self._runs.embed(bucket.ids), bucket, past, length)

    def _after_left(self, bucket: Bucket, prefix: Tensor, within: AbstractContextManager[None], reader: Reader) -> Tensor:
        count, start = bucket.left.shape
        past = _continued(self._left_cache(bucket))  # outside `within`: the left parts run without prompts in the layers
        inputs = torch.cat([prefix.expand(count, -1, -1), self._runs.embed(bucket.ids)], dim=1)
        with within:
            return self._read(reader, inputs, bucket, past, start, ahead=len(prefix))

    def _left_cache(self, bucket: Bucket) -> Any:
        if bucket in self._left_caches:
            return self._left_caches[bucket]
        cache = self._cache(self._runs.embed(bucket.left))
        if bucket.left.numel() + sum(other.left.numel() for other in self._left_caches) <= KEPT_TOKENS:
            self._left_caches[bucket] = cache
        return cache

    def _cache(self, inputs: Tensor) -> Any:
        cache: Any = DynamicCache(config=self._runs.model.config)
        if inputs.shape[1]:
            self._runs.model.base_model(inputs_embeds=inputs, past_key_values=cache, use_cache=True)
        return cache

    def _read(self, reader: Reader, inputs: Tensor, bucket: Bucket, past: Any, start: int, *, ahead: int = 0) -> Tensor:
        # Padding stands behind every answer, where causal attention does not look, so no attention mask is needed.
        rows = torch.arange(len(bucket.rows), device=inputs.device)
        return reader.read(Slots(rows=rows, slot=bucket.slot + ahead, texts=bucket.rows), cached_inputs(inputs, past, start))


def cached_inputs(inputs: Tensor, cache: Any, start: int) -> dict[str, Any]:
    """Return the arguments of a forward pass of embeddings (N, L, E) behind `start` tokens with cached keys and values."""
    positions = torch.arange(start, start + inputs.shape[1], device=inputs.device)[None]
    return {"inputs_embeds": inputs, "past_key_values": cache, "position_ids": positions, "use_cache": True}


def _continued(cache: Any) -> Any:
    """Return a copy of the cache that can be extended without changing the original."""
    extended = copy(cache)
    # A dynamic layer concatenates keys and values into new tensors; other layers change their state in place.
    extended.layers = [copy(layer) if isinstance(layer, DynamicLayer) else deepcopy(layer) for layer in cache.layers]
    return extended


def prefix_of(runs: Runs, prompt: Tensor, texts: Encoded) -> Tensor:
    """Return the embeddings (P', E) that all texts share under a prompt (H', P, E): head, prompt, common part."""
    return torch.cat([runs.embed(texts.head), prompt[0], runs.embed(texts.common)])
