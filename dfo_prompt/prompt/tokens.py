"""Prompts of tokens: the map from z to the embeddings of words."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dfo_prompt.lm.load import LanguageModel
from dfo_prompt.types import Matrix

Ids = npt.NDArray[np.integer[Any]]


class TokenPrompts:
    """The map from z (B, T) to the embeddings (B, T, E) of tokens, each coordinate rounded to one.

    Args:
        lm: whose vocabulary, without special tokens, is taken.
        rng: draws the order of the vocabulary; z = 0 is a prompt of its first token.
    """

    def __init__(self, lm: LanguageModel, rng: np.random.Generator) -> None:
        special = set(lm.tokenizer.all_special_ids)
        self._lm = lm
        self._order = rng.permutation([token for token in range(lm.vocabulary) if token not in special])

    def tokens(self, candidates: Matrix) -> Ids:
        """Return token ids (B, T)."""
        places = np.rint(candidates).astype(np.int64) % len(self._order)
        return self._order[places]

    def __call__(self, candidates: Matrix) -> Tensor:
        """Return their embeddings."""
        return torch.stack([self._lm.embed(ids) for ids in self.tokens(candidates)])
