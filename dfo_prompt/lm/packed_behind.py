"""The packed engine where texts come first: only prompts and what follows them run, behind keys and values that are kept."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from dfo_prompt.lm.answers import Reader, Slots
from dfo_prompt.lm.cached import KEPT_TOKENS
from dfo_prompt.lm.encoding import Bucket, split_rows
from dfo_prompt.lm.packing import pack, pack_behind, packed
from dfo_prompt.lm.past import Past
from dfo_prompt.lm.runs import Runs

OVERHEAD_TOKENS = 256
"""What one more group costs in every layer, in tokens of the past that attention reads: below it none is worth its own."""


@dataclass(frozen=True, kw_only=True)
class Lefts:
    """The texts of some buckets, in groups of similar length.

    Attributes:
        order: of each group, places of its texts among all of the buckets.
        lengths: of each group, tokens of its texts.
        pasts: of each group.
    """

    order: tuple[tuple[int, ...], ...]
    lengths: tuple[tuple[int, ...], ...]
    pasts: tuple[Past, ...]

    @property
    def tokens(self) -> int:
        """Return how many tokens are kept, with padding."""
        return sum(len(group) * max(group) for group in self.lengths)


class PackedBehind:
    """Runs the texts ahead of the prompt once, and one row of prompts and what follows them for each candidate."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._kept: WeakKeyDictionary[Bucket, Lefts] = WeakKeyDictionary()

    def score(self, prompts: Tensor, buckets: list[Bucket], reader: Reader) -> Tensor:
        """Return scores (B, N', K)."""
        lefts, tokens = self._lefts(buckets), prompts.shape[2]
        order = [place for group in lefts.order for place in group]
        rights = [
            row[:length] for bucket in buckets for row, length in zip(bucket.ids, bucket.lengths.tolist(), strict=True)
        ]
        ends = [[tokens + len(rights[place]) for place in group] for group in lefts.order]
        layout = pack_behind(list(zip(lefts.pasts, lefts.lengths, strict=True)), ends, prompts.device)
        starts = torch.tensor([0, *accumulate(end for group in ends for end in group)][:-1], device=prompts.device)  # (N',)
        copies = starts[:, None] + torch.arange(tokens, device=prompts.device)  # (N', P)
        slots = starts + tokens + torch.cat([bucket.slot for bucket in buckets])[order]
        texts = torch.cat([bucket.rows for bucket in buckets])[order]
        at = Slots(rows=torch.zeros_like(slots), slot=slots, texts=texts)
        is_right = torch.ones(layout.positions.shape[1], dtype=torch.bool, device=prompts.device)
        is_right[copies] = False
        embedded = self._runs.embed(torch.cat([rights[place] for place in order]))
        inputs = embedded.new_zeros((len(is_right), embedded.shape[1]))
        inputs[is_right] = embedded

        def run(prompt: Tensor) -> Tensor:
            own = inputs.clone()
            own[copies] = prompt[0]
            arguments = {"inputs_embeds": own[None], "position_ids": layout.positions, "use_cache": False}
            with self._runs.within(prompt, copies), packed(layout):
                return reader.read(at, arguments)

        back = torch.tensor(order, device=prompts.device).argsort()
        return self._runs.each(prompts, run)[:, back]

    def _lefts(self, buckets: list[Bucket]) -> Lefts:
        count = sum(len(bucket.rows) for bucket in buckets)
        # Buckets are taken in turn, so that the first one and the number of texts say which.
        kept = self._kept.get(buckets[0])
        if kept and sum(map(len, kept.order)) == count:
            return kept
        lefts = self._run([row for bucket in buckets for row in bucket.left])
        if lefts.tokens + sum(run.tokens for run in self._kept.values()) <= KEPT_TOKENS:
            self._kept[buckets[0]] = lefts
        return lefts

    def _run(self, texts: Sequence[Tensor]) -> Lefts:
        order = split_rows([len(text) for text in texts], OVERHEAD_TOKENS)
        lengths = [[len(texts[place]) for place in group] for group in order]
        layout = pack(lengths, 0, texts[0].device)
        layout = replace(layout, groups=tuple(replace(group, kept=Past()) for group in layout.groups))
        ids = torch.cat([texts[place] for group in order for place in group])
        with packed(layout):
            self._runs.model.base_model(
                inputs_embeds=self._runs.embed(ids)[None], position_ids=layout.positions, use_cache=False
            )
        return Lefts(
            order=tuple(map(tuple, order)),
            lengths=tuple(map(tuple, lengths)),
            pasts=tuple(group.kept for group in layout.groups if group.kept),
        )
