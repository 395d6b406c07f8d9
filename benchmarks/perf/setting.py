"""The setting of the measurements: a model, a k-shot split and random candidates, built from the prompt objective."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from textbook import textbook_losses
from torch import Tensor

from dfo_prompt.lm.encoding import encode_words
from dfo_prompt.lm.layout import Layout, lay_out
from dfo_prompt.lm.load import LanguageModel, load_model
from dfo_prompt.lm.precision import choose_precision
from dfo_prompt.lm.scorer import Scorer
from dfo_prompt.lm.smollm import fetch
from dfo_prompt.lm.verbalizer import Verbalizer
from dfo_prompt.plugin.catalogue import catalogue
from dfo_prompt.prompt.objective import PromptObjective
from dfo_prompt.prompt.problem import Problem
from dfo_prompt.prompt.projections.affine import Projection, Space
from dfo_prompt.prompt.projections.dense import normal
from dfo_prompt.tasks.examples import read_examples
from dfo_prompt.tasks.sampling import FewShot, sample
from dfo_prompt.tasks.task import Task, load_task
from dfo_prompt.types import Matrix, Vector

Losses = Callable[[int], Vector]
"""Returns the losses of the first n candidates."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A setting of the measurements; every attribute can be varied."""

    lm: LanguageModel
    task: Task
    data: FewShot
    tokens: int = 50
    dim: int = 500

    @cached_property
    def candidates(self) -> Matrix:
        """Return z, (64, d)."""
        return np.random.default_rng(0).standard_normal((64, self.dim))

    @cached_property
    def projection(self) -> Projection:
        """Return the projection of Black-Box Tuning, from the origin."""
        space = Space(dim=self.dim, tokens=self.tokens, width=self.lm.width, mean=0.0, std=0.1)
        start = torch.zeros(self.tokens, self.lm.width, device=self.lm.device)
        return Projection(normal(space, np.random.default_rng(1)), start)

    @cached_property
    def texts(self) -> list[list[int]]:
        """Return the token ids of the training examples."""
        return [layout.ids for layout in self._layouts]

    @property
    def behind(self) -> "Setting":
        """Return the same with the prompt behind the texts."""
        return replace(self, task=self.task.with_prompt_behind)

    @cached_property
    def _layouts(self) -> list[Layout]:
        return [lay_out(self.lm, self.task, example.texts, prompt_tokens=self.tokens) for example in self.data.train]

    def with_examples(self, count: int) -> "Setting":
        """Return the same with so many training examples, of all classes."""
        train = tuple(self.data.train[i] for i in np.linspace(0, len(self.data.train) - 1, count).round().astype(int))
        return replace(self, data=replace(self.data, train=train, dev=train[:4]))

    def textbook(self, *, last_only: bool, dtype: torch.dtype = torch.float32) -> Losses:
        """Return the textbook loop."""
        model: Any = self.lm.model if dtype == torch.float32 else deepcopy(self.lm.model).to(dtype)
        labels = torch.tensor([example.label for example in self.data.train], device=self.lm.device)
        words = torch.tensor([ids[0] for ids in encode_words(self.lm, self.task)], device=self.lm.device)
        run = partial(textbook_losses, model, texts=self._layouts, labels=labels, words=words)
        return lambda count: run(self.projection(self.candidates[:count]), last_only=last_only)

    def engine(self, dtype: str) -> Losses:
        """Return the engine."""
        objective = self.objective(dtype)
        return lambda count: objective.evaluate(self.candidates[:count]).losses

    def deep(self, dtype: str, count: int) -> tuple[Callable[[Tensor], Tensor], Tensor]:
        """Return what scores prompts on the training examples, and prompts (B, H, P, E) for every layer."""
        precision = choose_precision(self.lm, dtype, lambda _: np.zeros(1))
        verbalizer = Verbalizer(self.lm, self.task, prompt_tokens=self.tokens)
        score = verbalizer.scorer_with(Scorer(self.lm, precision))
        texts = verbalizer.encode([example.texts for example in self.data.train])
        layers = self.lm.model.config.num_hidden_layers
        generator = torch.Generator().manual_seed(0)
        prompts = 0.1 * torch.randn(count, layers, self.tokens, self.lm.width, generator=generator)
        return lambda some: score(some, texts), prompts.to(self.lm.device)

    def objective(self, dtype: str) -> PromptObjective:
        """Return the prompt objective."""
        return PromptObjective(
            problem=Problem(lm=self.lm, task=self.task, data=self.data, seed=0),
            projection=self.projection,
            prompt_tokens=self.tokens,
            dim=self.dim,
            dtype=dtype,
        )


def small_model() -> LanguageModel:
    """Return SmolLM2-135M-Instruct."""
    return load_model("smollm2-135m", fetch())


def few_shot(name: str, data: Path | None, shots: int) -> tuple[Task, FewShot]:
    """Return a task and a split of it."""
    task = load_task(catalogue().tasks.find(name).target)
    return task, sample(task, read_examples(task, data), shots=shots, seed=0, test_examples=1)


def queries_per_second(losses: Losses, count: int, *, rounds: int) -> float:
    """Return the best rate of some rounds, after one query to warm up; on a shared machine the rest measures neighbours."""
    losses(1)
    return count / min(seconds(lambda: losses(count)) for _ in range(rounds))


def seconds(work: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    started = perf_counter()
    work()
    return perf_counter() - started
