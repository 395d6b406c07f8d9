"""The engine: label-word logits of texts under soft prompts, one candidate at a time.

A score thus does not depend on which candidates share a batch. Only answer positions reach the head, only label words leave
it. A causal model computes what lies ahead of the texts once a candidate, and what lies ahead of the prompt once a study.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from dfo_prompt.lm.answers import head_is_plain, label_logits, only_answers
from dfo_prompt.lm.encoding import Bucket, Encoded
from dfo_prompt.lm.load import Head
from dfo_prompt.lm.packing import pack, packed, takes_packed_rows

Context = Callable[[], AbstractContextManager[object]]

MOST_TOKENS = 8192
"""Of texts in one packed row, to begin with."""


class Scorer(ABC):
    """Scores soft prompts with a language model of transformers.

    Args:
        model: any model that takes `inputs_embeds`.
        words: (C,) token ids of the label words.
        precision: opens the context that forwards run in.
    """

    def __init__(self, model: PreTrainedModel, words: Tensor, *, precision: Context = nullcontext) -> None:
        self._model: Any = model
        self._words = words
        self._precision = precision

    @torch.inference_mode()
    def score(self, prompts: Tensor, texts: Encoded) -> Tensor:
        """Return the logits (B, N, C) of the label words as answers to N texts, under prompts (B, P, E), in float32."""
        logits = torch.empty((len(prompts), texts.count, len(self._words)), device=prompts.device)
        with self._precision():
            for scores, prompt in zip(logits, prompts, strict=True):
                self._score(scores, prompt.to(self._embed.weight.dtype), texts)
        return logits

    @abstractmethod
    def _score(self, scores: Tensor, prompt: Tensor, texts: Encoded) -> None:
        """Fill in the logits (N, C) under one prompt (P, E)."""

    @property
    def _embed(self) -> Any:
        return self._model.get_input_embeddings()

    def _run(self, rows: Tensor, slot: Tensor, **inputs: Any) -> Tensor:
        with only_answers(self._model, rows, slot):
            logits: Tensor = self._model(**inputs).logits  # (N', 1, V)
        return logits[:, 0, self._words].float()  # (N', C)


class CausalScorer(Scorer):
    """The engine for decoder-only models: each bucket behind the cached keys and values of what lies ahead."""

    def __init__(self, model: PreTrainedModel, words: Tensor, *, precision: Context = nullcontext) -> None:
        super().__init__(model, words, precision=precision)
        # Keys and values of the texts ahead of the prompt, which no candidate changes.
        self._lefts: WeakKeyDictionary[Bucket, Any] = WeakKeyDictionary()
        with torch.inference_mode(), precision():
            self._plain_head = head_is_plain(model, words)

    def _score(self, scores: Tensor, prompt: Tensor, texts: Encoded) -> None:
        prefix = torch.cat([self._embed(texts.head), prompt, self._embed(texts.common)])  # (P', E)
        shared: Any = None
        for bucket in texts.buckets:
            count, skip = bucket.left.shape
            if skip:
                past, start = deepcopy(self._left(bucket)), skip
                inputs = torch.cat([prefix.expand(count, -1, -1), self._embed(bucket.ids)], dim=1)
                slot = bucket.slot + len(prefix)
            else:
                shared = shared or self._cache(prefix[None])
                past, start = deepcopy(shared), len(prefix)
                inputs, slot = self._embed(bucket.ids), bucket.slot
                if start:
                    past.reorder_cache(torch.zeros_like(bucket.rows))  # the one row, N' times
            scores[bucket.rows] = self._answers(inputs, slot, past, start)

    def _left(self, bucket: Bucket) -> Any:
        if bucket not in self._lefts:
            self._lefts[bucket] = self._cache(self._embed(bucket.left))
        return self._lefts[bucket]

    def _cache(self, inputs: Tensor) -> Any:
        cache: Any = DynamicCache(config=self._model.config)
        if inputs.shape[1]:
            self._model.base_model(inputs_embeds=inputs, past_key_values=cache, use_cache=True)
        return cache

    def _answers(self, inputs: Tensor, slot: Tensor, past: Any, start: int) -> Tensor:
        # Padding is on the right, behind every answer, where causal attention does not look: no mask is needed.
        positions = torch.arange(start, start + inputs.shape[1], device=inputs.device)[None]
        rows = torch.arange(len(slot), device=slot.device)
        return self._logits(rows, slot, inputs_embeds=inputs, past_key_values=past, position_ids=positions, use_cache=True)

    def _logits(self, rows: Tensor, slot: Tensor, **inputs: Any) -> Tensor:
        if self._plain_head:
            hidden = self._model.base_model(**inputs).last_hidden_state  # (N', L', E)
            return label_logits(self._model, hidden[rows, slot], self._words)
        return self._run(rows, slot, **inputs)


class PackedScorer(CausalScorer):
    """The engine for decoder-only models that take many texts in one row; see `packing`."""

    def __init__(self, model: PreTrainedModel, words: Tensor, *, precision: Context = nullcontext) -> None:
        super().__init__(model, words, precision=precision)
        self._most_tokens = MOST_TOKENS

    def _score(self, scores: Tensor, prompt: Tensor, texts: Encoded) -> None:
        if texts.buckets[0].left.shape[1]:  # the texts come first, and share no prefix
            super()._score(scores, prompt, texts)
            return
        prefix = torch.cat([self._embed(texts.head), prompt, self._embed(texts.common)])  # (P', E)
        waiting = list(texts.buckets)
        while waiting:
            row = list(_fill(waiting, self._most_tokens))
            try:
                scores[torch.cat([bucket.rows for bucket in row])] = self._score_row(prefix, row)
                del waiting[: len(row)]
            except torch.OutOfMemoryError:
                if len(row) == 1 and len(row[0].rows) == 1:
                    raise
                self._most_tokens //= 2
                waiting = [part for bucket in waiting for part in bucket.split(self._most_tokens)]

    def _score_row(self, prefix: Tensor, buckets: list[Bucket]) -> Tensor:
        layout = pack([bucket.lengths.tolist() for bucket in buckets], len(prefix), prefix.device)
        ids = torch.cat([bucket.ids[group.real] for bucket, group in zip(buckets, layout.groups, strict=True)])
        slots = torch.cat(
            [group.places.gather(1, b.slot[:, None])[:, 0] for b, group in zip(buckets, layout.groups, strict=True)]
        )
        inputs = torch.cat([prefix, self._embed(ids)])[None]
        with packed(layout):
            rows = torch.zeros_like(slots)
            return self._logits(rows, slots, inputs_embeds=inputs, position_ids=layout.positions, use_cache=False)


class WholeScorer(Scorer):
    """The engine for models that look both ways, encoders and encoder-decoders: nothing is shared between texts."""

    def _score(self, scores: Tensor, prompt: Tensor, texts: Encoded) -> None:
        for bucket in texts.buckets:
            count = len(bucket.rows)
            rows = torch.arange(count, device=prompt.device)
            head, common = self._embed(texts.head), self._embed(texts.common)
            ahead = [head.expand(count, -1, -1), self._embed(bucket.left), prompt.expand(count, -1, -1)]
            inputs = torch.cat([*ahead, common.expand(count, -1, -1), self._embed(bucket.ids)], dim=1)
            offset = inputs.shape[1] - bucket.ids.shape[1]
            places = torch.arange(inputs.shape[1], device=inputs.device)
            arguments = {"inputs_embeds": inputs, "attention_mask": (places < offset + bucket.lengths[:, None]).long()}
            if bucket.decoder.shape[1]:
                arguments["decoder_input_ids"] = bucket.decoder
                scores[bucket.rows] = self._run(rows, bucket.slot, **arguments, use_cache=False)
            else:
                scores[bucket.rows] = self._run(rows, bucket.slot + offset, **arguments)


def scorer_for(head: Head, model: PreTrainedModel, words: Tensor, *, precision: Context = nullcontext) -> Scorer:
    """Return the engine for a model with this head."""
    causal = PackedScorer if takes_packed_rows(model) else CausalScorer
    return (causal if head == "causal" else WholeScorer)(model, words, precision=precision)


def _fill(buckets: list[Bucket], most_tokens: int) -> Iterator[Bucket]:
    tokens = 0
    for bucket in buckets:
        tokens += int(bucket.lengths.sum())
        if tokens > most_tokens and tokens > int(bucket.lengths.sum()):
            return
        yield bucket
