"""What all engines share: texts run together as memory allows, candidates one at a time.

A score thus does not depend on which candidates share a batch. With a prompt in every layer, what lies below the first in
which the candidates differ is computed once for all of them.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from dfo_prompt.lm.answers import Reader
from dfo_prompt.lm.encoding import Bucket, Encoded
from dfo_prompt.lm.layers import Layers

Context = Callable[[], AbstractContextManager[object]]
Forward = Callable[[Tensor], Tensor]
"""Returns the scores (N', K) of some texts under one prompt (H', P, E)."""

MOST_TOKENS = 8192
"""Of texts that run together, until memory does not suffice: more are no faster."""
OUT_OF_MEMORY = re.compile("out of memory|not enough memory|can't allocate memory")  # CUDA and MPS; CPU
TOLERANCE = 1e-3


class Scorer(ABC):
    """Scores soft prompts with a language model of transformers.

    Args:
        model: any model that takes `inputs_embeds`.
        precision: opens the context that forwards run in.
    """

    def __init__(self, model: PreTrainedModel, *, precision: Context = nullcontext) -> None:
        self.model = model
        self._model: Any = model  # transformers' own attributes are typed in part
        self._precision = precision
        self._most_tokens = MOST_TOKENS
        # Whether a run that begins at a layer gives what a whole run gives; tried once for each.
        self._resumes: dict[int, bool] = {}

    @torch.inference_mode()
    def score(self, prompts: Tensor, texts: Encoded, reader: Reader) -> Tensor:
        """Return what `reader` reads of N texts under each prompt, (B, N, K), in float32.

        Args:
            prompts: (B, P, E), or (B, H, P, E) with a prompt for each of the H layers.
            texts: N examples.
            reader: of K figures a text.
        """
        prompts = (prompts if prompts.dim() == 4 else prompts[:, None]).to(self._embed.weight.dtype)  # noqa: PLR2004
        scores = torch.empty((len(prompts), texts.count, reader.width), device=prompts.device)
        waiting = list(texts.buckets)
        with self._precision():
            while waiting:
                waiting = [part for bucket in waiting for part in bucket.split(self._most_tokens)]
                taken = self._take(waiting)
                try:
                    scores[:, torch.cat([bucket.rows for bucket in taken])] = self._score(prompts, texts, taken, reader)
                    waiting = waiting[len(taken) :]
                except RuntimeError as error:
                    if not (self._most_tokens and OUT_OF_MEMORY.search(str(error))):
                        raise
                    self._most_tokens //= 2
        return scores

    def has_plain_head(self, ids: Tensor) -> bool:  # noqa: ARG002
        """Tell whether label-word logits (token ids (C,)) can be had from the last hidden states alone."""
        return False

    def _take(self, waiting: list[Bucket]) -> list[Bucket]:
        """Return the first buckets, which run together."""
        return waiting[:1]

    @abstractmethod
    def _score(self, prompts: Tensor, texts: Encoded, buckets: list[Bucket], reader: Reader) -> Tensor:
        """Return the scores (B, N', K) of some buckets of the texts under prompts (B, H', P, E)."""

    @property
    def _embed(self) -> Any:
        return self._model.get_input_embeddings()

    @cached_property
    def _layers(self) -> Layers:
        return Layers(self._model)

    def _within(self, prompt: Tensor, at: int) -> AbstractContextManager[None]:
        return self._layers.prompts(prompt, at) if len(prompt) > 1 else nullcontext()

    def _each(self, prompts: Tensor, run: Forward) -> Tensor:
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
            whole = scores[0]
            self._resumes[start] = torch.allclose(resumed(prompts[0]), whole, atol=TOLERANCE * whole.abs().max().item())
        scores += [(resumed if self._resumes[start] else run)(prompt) for prompt in prompts[1:]]
        return torch.stack(scores)


def _first_difference(prompts: Tensor) -> int:
    same = (prompts == prompts[:1]).flatten(2).all(dim=2).all(dim=0)  # (H',)
    return int(same.long().cumprod(0).sum()) % len(same)
