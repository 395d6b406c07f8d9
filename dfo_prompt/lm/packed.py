"""The packed engine for decoders: many texts in one row behind one prompt; see `packing`."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from dfo_prompt.lm.answers import Reader
from dfo_prompt.lm.cached import prefix_of
from dfo_prompt.lm.encoding import Bucket, Encoded
from dfo_prompt.lm.packing import pack, packed
from dfo_prompt.lm.runs import Runs


class Packed:
    """Runs as many buckets as fit in one row; see `Strategy`."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    def arrange(self, bucket: Bucket) -> Sequence[Bucket]:
        """Return the bucket as it is."""
        return (bucket,)

    def take(self, waiting: list[Bucket], most_tokens: int) -> list[Bucket]:
        """Return the first buckets, up to `most_tokens`."""
        return list(_fill(waiting, most_tokens))

    def score(self, prompts: Tensor, texts: Encoded, buckets: list[Bucket], reader: Reader) -> Tensor:
        """Return scores (B, N', K)."""
        ahead = len(texts.head) + prompts.shape[2] + len(texts.common)
        layout = pack([bucket.lengths.tolist() for bucket in buckets], ahead, prompts.device)
        both = list(zip(buckets, layout.groups, strict=True))
        embedded = self._runs.embed(torch.cat([bucket.ids[group.real] for bucket, group in both]))
        slots = torch.cat([group.places.gather(1, bucket.slot[:, None])[:, 0] for bucket, group in both])
        rows = torch.zeros_like(slots)

        def run(prompt: Tensor) -> Tensor:
            inputs = torch.cat([prefix_of(self._runs, prompt, texts), embedded])[None]
            arguments = {"inputs_embeds": inputs, "position_ids": layout.positions, "use_cache": False}
            with self._runs.within(prompt, len(texts.head)), packed(layout):
                return reader.read(rows, slots, arguments)

        return self._runs.each(prompts, run)


def _fill(buckets: list[Bucket], most_tokens: int) -> Iterator[Bucket]:
    tokens = 0
    for bucket in buckets:
        tokens += int(bucket.lengths.sum())
        if tokens > most_tokens and tokens > int(bucket.lengths.sum()):
            return
        yield bucket
