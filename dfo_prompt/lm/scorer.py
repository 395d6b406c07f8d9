"""The engine: label-word logits of texts under soft prompts, each prompt's keys and values computed once."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear
from transformers import DynamicCache, PreTrainedModel

from dfo_prompt.lm.encoding import Bucket, Encoded


class Scorer:
    """Scores soft prompts with a causal language model of transformers.

    Candidates are taken one at a time and texts in fixed buckets, so a score does not depend on which candidates share a
    batch. Only the answer positions reach the head, and only its rows for the label words are kept.

    Args:
        model: any causal model that takes `inputs_embeds` and a key/value cache.
        words: (C,) token ids of the label words.
        precision: opens the context that forwards run in.
    """

    def __init__(
        self, model: PreTrainedModel, words: Tensor, *, precision: Callable[[], AbstractContextManager[object]] = nullcontext
    ) -> None:
        self._model: Any = model
        self._words = words
        self._precision = precision
        with torch.inference_mode(), precision():
            self._plain_head = _head_is_plain(model, words)

    @torch.inference_mode()
    def score(self, prompts: Tensor, texts: Encoded) -> Tensor:
        """Return the logits (B, N, C) of the label words after each text, under prompts (B, P, E), in float32."""
        with self._precision():
            return torch.stack([self._score_one(prompt, texts) for prompt in prompts])  # (B, N, C)

    def _score_one(self, prompt: Tensor, texts: Encoded) -> Tensor:
        embed = self._model.get_input_embeddings()
        prefix = torch.cat([embed(texts.head), prompt.to(embed.weight.dtype), embed(texts.common)])  # (P', E)
        logits = torch.empty((texts.count, len(self._words)), device=prompt.device)
        past = self._prefill(prefix)
        for bucket in texts.buckets:
            logits[bucket.rows] = self._answers(bucket, past, len(prefix))
        return logits

    def _prefill(self, prefix: Tensor) -> Any:
        cache: Any = DynamicCache(config=self._model.config)
        if len(prefix):
            self._model.base_model(inputs_embeds=prefix[None], past_key_values=cache, use_cache=True)
        return cache

    def _answers(self, bucket: Bucket, past: Any, offset: int) -> Tensor:
        count, length = bucket.ids.shape
        rows = torch.arange(count, device=bucket.ids.device)
        cache = deepcopy(past)
        if offset:
            cache.reorder_cache(torch.zeros_like(rows))  # the one row, N' times
        # Padding is on the right, behind every answer, where causal attention does not look: no mask is needed.
        positions = torch.arange(offset, offset + length, device=bucket.ids.device)[None]
        arguments = {"input_ids": bucket.ids, "past_key_values": cache, "position_ids": positions, "use_cache": True}
        if self._plain_head:
            hidden = self._model.base_model(**arguments).last_hidden_state[rows, bucket.last]  # (N', E)
            return label_logits(self._model, hidden, self._words)
        kept, place = torch.unique(bucket.last, return_inverse=True)
        logits: Tensor = self._model(**arguments, logits_to_keep=kept).logits  # (N', K, V)
        return logits[rows, place][:, self._words].float()  # (N', C)


def label_logits(model: PreTrainedModel, hidden: Tensor, words: Tensor) -> Tensor:
    """Return the logits (N, C) of the label words from hidden states (N, E): the head's rows for them, in float32."""
    head: Any = model.get_output_embeddings()
    bias = None if getattr(head, "bias", None) is None else head.bias[words].float()
    with torch.autocast(hidden.device.type, enabled=False):
        return linear(hidden.float(), head.weight[words].float(), bias)


def _head_is_plain(model: Any, words: Tensor) -> bool:
    # Some families scale or cap their logits. This is tried on the label words themselves, whatever the family.
    full = model(input_ids=words[None], use_cache=False).logits[0][:, words].float()
    hidden = model.base_model(input_ids=words[None], use_cache=False).last_hidden_state[0]
    short = label_logits(model, hidden, words)
    return torch.allclose(full, short, rtol=1e-2, atol=1e-2 * full.std().item())
