"""Examples as token ids, and how they are laid out for the engine."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dfo_prompt.errors import ModelError
from dfo_prompt.lm.load import LanguageModel
from dfo_prompt.tasks.task import Task

OVERHEAD_TOKENS = 96
"""What one more forward costs, in tokens: below it a bucket is not worth splitting."""


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """Texts of similar length.

    Attributes:
        rows: (N',) their places among all texts.
        ids: (N', L') token ids, padded on the right.
        last: (N',) place of the last token of each, whose successor is the answer.
    """

    rows: Tensor
    ids: Tensor
    last: Tensor


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """N texts ready for the engine: [head] [soft prompt] [common] [rest of each text] -> answer.

    Attributes:
        head: ids ahead of the soft prompt: the beginning-of-sequence token, where the tokenizer adds one.
        common: ids that all texts begin with; computed once a candidate, like the prompt.
        tokens: of all texts, heads included, without padding and soft prompts.
    """

    head: Tensor
    common: Tensor
    buckets: tuple[Bucket, ...]
    count: int
    tokens: int


def encode(lm: LanguageModel, task: Task, texts: Sequence[tuple[str, ...]], *, prompt_tokens: int) -> Encoded:
    """Render and tokenise examples; texts too long for the model lose the end of their longest field, never the slot."""
    limit = getattr(lm.model.config, "max_position_embeddings", None) or 10**9
    ids = [_fit(lm, task, one, limit - prompt_tokens) for one in texts]
    bos = lm.tokenizer.bos_token_id
    head = [bos] if bos is not None and all(one[0] == bos for one in ids) else []
    rest = [one[len(head) :] for one in ids]
    common = _common_start([one[:-1] for one in rest])
    device = lm.device
    return Encoded(
        head=torch.tensor(head, dtype=torch.long, device=device),
        common=torch.tensor(common, dtype=torch.long, device=device),
        buckets=tuple(_bucket(rest, rows, len(common), device) for rows in split_rows([len(one) for one in rest])),
        count=len(ids),
        tokens=sum(map(len, ids)),
    )


def encode_words(lm: LanguageModel, task: Task) -> Tensor:
    """Return the token id of each class's label word, (C,).

    Raises:
        ModelError: a word is more than one token for this model, or two classes share one.
    """
    found: dict[int, str] = {}
    for word in task.causal.words(task.words):
        ids = lm.tokenizer(word, add_special_tokens=False).input_ids
        if len(ids) != 1:
            pieces = " + ".join(repr(lm.tokenizer.decode(one)) for one in ids)
            raise ModelError(
                f"label word {word!r} is {len(ids)} tokens for {lm.name!r} ({pieces}); choose a word that is one"
            )
        if ids[0] in found:
            raise ModelError(f"label words {found[ids[0]]!r} and {word!r} are the same token for {lm.name!r}; change one")
        found[ids[0]] = word
    return torch.tensor(list(found), device=lm.device)


def split_rows(lengths: Sequence[int], overhead: int = OVERHEAD_TOKENS) -> list[list[int]]:
    """Split texts, sorted by length, into the runs that cost least: padded tokens, plus `overhead` a run."""
    order = sorted(range(len(lengths)), key=lambda row: lengths[row])
    best: list[tuple[int, int]] = [(0, 0)]  # (cost, start of the last run) of the first n texts
    for end in range(1, len(order) + 1):
        longest = lengths[order[end - 1]]
        best.append(min((best[start][0] + longest * (end - start) + overhead, start) for start in range(end)))
    runs, end = [], len(order)
    while end:
        start = best[end][1]
        runs.append(order[start:end])
        end = start
    return runs[::-1]


def _fit(lm: LanguageModel, task: Task, texts: tuple[str, ...], limit: int) -> list[int]:
    template = task.causal
    while len(ids := _tokenise(lm, template.render(texts).before)) > limit:
        longest = max(range(len(texts)), key=lambda i: len(texts[i]))
        if not texts[longest]:
            raise ModelError(f"template and prompt alone are longer than the {limit} tokens that {lm.name!r} takes")
        cut = texts[longest][: len(texts[longest]) * 9 // 10]
        cut = cut.rpartition(" ")[0] or cut  # between words, where there are any
        texts = (*texts[:longest], cut, *texts[longest + 1 :])
    return ids


def _tokenise(lm: LanguageModel, text: str) -> list[int]:
    ids: list[int] = lm.tokenizer(text).input_ids
    # Some tokenizers close every text; the answer has to follow the text itself.
    return ids[:-1] if len(ids) > 1 and ids[-1] in (lm.tokenizer.eos_token_id, lm.tokenizer.sep_token_id) else ids


def _bucket(ids: list[list[int]], rows: list[int], skip: int, device: torch.device) -> Bucket:
    longest = max(len(ids[row]) for row in rows) - skip
    padded = [ids[row][skip:] + [0] * (longest + skip - len(ids[row])) for row in rows]
    last = [len(ids[row]) - skip - 1 for row in rows]
    tensors = (torch.tensor(values, device=device) for values in (rows, padded, last))
    return Bucket(**dict(zip(("rows", "ids", "last"), tensors, strict=True)))


def _common_start(texts: list[list[int]]) -> list[int]:
    first, last = min(texts), max(texts)  # what these two share, all in between share
    differs = (i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b)
    return first[: next(differs, len(first))]
