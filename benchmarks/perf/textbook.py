"""The textbook loop, as the reference implementation of Black-Box Tuning does it: what the engine is measured against.

One candidate per forward pass; the prompt's embeddings are repeated for every example and put before the text's, or behind
it; by default logits at every position over the whole vocabulary are computed and then read at one position.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, pad

from dfo_prompt.types import Vector


@torch.no_grad()
def textbook_losses(
    model: Any,
    prompts: Tensor,
    texts: Sequence[list[int]],
    labels: Tensor,
    words: Tensor,
    *,
    behind: int | None = None,
    last_only: bool = False,
) -> Vector:
    """Return the training cross entropy of each candidate, (B,).

    Args:
        model: a causal language model of transformers.
        prompts: (B, P, E) soft prompts.
        texts: N lists of token ids, the answer being the next token.
        labels: (N,) classes.
        words: (C,) token id of each class's label word.
        behind: the prompt stands ahead of so many last tokens of each text; by default ahead of all.
        last_only: compute logits at the last position only; texts are then padded on the left.
    """
    embed = model.get_input_embeddings()
    longest = max(map(len, texts))
    sides = [(longest - len(ids), 0) if last_only else (0, longest - len(ids)) for ids in texts]
    ids = torch.stack([pad(torch.tensor(ids), side) for ids, side in zip(texts, sides, strict=True)]).to(model.device)
    here = torch.stack([pad(torch.ones(len(ids)), side) for ids, side in zip(texts, sides, strict=True)]).to(model.device)
    last = torch.tensor([len(ids) - 1 for ids in texts], device=model.device) + prompts.shape[1]
    rows = torch.arange(len(texts), device=model.device)
    # An index, not the number 1: for the strided slice of a number, torch copies the head in bfloat16 for every text.
    more = {"logits_to_keep": torch.tensor([-1], device=model.device)} if last_only else {}
    losses = []
    places = torch.arange(ids.shape[1] + prompts.shape[1], device=model.device)
    starts = torch.zeros_like(last) if behind is None else last + 1 - prompts.shape[1] - behind  # (N,) of the prompts
    starts = starts + torch.tensor([0 if behind is None else side[0] for side in sides], device=model.device)
    own = (places >= starts[:, None]) & (places < starts[:, None] + prompts.shape[1])  # (N, P + L)
    for prompt in prompts:
        embeds = torch.empty((*own.shape, prompt.shape[1]), dtype=model.dtype, device=model.device)
        embeds[own] = prompt.to(model.dtype).repeat(len(texts), 1)
        embeds[~own] = embed(ids).flatten(0, 1)
        mask = torch.ones(own.shape, dtype=here.dtype, device=model.device)
        mask[~own] = here.flatten()
        positions = (mask.cumsum(1) - 1).clamp(min=0).long()
        logits = model(inputs_embeds=embeds, attention_mask=mask, position_ids=positions, use_cache=False, **more).logits
        answers = (logits[:, -1] if last_only else logits[rows, last])[:, words].float()  # (N, C)
        losses.append(cross_entropy(answers, labels).item())
    return np.array(losses)
