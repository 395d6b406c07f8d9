"""The packed engine for texts ahead of the prompt: their keys and values are cached, and only what follows them runs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from dfo_prompt.lm.answers import Reader, Slots
from dfo_prompt.lm.cached import KEPT_TOKENS
from dfo_prompt.lm.encoding import Bucket, overhead_tokens, split_rows
from dfo_prompt.lm.packing import pack, pack_behind, packed
from dfo_prompt.lm.past import Past
from dfo_prompt.lm.runs import Runs

PACKED_OVERHEAD_TOKENS = 256
"""The overhead of a further group in every layer, in cached tokens that attention reads; smaller savings justify none."""


@dataclass(frozen=True, kw_only=True)
class Lefts:
    """The left parts of some buckets' texts, in groups of similar length.

    Attributes:
        order: for each group, the indices of its texts among all texts of the buckets.
        lengths: for each group, the number of tokens of each left part.
        pasts: for each group, the keys and values of its left parts.
    """

    order: tuple[tuple[int, ...], ...]
    lengths: tuple[tuple[int, ...], ...]
    pasts: tuple[Past, ...]

    @property
    def tokens(self) -> int:
        """Return the number of cached tokens, including padding."""
        return sum(len(group) * max(group) for group in self.lengths)


class PackedBehind:
    """Runs left parts once, and for each candidate one row of copies of the prompt, each with the rest of its text."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._cached: WeakKeyDictionary[Bucket, Lefts] = WeakKeyDictionary()

    def score(self, prompts: Tensor, buckets: list[Bucket], reader: Reader) -> Tensor:
        """Return scores (B, N', K)."""
        lefts, tokens = self._lefts(buckets), prompts.shape[2]
        order = [index for group in lefts.order for index in group]
        rights = [
            row[:length] for bucket in buckets for row, length in zip(bucket.ids, bucket.lengths.tolist(), strict=True)
        ]
        lengths = [[tokens + len(rights[index]) for index in group] for group in lefts.order]
        layout = pack_behind(list(zip(lefts.pasts, lefts.lengths, strict=True)), lengths, prompts.device)
        ends = accumulate(length for group in lengths for length in group)
        starts = torch.tensor([0, *ends][:-1], device=prompts.device)  # (N',)
        copies = starts[:, None] + torch.arange(tokens, device=prompts.device)  # (N', P)
        slots = starts + tokens + torch.cat([bucket.slot for bucket in buckets])[order]
        texts = torch.cat([bucket.rows for bucket in buckets])[order]
        at = Slots(rows=torch.zeros_like(slots), slot=slots, texts=texts)
        positions = layout.positions
        is_right = torch.ones(positions.shape[1], dtype=torch.bool, device=prompts.device)
        is_right[copies] = False
        embedded = self._runs.embed(torch.cat([rights[index] for index in order]))
        inputs = embedded.new_zeros((len(is_right), embedded.shape[1]))
        inputs[is_right] = embedded

        def run(prompt: Tensor) -> Tensor:
            row = inputs.clone()
            row[copies] = prompt[0]
            arguments = {"inputs_embeds": row[None], "position_ids": positions, "use_cache": False}
            with self._runs.within(prompt, copies), packed(layout):
                return reader.read(at, arguments)

        inverse = torch.tensor(order, device=prompts.device).argsort()
        return self._runs.each(prompts, run, reader)[:, inverse]

    def _lefts(self, buckets: list[Bucket]) -> Lefts:
        count = sum(len(bucket.rows) for bucket in buckets)
        # Buckets are taken in order, so that the first bucket and the number of texts identify them all.
        cached = self._cached.get(buckets[0])
        if cached and sum(map(len, cached.order)) == count:
            return cached
        lefts = self._run([row for bucket in buckets for row in bucket.left])
        if lefts.tokens + sum(other.tokens for other in self._cached.values()) <= KEPT_TOKENS:
            self._cached[buckets[0]] = lefts
        return lefts

    def _run(self, texts: Sequence[Tensor]) -> Lefts:
        device = texts[0].device
        order = split_rows([len(text) for text in texts], max(PACKED_OVERHEAD_TOKENS, overhead_tokens(device)))
        lengths = [[len(texts[index]) for index in group] for group in order]
        layout = pack(lengths, 0, device)
        layout = replace(layout, groups=tuple(replace(group, kept=Past()) for group in layout.groups))
        ids = torch.cat([texts[index] for group in order for index in group])
        with packed(layout):
            self._runs.model.base_model(
                inputs_embeds=self._runs.embed(ids)[None], position_ids=layout.positions, use_cache=False
            )
        return Lefts(
            order=tuple(map(tuple, order)),
            lengths=tuple(map(tuple, lengths)),
            pasts=tuple(group.kept for group in layout.groups if group.kept),
        )
