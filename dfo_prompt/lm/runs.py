"""Runs a model under many prompts, one candidate at a time.

A score thus does not depend on which candidates share a batch. With a prompt in every layer, what lies below the first in
which the candidates differ is computed once for all of them.
"""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from inspect import signature
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from dfo_prompt.errors import ModelError
from dfo_prompt.lm.layers import Layers

Forward = Callable[[Tensor], Tensor]
"""Returns the scores (N', K) of some texts under one prompt (H', P, E)."""

TOLERANCE = 1e-3
"""The tolerance relative to the largest score."""
REFUSALS = (RuntimeError, ValueError, TypeError, AttributeError, LookupError, AssertionError, ModelError)
"""Errors of models that do not accept an input."""


class Runs:
    """Runs a language model of transformers.

    Args:
        model: any model that takes `inputs_embeds`.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self.model: Any = model  # transformers' own attributes are typed in part
        # Whether a run that begins at a layer gives what a whole run gives; tried once for each.
        self._resumes: dict[int, bool] = {}

    @property
    def embed(self) -> Any:
        """Return the module that embeds token ids."""
        return self.model.get_input_embeddings()

    @cached_property
    def uncached(self) -> dict[str, bool]:
        """Return the arguments that keep the model from storing keys and values, where it would."""
        return {"use_cache": False} if "use_cache" in signature(self.model.forward).parameters else {}

    @cached_property
    def _layers(self) -> Layers:
        return Layers(self.model)

    def within(self, prompt: Tensor, at: int | Tensor) -> AbstractContextManager[None]:
        """Open the context in which layers above the first add their prompts of (H', P, E) at `at`; see `Layers.prompts`."""
        return self._layers.prompts(prompt, at) if len(prompt) > 1 else nullcontext()

    def each(self, prompts: Tensor, run: Forward) -> Tensor:
        """Run every prompt, (B, N', K); layers below the first in which the prompts differ are computed once."""
        start = _first_difference(prompts)
        if not start or len(prompts) == 1:
            return torch.stack([run(prompt) for prompt in prompts])
        states: list[Tensor] = []
        with self._layers.watched(start, states):
            scores = [run(prompts[0])]

        def resumed(prompt: Tensor) -> Tensor:
            with self._layers.from_layer(start, states[0]):
                return run(prompt)

        if start not in self._resumes:
            self._resumes[start] = same(lambda: resumed(prompts[0]), scores[0])
        scores += [(resumed if self._resumes[start] else run)(prompt) for prompt in prompts[1:]]
        return torch.stack(scores)


def out_of_memory(error: Exception) -> bool:
    """Tell whether a run failed because memory was exhausted, on CUDA, MPS or the CPU."""
    return re.search("out of memory|not enough memory|can't allocate memory", str(error)) is not None


def same(run: Callable[[], Tensor], expected: Tensor, *, tolerance: float = TOLERANCE) -> bool:
    """Tell whether a shorter run returns the expected scores; a run that the model rejects does not."""
    try:
        found = run()
    except REFUSALS as error:
        if out_of_memory(error):
            raise
        return False
    return torch.allclose(found, expected, atol=tolerance * expected.abs().max().item())


def _first_difference(prompts: Tensor) -> int:
    alike = (prompts == prompts[:1]).flatten(2).all(dim=2).all(dim=0)  # (H',)
    return int(alike.long().cumprod(0).sum()) % len(alike)
