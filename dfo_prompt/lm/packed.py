"""The packed engine for decoders, which runs many texts in one row without padding; see `packing`."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from dfo_prompt.lm.answers import Reader, Slots
from dfo_prompt.lm.cached import prefix_of
from dfo_prompt.lm.encoding import Bucket, Encoded
from dfo_prompt.lm.packed_behind import PackedBehind
from dfo_prompt.lm.packing import pack, packed
from dfo_prompt.lm.runs import Runs


class Packed:
    """Runs as many buckets in one row as fit; see `Strategy`."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._behind = PackedBehind(runs)

    def arrange(self, bucket: Bucket) -> Sequence[Bucket]:
        """Return the bucket as it is."""
        return (bucket,)

    def take(self, waiting: list[Bucket], most_tokens: int) -> list[Bucket]:
        """Return the first buckets with at most `most_tokens` tokens together, but at least one bucket."""
        return list(_first_buckets(waiting, most_tokens))

    def score(self, prompts: Tensor, texts: Encoded, buckets: list[Bucket], reader: Reader) -> Tensor:
        """Return scores (B, N', K)."""
        if texts.texts_first:
            return self._behind.score(prompts, buckets, reader)
        ahead = len(texts.head) + prompts.shape[2] + len(texts.common)
        layout = pack([bucket.lengths.tolist() for bucket in buckets], ahead, prompts.device)
        pairs = list(zip(buckets, layout.groups, strict=True))
        embedded = self._runs.embed(torch.cat([bucket.ids[group.tokens] for bucket, group in pairs]))
        slots = torch.cat([group.places.gather(1, bucket.slot[:, None])[:, 0] for bucket, group in pairs])
        positions = layout.positions
        at = Slots(rows=torch.zeros_like(slots), slot=slots, texts=torch.cat([bucket.rows for bucket in buckets]))

        def run(prompt: Tensor) -> Tensor:
            inputs = torch.cat([prefix_of(self._runs, prompt, texts), embedded])[None]
            arguments = {"inputs_embeds": inputs, "position_ids": positions, "use_cache": False}
            with self._runs.within(prompt, len(texts.head)), packed(layout):
                return reader.read(at, arguments)

        return self._runs.each(prompts, run, reader)


def _first_buckets(buckets: list[Bucket], most_tokens: int) -> Iterator[Bucket]:
    tokens = 0
    for bucket in buckets:
        size = bucket.left.numel() + int(bucket.lengths.sum())
        tokens += size
        if tokens > most_tokens and tokens > size:
            return
        yield bucket
