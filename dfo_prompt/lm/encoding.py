"""Encodes examples as buckets of token ids for the engine."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, permutations

import torch
from torch import Tensor

from dfo_prompt.errors import ModelError
from dfo_prompt.lm.layout import Layout, lay_out_all, template_of
from dfo_prompt.lm.load import LanguageModel
from dfo_prompt.tasks.examples import Texts
from dfo_prompt.tasks.task import Task

logger = logging.getLogger(__name__)

ANCHOR = ":"
"""A text to tokenise label words behind; no vocabulary merges it with them."""
OVERHEAD_TOKENS = 96
"""The overhead of a forward pass in tokens; smaller savings do not justify splitting a bucket."""
ACCELERATOR_OVERHEAD_TOKENS = 4096
"""The same on an accelerator, which computes so many tokens in the time that the kernels of a pass take to launch."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Bucket:
    """Examples of similar length.

    Attributes:
        rows: (N',) indices of the examples among all.
        left: (N', L0) token ids ahead of the soft prompt, of equal length; L0 is 0 if all examples share them, see
            `Encoded.head`.
        ids: (N', L') token ids behind the soft prompt, padded on the right.
        lengths: (N',) lengths of `ids` without padding.
        slot: (N',) position whose output is the answer, in `decoder` if the model has a decoder, else in `ids`.
        decoder: (N', D) input ids of the decoder, padded on the right; D is 0 without a decoder.
    """

    rows: Tensor
    left: Tensor
    ids: Tensor
    lengths: Tensor
    slot: Tensor
    decoder: Tensor

    def split(self, most_tokens: int) -> "tuple[Bucket, ...]":
        """Return the examples in buckets of at most `most_tokens` tokens, but at least one example each."""
        count = max(1, most_tokens // max(1, self.left.shape[1] + self.ids.shape[1]))
        return self.cut(range(count, len(self.rows), count))

    def by_length(self) -> "tuple[Bucket, ...]":
        """Return the examples in buckets without padding."""
        shapes = list(zip(self.lengths.tolist(), self.slot.tolist(), strict=True))
        return self.cut([row for row in range(1, len(shapes)) if shapes[row] != shapes[row - 1]])

    def cut(self, starts: Sequence[int]) -> "tuple[Bucket, ...]":
        """Return the examples in buckets that begin at the first row and at the rows `starts`."""
        if not starts:
            return (self,)
        parts = []
        for start, stop in pairwise([0, *starts, len(self.rows)]):
            part = {name: value[start:stop] for name, value in vars(self).items()}
            longest = int(part["lengths"].max())
            # All decoder inputs have the same number of tokens behind the slot: the beginning of the answer.
            spare = int(self.slot.max() - part["slot"].max())
            decoder = part["decoder"][:, : max(0, part["decoder"].shape[1] - spare)]
            parts.append(Bucket(**{**part, "ids": part["ids"][:, :longest], "decoder": decoder}))
        return tuple(parts)


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """N examples ready for the engine: [head] [left] [soft prompt] [common] [ids] -> answer.

    Attributes:
        head: token ids that all examples share ahead of the soft prompt.
        common: token ids that all examples share right behind it; a causal model computes them once per candidate.
        buckets: examples by length.
        count: N.
        tokens: number of tokens of all examples, without padding and soft prompts.
    """

    head: Tensor
    common: Tensor
    buckets: tuple[Bucket, ...]
    count: int
    tokens: int

    @property
    def texts_first(self) -> bool:
        """Tell whether parts of the examples that differ stand ahead of the soft prompt."""
        return any(bucket.left.shape[1] for bucket in self.buckets)

    @property
    def longest(self) -> int:
        """Return the number of tokens of the longest example, without the soft prompt."""
        ends = (bucket.left.shape[1] + int(bucket.lengths.max()) for bucket in self.buckets)
        return len(self.head) + len(self.common) + max(ends)


def encode(
    lm: LanguageModel,
    task: Task,
    texts: Texts,
    *,
    prompt_tokens: int,
    answer: Sequence[int] = (),
    warns: bool = True,
) -> Encoded:
    """Render, tokenise and lay out examples in the cheapest buckets.

    Args:
        lm: the model.
        task: the task, which has the template.
        texts: N examples.
        prompt_tokens: P, the room to leave for a soft prompt.
        answer: first tokens of a label word; see `lay_out`.
        warns: whether to warn if examples are truncated; see `lay_out_all`.

    Raises:
        ModelError: prompt and template leave no room for a text.
    """
    layouts = lay_out_all(lm, task, texts, prompt_tokens=prompt_tokens, answer=answer, warns=warns)
    return arranged(lm, layouts)


def arranged(lm: LanguageModel, layouts: Sequence[Layout], *, back: int = 0) -> Encoded:
    """Put examples into the cheapest buckets; see `split_rows`. Up to `back` positions ahead of a slot are read too."""
    groups = defaultdict(list)
    for row, layout in enumerate(layouts):
        groups[len(layout.left)].append(row)
    runs = [
        [group[i] for i in run]
        for group in groups.values()
        for run in split_rows([len(layouts[r].right) for r in group], overhead_tokens(lm.device))
    ]
    return in_buckets(layouts, runs, causal=lm.head == "causal", device=lm.device, back=back)


def in_buckets(
    layouts: Sequence[Layout], runs: Sequence[list[int]], *, causal: bool, device: torch.device, back: int = 0
) -> Encoded:
    """Put each run of examples into a bucket; the left parts of a run must have equal lengths."""
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
    """Return the token ids of each class's label word; warn if a word begins another, whose score is then never higher.

    Raises:
        ModelError: two label words have the same tokens, or the tokenizer does not know a word.
    """
    known: dict[tuple[int, ...], str] = {}
    for word in template_of(lm, task).words(task.words):
        ids = tuple(continuation(lm, word))
        if not ids or lm.unknown_tokens.intersection(ids):
            raise ModelError(f"the tokenizer of {lm.name!r} does not know label word {word!r}; choose another in the task")
        if ids in known:
            raise ModelError(f"label words {known[ids]!r} and {word!r} are the same tokens for {lm.name!r}; change one")
        known[ids] = word
    if lm.head != "masked":  # which reads the words at different masks
        for shorter, longer in permutations(known, 2):
            if longer[: len(shorter)] == shorter:
                said = "label word %r begins with the tokens of %r for %r, so its score is never higher; choose other words"
                logger.warning(said, known[longer], known[shorter], lm.name)
    return tuple(known)


def first_token(lm: LanguageModel, word: str) -> int:
    """Return the first token of a word, with the spaces ahead of it, that continues a text."""
    return continuation(lm, word)[0]


def continuation(lm: LanguageModel, word: str) -> list[int]:
    """Return the tokens of a word, with the spaces ahead of it, that continues a text."""
    # Some tokenizers put a space, or a separate token for it, ahead of the beginning of a text.
    before, both = lm.tokens(ANCHOR), lm.tokens(ANCHOR + word)
    behind = both[len(before) :]
    return behind if behind and both[: len(before)] == before else lm.tokens(word)


def overhead_tokens(device: torch.device) -> int:
    """Return the overhead of a forward pass on a device, in tokens."""
    return OVERHEAD_TOKENS if device.type == "cpu" else ACCELERATOR_OVERHEAD_TOKENS


def split_rows(lengths: Sequence[int], overhead: int = OVERHEAD_TOKENS) -> list[list[int]]:
    """Split texts, sorted by length, into the cheapest runs; a run costs its padded tokens plus `overhead`."""
    order = sorted(range(len(lengths)), key=lambda row: lengths[row])
    # Texts of equal length stay together: a run can end only where the next text is longer.
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
    first, last = min(texts), max(texts)  # in lexical order, so that a prefix of both is one of all
    differs = (i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b)
    return first[: next(differs, min(len(first), len(last)))]
