"""p0: the soft prompt that a search starts from."""

import numpy as np
import torch
from torch import Tensor

from dfo_prompt.errors import InputError
from dfo_prompt.lm.load import LanguageModel, quiet


def initial_prompt(lm: LanguageModel, kind: str, tokens: int, rng: np.random.Generator) -> Tensor:
    """Return p0, (P, E).

    Args:
        lm: whose embeddings it is made of.
        kind: "zero"; "vocabulary", tokens drawn at random; or "text:WORDS", those of a text, repeated or cut to P tokens.
        tokens: P.
        rng: draws the vocabulary's tokens.

    Raises:
        InputError: there is no such kind.
    """
    if kind == "zero":
        return torch.zeros((tokens, lm.width), device=lm.device)
    if kind == "vocabulary":
        return lm.embed(rng.integers(len(lm.tokenizer), size=tokens))
    _, _, text = kind.partition("text:")
    if not kind.startswith("text:") or not text.strip():
        raise InputError(f"unknown initial_prompt {kind!r}; known: zero, vocabulary, text:WORDS")
    with quiet():
        ids = lm.tokenizer(text, add_special_tokens=False).input_ids
    return lm.embed(np.resize(ids, tokens))
