"""The plain engine, which runs every text as a whole row under every prompt."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from dfo_prompt.lm.answers import Reader, Slots
from dfo_prompt.lm.encoding import Bucket, Encoded
from dfo_prompt.lm.runs import Runs

Rows = Literal["plain", "unpadded", "single"]


class Plain:
    """Runs whole rows, which any model accepts; see `Strategy`.

    Args:
        runs: the model.
        rows: texts that run together: "plain", texts of similar length, padded on the right; "unpadded", texts of equal
            length; "single", each text alone.
        mask: whether to mask padding, which causal models need not: it stands behind every answer.
    """

    def __init__(self, runs: Runs, *, rows: Rows, mask: bool) -> None:
        self._runs, self._rows, self._mask = runs, rows, mask

    def arrange(self, bucket: Bucket) -> Sequence[Bucket]:
        """Cut a bucket into parts that can run together."""
        if self._rows == "plain":
            return (bucket,)
        return bucket.by_length() if self._rows == "unpadded" else bucket.cut(range(1, len(bucket.rows)))

    def take(self, waiting: list[Bucket], most_tokens: int) -> list[Bucket]:  # noqa: ARG002
        """Return the first bucket."""
        return waiting[:1]

    def score(self, prompts: Tensor, texts: Encoded, buckets: list[Bucket], reader: Reader) -> Tensor:
        """Return scores (B, N', K)."""
        (bucket,) = buckets
        count, embed = len(bucket.rows), self._runs.embed
        left = torch.cat([embed(texts.head).expand(count, -1, -1), embed(bucket.left)], dim=1)
        right = torch.cat([embed(texts.common).expand(count, -1, -1), embed(bucket.ids)], dim=1)
        at = left.shape[1]
        offset = at + prompts.shape[2] + len(texts.common)
        arguments: dict[str, Any] = dict(self._runs.uncached)
        if self._mask and bool((bucket.lengths < bucket.ids.shape[1]).any()):
            positions = torch.arange(offset + bucket.ids.shape[1], device=prompts.device)
            arguments |= {"attention_mask": (positions < offset + bucket.lengths[:, None]).long()}
        slot = bucket.slot + offset
        if bucket.decoder.shape[1]:
            arguments |= {"decoder_input_ids": bucket.decoder}
            slot = bucket.slot
        slots = Slots(rows=torch.arange(count, device=prompts.device), slot=slot, texts=bucket.rows)

        def run(prompt: Tensor) -> Tensor:
            inputs = torch.cat([left, prompt[0].expand(count, -1, -1), right], dim=1)
            with self._runs.within(prompt, at):
                return reader.read(slots, {"inputs_embeds": inputs, **arguments})

        return self._runs.each(prompts, run, reader)
