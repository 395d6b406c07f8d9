"""Encodes examples as token ids for the engine."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from dfo_prompt.errors import ModelError
from dfo_prompt.lm.layout import Layout, lay_out, template_of
from dfo_prompt.lm.load import LanguageModel
from dfo_prompt.tasks.examples import Texts
from dfo_prompt.tasks.task import Task

ANCHOR = ":"
"""The text before label words when they are tokenised; no vocabulary merges it with them."""
OVERHEAD_TOKENS = 96
"""The cost of a forward pass in tokens; smaller savings do not justify splitting a bucket."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Bucket:
    """Examples of similar length.

    Attributes:
        rows: (N',) their places among all examples.
        left: (N', L0) token ids ahead of the soft prompt, all of one length; empty where they are the same for all examples.
        ids: (N', L') token ids behind the soft prompt, padded on the right.
        lengths: (N',) without padding.
        slot: (N',) the place whose output is the answer, in `decoder` where there is one, else in `ids`.
        decoder: (N', D) token ids that a decoder is given, padded on the right; D is 0 without one.
    """

    rows: Tensor
    left: Tensor
    ids: Tensor
    lengths: Tensor
    slot: Tensor
    decoder: Tensor

    def split(self, most_tokens: int) -> "tuple[Bucket, ...]":
        """Return the same examples in buckets of at most that many tokens, or of one example."""
        count = max(1, most_tokens // max(1, self.left.shape[1] + self.ids.shape[1]))
        return self.cut(range(count, len(self.rows), count))

    def by_length(self) -> "tuple[Bucket, ...]":
        """Return the same examples in buckets without padding."""
        shapes = list(zip(self.lengths.tolist(), self.slot.tolist(), strict=True))
        return self.cut([row for row in range(1, len(shapes)) if shapes[row] != shapes[row - 1]])

    def cut(self, places: Sequence[int]) -> "tuple[Bucket, ...]":
        """Return the same examples in buckets that begin at the first row and at `places`."""
        if not places:
            return (self,)
        parts = []
        for start, stop in pairwise([0, *places, len(self.rows)]):
            part = {name: value[start:stop] for name, value in vars(self).items()}
            longest = int(part["lengths"].max())
            # Behind its slot every decoder has as many tokens: those of the answer's beginning.
            spare = int(self.slot.max() - part["slot"].max())
            decoder = part["decoder"][:, : max(0, part["decoder"].shape[1] - spare)]
            parts.append(Bucket(**{**part, "ids": part["ids"][:, :longest], "decoder": decoder}))
        return tuple(parts)


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """N examples ready for the engine: [head] [left] [soft prompt] [common] [ids] -> answer.

    Attributes:
        head: ids that all examples have ahead of the soft prompt.
        common: ids that all examples have right behind it; a causal model computes them once a candidate, like the prompt.
        tokens: of all examples, without padding and soft prompts.
    """

    head: Tensor
    common: Tensor
    buckets: tuple[Bucket, ...]
    count: int
    tokens: int

    @property
    def texts_first(self) -> bool:
        """Tell whether the examples differ ahead of the soft prompt."""
        return any(bucket.left.shape[1] for bucket in self.buckets)

    @property
    def longest(self) -> int:
        """Return the tokens of the longest example, without the soft prompt."""
        ends = (bucket.left.shape[1] + int(bucket.lengths.max()) for bucket in self.buckets)
        return len(self.head) + len(self.common) + max(ends)


def encode(
    lm: LanguageModel, task: Task, texts: Texts, *, prompt_tokens: int, answer: Sequence[int] = (), back: int = 0
) -> Encoded:
    """Render, tokenise and lay out examples; see `lay_out`. Up to `back` tokens ahead of the slot can be read, too.

    Raises:
        ModelError: prompt and template leave no room for a text.
    """
    return arranged(lm, [lay_out(lm, task, text, prompt_tokens=prompt_tokens, answer=answer) for text in texts], back=back)


def arranged(lm: LanguageModel, layouts: Sequence[Layout], *, back: int = 0) -> Encoded:
    """Put examples into the buckets that cost least."""
    groups = defaultdict(list)
    for row, layout in enumerate(layouts):
        groups[len(layout.left)].append(row)
    runs = [
        [group[i] for i in run] for group in groups.values() for run in split_rows([len(layouts[r].right) for r in group])
    ]
    return in_buckets(layouts, runs, causal=lm.head == "causal", device=lm.device, back=back)


def in_buckets(
    layouts: Sequence[Layout], runs: Sequence[list[int]], *, causal: bool, device: torch.device, back: int = 0
) -> Encoded:
    """Lay out examples in a bucket for each run of rows, whose left parts must be of one length."""
    shared = all(layout.left == layouts[0].left for layout in layouts)
    head = layouts[0].left if shared else []
    common = _common_start([layout.right[: max(0, layout.slot - back)] for layout in layouts]) if causal and shared else []
    return Encoded(
        head=torch.tensor(head, dtype=torch.long, device=device),
        common=torch.tensor(common, dtype=torch.long, device=device),
        buckets=tuple(_bucket(layouts, run, skip=len(common), shared=shared, device=device) for run in runs),
        count=len(layouts),
        tokens=sum(len(layout.left) + len(layout.right) + len(layout.decoder) for layout in layouts),
    )


def encode_words(lm: LanguageModel, task: Task) -> tuple[tuple[int, ...], ...]:
    """Return the token ids of each class's label word.

    Raises:
        ModelError: two classes share all their tokens, or the tokenizer does not know a word.
    """
    found: dict[tuple[int, ...], str] = {}
    for word in template_of(lm, task).words(task.words):
        ids = tuple(continuation(lm, word))
        if not ids or lm.unknown_tokens.intersection(ids):
            raise ModelError(f"the tokenizer of {lm.name!r} does not know label word {word!r}; choose another in the task")
        if ids in found:
            raise ModelError(f"label words {found[ids]!r} and {word!r} are the same tokens for {lm.name!r}; change one")
        found[ids] = word
    return tuple(found)


def first_token(lm: LanguageModel, word: str) -> int:
    """Return the first token of a word that continues a text, with the space ahead of it."""
    return continuation(lm, word)[0]


def continuation(lm: LanguageModel, word: str) -> list[int]:
    """Return the tokens of what continues a text, with the space ahead of it."""
    # Some tokenizers put a space, or a token of its own for one, ahead of whatever begins a text.
    before, both = lm.tokens(ANCHOR), lm.tokens(ANCHOR + word)
    behind = both[len(before) :]
    return behind if behind and both[: len(before)] == before else lm.tokens(word)


def split_rows(lengths: Sequence[int], overhead: int = OVERHEAD_TOKENS) -> list[list[int]]:
    """Split texts, sorted by length, into runs of least cost: padded tokens plus `overhead` per run."""
    order = sorted(range(len(lengths)), key=lambda row: lengths[row])
    # Texts of one length stay together, so that runs end only where the next text is longer.
    ends = [end for end in range(1, len(order) + 1) if end == len(order) or lengths[order[end]] > lengths[order[end - 1]]]
    best: dict[int, tuple[int, int]] = {0: (0, 0)}  # (cost, start of the last run) of the first n texts
    for end in ends:
        longest = lengths[order[end - 1]]
        best[end] = min((cost + longest * (end - start) + overhead, start) for start, (cost, _) in best.items())
    runs, end = [], len(order)
    while end:
        start = best[end][1]
        runs.append(order[start:end])
        end = start
    return runs[::-1]


def _bucket(layouts: Sequence[Layout], rows: list[int], *, skip: int, shared: bool, device: torch.device) -> Bucket:
    ids = [layouts[row].right[skip:] for row in rows]
    decoders = [layouts[row].decoder for row in rows]
    values = {
        "rows": rows,
        "left": [[] if shared else layouts[row].left for row in rows],
        "ids": _padded(ids),
        "lengths": list(map(len, ids)),
        "slot": [layouts[row].slot - (0 if layouts[row].decoder else skip) for row in rows],
        "decoder": _padded(decoders),
    }
    return Bucket(**{name: torch.tensor(value, dtype=torch.long, device=device) for name, value in values.items()})


def _padded(ids: list[list[int]]) -> list[list[int]]:
    longest = max(map(len, ids))
    return [sequence + [0] * (longest - len(sequence)) for sequence in ids]


def _common_start(texts: list[list[int]]) -> list[int]:
    first, last = min(texts), max(texts)  # what these two share, all in between share
    differs = (i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b)
    return first[: next(differs, min(len(first), len(last)))]
