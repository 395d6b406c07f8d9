"""The engine: what a model says of texts under soft prompts. Only answer positions reach the head."""

from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from dfo_prompt.lm.answers import Reader
from dfo_prompt.lm.causal import CausalScorer, PackedScorer
from dfo_prompt.lm.encoding import Bucket, Encoded
from dfo_prompt.lm.checkpoint import Head
from dfo_prompt.lm.packing import takes_packed_rows
from dfo_prompt.lm.scorer import Context, Scorer


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
