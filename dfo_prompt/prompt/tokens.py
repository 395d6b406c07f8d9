"""Prompts of vocabulary tokens: the map from z to their embeddings."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dfo_prompt.lm.load import LanguageModel
from dfo_prompt.types import Matrix

Ids = npt.NDArray[np.integer[Any]]


class TokenPrompts:
    """The map from z (B, P) to the embeddings (B, P, E) of P tokens; each coordinate is rounded to the index of a token.

    Args:
        lm: the model, whose vocabulary without special tokens is used.
        rng: generator that draws the order of the vocabulary; z = 0 repeats its first token.
    """

    def __init__(self, lm: LanguageModel, rng: np.random.Generator) -> None:
        special = set(lm.tokenizer.all_special_ids)
        self._lm = lm
        self._order = rng.permutation([token for token in range(lm.vocabulary) if token not in special])

    def tokens(self, candidates: Matrix) -> Ids:
        """Return the token ids (B, P) of candidates (B, P)."""
        indices = np.rint(candidates).astype(np.int64) % len(self._order)
        return self._order[indices]

    def __call__(self, candidates: Matrix) -> Tensor:
        """Return the embeddings (B, P, E) of the tokens of candidates (B, P)."""
        return torch.stack([self._lm.embed(ids) for ids in self.tokens(candidates)])
