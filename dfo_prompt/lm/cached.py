"""The cached engines for decoders, which compute keys and values of the prefix, prompt or text, once."""

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
"""The most tokens of texts before the prompt whose keys and values are cached, usually training and dev texts."""


class Cached:
    """Runs each bucket with the cached keys and values of its prefix, one bucket after the other; see `Strategy`.

    If the texts come first, their keys and values do not depend on the candidate and are cached between queries; otherwise
    those of the prompt are computed once per candidate.
    """

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._lefts: WeakKeyDictionary[Bucket, Any] = WeakKeyDictionary()

    def arrange(self, bucket: Bucket) -> Sequence[Bucket]:
        """Return the bucket as it is."""
        return (bucket,)

    def take(self, waiting: list[Bucket], most_tokens: int) -> list[Bucket]:  # noqa: ARG002
        """Return all buckets, which share the prompt's keys and values."""
        return waiting

    def score(self, prompts: Tensor, texts: Encoded, buckets: list[Bucket], reader: Reader) -> Tensor:
        """Return scores (B, N', K)."""
        one = self._behind_texts if texts.texts_first else self._behind_prompt
        return torch.stack([one(prompt, texts, buckets, reader) for prompt in prompts])

    def _behind_prompt(self, prompt: Tensor, texts: Encoded, buckets: list[Bucket], reader: Reader) -> Tensor:
        prefix = prefix_of(self._runs, prompt, texts)
        with self._runs.within(prompt, len(texts.head)):
            shared = self._cache(prefix[None])
        return torch.cat([self._ahead(bucket, shared, len(prefix), reader) for bucket in buckets])

    def _behind_texts(self, prompt: Tensor, texts: Encoded, buckets: list[Bucket], reader: Reader) -> Tensor:
        prefix, at = prefix_of(self._runs, prompt, texts), len(texts.head)
        return torch.cat([self._behind(bucket, prefix, self._runs.within(prompt, at), reader) for bucket in buckets])

    def _ahead(self, bucket: Bucket, prefix: Any, length: int, reader: Reader) -> Tensor:
        past = _continued(prefix)
        if length:
            past.reorder_cache(torch.zeros_like(bucket.rows))  # the one row, N' times
        return self._read(reader, self._runs.embed(bucket.ids), bucket, past, length)

    def _behind(self, bucket: Bucket, prefix: Tensor, within: AbstractContextManager[None], reader: Reader) -> Tensor:
        count, start = bucket.left.shape
        past = _continued(self._left(bucket))  # before the layers are given this candidate's prompts
        inputs = torch.cat([prefix.expand(count, -1, -1), self._runs.embed(bucket.ids)], dim=1)
        with within:
            return self._read(reader, inputs, bucket, past, start, ahead=len(prefix))

    def _left(self, bucket: Bucket) -> Any:
        if bucket in self._lefts:
            return self._lefts[bucket]
        left = self._cache(self._runs.embed(bucket.left))
        if bucket.left.numel() + sum(left_part.left.numel() for left_part in self._lefts) <= KEPT_TOKENS:
            self._lefts[bucket] = left
        return left

    def _cache(self, inputs: Tensor) -> Any:
        cache: Any = DynamicCache(config=self._runs.model.config)
        if inputs.shape[1]:
            self._runs.model.base_model(inputs_embeds=inputs, past_key_values=cache, use_cache=True)
        return cache

    def _read(self, reader: Reader, inputs: Tensor, bucket: Bucket, past: Any, start: int, *, ahead: int = 0) -> Tensor:
        # Padding is on the right, behind every answer, where causal attention does not look: no mask is needed.
        positions = torch.arange(start, start + inputs.shape[1], device=inputs.device)[None]
        rows = torch.arange(len(bucket.rows), device=inputs.device)
        arguments = {"inputs_embeds": inputs, "past_key_values": past, "position_ids": positions, "use_cache": True}
        return reader.read(Slots(rows=rows, slot=bucket.slot + ahead, texts=bucket.rows), arguments)


def _continued(cache: Any) -> Any:
    """Return a copy of the cache that can be extended without changing the original."""
    found = copy(cache)
    # A dynamic layer joins new keys and values to its own in another tensor; states of other kinds change in place.
    found.layers = [copy(layer) if isinstance(layer, DynamicLayer) else deepcopy(layer) for layer in cache.layers]
    return found


def prefix_of(runs: Runs, prompt: Tensor, texts: Encoded) -> Tensor:
    """Return the embeddings (P', E) before all texts under a prompt (H', P, E)."""
    return torch.cat([runs.embed(texts.head), prompt[0], runs.embed(texts.common)])
