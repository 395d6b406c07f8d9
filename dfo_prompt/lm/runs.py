"""Runs a model under many prompts, one candidate at a time, so that no score depends on other candidates of a batch.

With a prompt in every layer, the layers below the first in which the candidates differ run once for all of them.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from inspect import signature
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from transformers import PreTrainedModel

from dfo_prompt.errors import ModelError
from dfo_prompt.lm.answers import Reader
from dfo_prompt.lm.cuda_graphs import CudaGraphs, Forward
from dfo_prompt.lm.layers import Layers
from dfo_prompt.lm.memory import out_of_memory

TOLERANCE = 1e-3
"""The tolerance for scores, relative to the largest."""
REFUSALS = (RuntimeError, ValueError, TypeError, AttributeError, LookupError, AssertionError, ModelError)
"""The errors that models raise for inputs that they do not accept."""


class Runs:
    """Runs a language model of transformers.

    Args:
        model: any model that takes `inputs_embeds`.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self.model: Any = model  # transformers types its attributes only in part
        # Whether a run from a layer on gives what a reader reads in a whole run; tried once per reader and layer.
        self._resumes: WeakKeyDictionary[Reader, dict[int, bool]] = WeakKeyDictionary()

    @property
    def embed(self) -> Any:
        """Return the module that embeds token ids."""
        return self.model.get_input_embeddings()

    @cached_property
    def uncached(self) -> dict[str, bool]:
        """Return the arguments that turn off the model's key-value cache, if it has one."""
        return {"use_cache": False} if "use_cache" in signature(self.model.forward).parameters else {}

    @cached_property
    def _layers(self) -> Layers:
        return Layers(self.model)

    @cached_property
    def _graphs(self) -> CudaGraphs:
        return CudaGraphs(self.model)

    def within(self, prompt: Tensor, at: int | Tensor) -> AbstractContextManager[None]:
        """Return the context in which layers 1, 2, ... add their prompts of (H', P, E); see `Layers.prompts`."""
        return self._layers.prompts(prompt, at) if len(prompt) > 1 else nullcontext()

    def each(self, prompts: Tensor, run: Forward, reader: Reader) -> Tensor:
        """Return the scores (B, N', K) under every prompt; layers below the first difference between prompts run once.

        Args:
            prompts: (B, H', P, E).
            run: returns what `reader` reads under a prompt, (N', K).
            reader: see `Reader`.
        """
        start = _first_difference(prompts)
        if not start or len(prompts) == 1:
            return self._graphs.each(prompts, run)
        states: list[Tensor] = []
        with self._layers.watched(start, states):
            first = run(prompts[0])

        def resumed(prompt: Tensor) -> Tensor:
            with self._layers.from_layer(start, states[0]):
                return run(prompt)

        resumes = self._resumes.setdefault(reader, {})
        if start not in resumes:
            resumes[start] = same(lambda: resumed(prompts[0]), first)
        rest = self._graphs.each(prompts[1:], resumed if resumes[start] else run)
        return torch.cat([first[None], rest])


def same(run: Callable[[], Tensor], expected: Tensor, *, tolerance: float = TOLERANCE) -> bool:
    """Tell whether a shortcut returns the expected scores; not if the model refuses its input."""
    try:
        scores = run()
    except REFUSALS as error:
        if out_of_memory(error):
            raise
        return False
    return torch.allclose(scores, expected, atol=tolerance * expected.abs().max().item())


def _first_difference(prompts: Tensor) -> int:
    """Return the first layer in which prompts (B, H', P, E) differ; 0 if there is none."""
    if prompts.shape[1] == 1:  # without asking a GPU, which would have to finish its work first
        return 0
    alike = (prompts == prompts[:1]).flatten(2).all(dim=2).all(dim=0)  # (H',)
    return int(alike.long().cumprod(0).sum()) % len(alike)
