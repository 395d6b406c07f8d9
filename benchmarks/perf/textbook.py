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

from dfo_prompt.lm.layout import Layout
from dfo_prompt.lm.runs import Runs
from dfo_prompt.types import Vector


@torch.no_grad()
def textbook_losses(
    model: Any, prompts: Tensor, texts: Sequence[Layout], labels: Tensor, words: Tensor, *, last_only: bool = False
) -> Vector:
    """Return the training cross entropy of each candidate, (B,).

    Args:
        model: a causal or masked language model of transformers.
        prompts: (B, P, E) soft prompts.
        texts: N texts, without decoder inputs.
        labels: (N,) classes.
        words: (C,) token id of each class's label word.
        last_only: compute logits at the last position only, where a causal model answers; texts are then padded on the left.
    """
    embed, tokens = model.get_input_embeddings(), prompts.shape[1]
    longest = max(len(text.ids) for text in texts)
    ahead = [longest - len(text.ids) if last_only else 0 for text in texts]  # padding
    sides = [(left, longest - len(text.ids) - left) for left, text in zip(ahead, texts, strict=True)]
    ids = torch.stack([pad(torch.tensor(text.ids), side) for text, side in zip(texts, sides, strict=True)]).to(model.device)
    here = torch.stack([pad(torch.ones(len(text.ids)), side) for text, side in zip(texts, sides, strict=True)])
    starts = torch.tensor([left + len(text.left) for left, text in zip(ahead, texts, strict=True)], device=model.device)
    slots = starts + tokens + torch.tensor([text.slot for text in texts], device=model.device)
    rows = torch.arange(len(texts), device=model.device)
    places = torch.arange(longest + tokens, device=model.device)
    own = (places >= starts[:, None]) & (places < starts[:, None] + tokens)  # (N, P + L)
    mask = torch.ones(own.shape, dtype=here.dtype, device=model.device)
    mask[~own] = here.flatten().to(model.device)
    more: dict[str, Any] = Runs(model).uncached
    if last_only:
        # An index, not the number 1: for the strided slice of a number, torch copies the head in bfloat16 for every text.
        positions = (mask.cumsum(1) - 1).clamp(min=0).long()
        more = {**more, "position_ids": positions, "logits_to_keep": torch.tensor([-1], device=model.device)}
    losses = []
    for prompt in prompts:
        embeds = torch.empty((*own.shape, prompt.shape[1]), dtype=model.dtype, device=model.device)
        embeds[own] = prompt.to(model.dtype).repeat(len(texts), 1)
        embeds[~own] = embed(ids).flatten(0, 1)
        logits = model(inputs_embeds=embeds, attention_mask=mask, **more).logits
        answers = (logits[:, -1] if last_only else logits[rows, slots])[:, words].float()  # (N, C)
        losses.append(cross_entropy(answers, labels).item())
    return np.array(losses)
