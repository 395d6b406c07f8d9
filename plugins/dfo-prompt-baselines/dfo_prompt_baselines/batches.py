"""Builds padded batches of examples for training."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

import dfo_prompt as dp
from dfo_prompt.lm.answers import only_answers
from dfo_prompt.lm.encoding import encode_words, split_rows
from dfo_prompt.lm.layout import lay_out_all

MAX_TEXTS = 64
"""The largest number of texts in a forward pass."""
OVERHEAD_TOKENS = 256
"""The overhead of a forward pass in tokens; with autocast, each pass casts all weights."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """N encoded examples.

    Attributes:
        ids: (N, L) token ids, padded on the right.
        mask: (N, L) attention mask.
        slot: (N,) position whose output is the answer, counted from the end of the row: -1 is the last.
    """

    ids: Tensor
    mask: Tensor
    slot: Tensor

    def at(self, rows: Tensor) -> "Batch":
        """Return the examples `rows` with as little padding as possible."""
        length = int(self.lengths[rows].max())
        slot = self.slot[rows] + self.ids.shape[1] - length
        return Batch(ids=self.ids[rows, :length], mask=self.mask[rows, :length], slot=slot)

    @property
    def lengths(self) -> Tensor:
        """Return the number of tokens of each example, (N,)."""
        return self.mask.sum(dim=1)

    def __len__(self) -> int:
        return len(self.ids)


def batch_of(problem: dp.Problem, texts: dp.Texts, *, prompt_tokens: int) -> Batch:
    """Encode texts in the task's template, with room for a prompt of P tokens.

    Raises:
        ModelError: the model is an encoder-decoder.
    """
    if problem.lm.head == "seq2seq":
        raise dp.ModelError(
            f"{problem.lm.name!r} is an encoder-decoder; gradient methods need a decoder-only or masked model"
        )
    layouts = lay_out_all(problem.lm, problem.task, texts, prompt_tokens=prompt_tokens)
    longest = max(len(layout.ids) for layout in layouts)
    device = problem.lm.device
    ids = torch.tensor([layout.ids + [0] * (longest - len(layout.ids)) for layout in layouts], device=device)
    lengths = torch.tensor([len(layout.ids) for layout in layouts], device=device)
    slot = torch.tensor([len(layout.left) + layout.slot - longest for layout in layouts], device=device)
    return Batch(ids=ids, mask=(torch.arange(longest, device=device) < lengths[:, None]).long(), slot=slot)


def runs_of(lengths: Tensor) -> Iterator[Tensor]:
    """Split texts with lengths (N,) into batches of row indices with little padding."""
    for run in split_rows(lengths.tolist(), OVERHEAD_TOKENS):
        yield from torch.tensor(run, device=lengths.device).split(MAX_TEXTS)


def first_tokens(problem: dp.Problem) -> Tensor:
    """Return the ids (C,) of the label words' first tokens.

    Raises:
        ModelError: two words have the same first token.
    """
    ids = [words[0] for words in encode_words(problem.lm, problem.task)]
    if len(set(ids)) < len(ids):
        raise dp.ModelError(
            f"two label words of task {problem.task.name!r} begin with the same token for {problem.lm.name!r}"
        )
    return torch.tensor(ids, device=problem.lm.device)


def label_logits(model: Any, base: Any, batch: Batch, words: Tensor) -> Tensor:
    """Return the logits (N, C) of label words (token ids (C,)) at the slots.

    Args:
        model: trained model, which wraps `base`.
        base: language model, whose head computes the logits.
        batch: N examples.
        words: (C,) token ids.
    """
    rows = torch.arange(len(batch), device=batch.ids.device)
    with only_answers(base, rows, batch.slot):
        logits: Tensor = model(input_ids=batch.ids, attention_mask=batch.mask).logits  # (N, 1, V)
    return logits[:, 0, words].float()
