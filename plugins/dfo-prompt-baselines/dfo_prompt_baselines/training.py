"""The training loop of all gradient-based methods."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass
from math import inf
from time import perf_counter
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import dfo_prompt as dp
from dfo_prompt._util.parsing import STRICT
from dfo_prompt.lm.precision import has_bfloat16, keep_in_float32
from dfo_prompt_baselines.batches import Batch, batch_of, first_tokens, label_logits, runs_of

MAX_GRADIENT_NORM = 1.0
Size = Annotated[int, Field(ge=1, le=10**4)]
"""The width or rank of trained layers."""

Prepare = Callable[[Any], nn.Module]
"""Makes a copy of the model trainable and returns the module to call; trained parameters require a gradient."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The settings of training, set by the option `training` of a method.

    Attributes:
        learning_rates: rates to try; the best on dev is used.
        epochs: largest number of epochs.
        batch_size: number of examples per step.
        patience: number of epochs without a better dev metric, or an equal one with a lower loss, after which a run stops.
        dtype: precision of matrix products, "auto" (bfloat16 if the hardware has it) or "float32"; weights are float32.

    Raises:
        ValueError: a learning rate is not positive, or a number is below 1.
    """

    __pydantic_config__ = STRICT

    learning_rates: tuple[float, ...]
    epochs: int = 30
    batch_size: int = 16
    patience: int = 8
    dtype: Literal["auto", "float32"] = "auto"

    def __post_init__(self) -> None:
        if not self.learning_rates or not all(0 < rate < inf for rate in self.learning_rates):
            raise ValueError(f"learning_rates must be one or more positive numbers, not {list(self.learning_rates)}")
        if min(self.epochs, self.batch_size, self.patience) < 1:
            raise ValueError("epochs, batch_size and patience must be at least 1")


@dataclass(frozen=True, kw_only=True)
class State:
    """Trained weights.

    Attributes:
        weights: values of the weights.
        quality: metric on dev, and minus the loss.
        epoch: number of epochs of training.
    """

    weights: list[Tensor]
    quality: tuple[float, float]
    epoch: int

    @torch.no_grad()
    def load(self, weights: list[Tensor]) -> None:
        """Restore the weights."""
        for weight, value in zip(weights, self.weights, strict=True):
            weight.copy_(value)


def best_state(
    weights: list[Tensor],
    *,
    step: Callable[[], None],
    quality: Callable[[], tuple[float, float]],
    epochs: int,
    patience: int,
) -> State:
    """Train epoch by epoch and return the best weights on dev, which may be the initial ones.

    Args:
        weights: weights to train.
        step: function that trains them for one epoch.
        quality: function that returns the quality of the current weights; see `State`.
        epochs: largest number of epochs.
        patience: number of epochs without a better quality after which training stops.
    """
    best = State(weights=_copies(weights), quality=quality(), epoch=0)
    for epoch in range(1, epochs + 1):
        step()
        if (current := quality()) > best.quality:
            best = State(weights=_copies(weights), quality=current, epoch=epoch)
        if epoch - best.epoch >= patience:
            break
    return best


def quality_of(problem: dp.Problem, logits: Tensor, labels: Tensor) -> tuple[float, float]:
    """Return the metric of logits (N, C) on dev and minus their loss; the worst quality if training has diverged."""
    if not logits.isfinite().all():
        return -inf, -inf
    return problem.metric_of(logits.cpu().numpy(), "dev"), -float(cross_entropy(logits, labels))


def train(
    problem: dp.Problem,
    prepare: Prepare,
    recipe: Recipe,
    *,
    prompt_tokens: int = 0,
    save: Callable[[Any], None] | None = None,
) -> dp.Fitted:
    """Minimise the cross entropy of the label words on the training split, and return the best weights on dev.

    Args:
        problem: model, task and split.
        prepare: function that makes a copy of the model trainable.
        recipe: settings of training.
        prompt_tokens: P, the length of the trained prompt, for which long texts are truncated.
        save: function that saves the best model.

    Raises:
        InputError, ModelError: a setting is invalid, or the model cannot be trained this way.
    """
    return _Trainer(problem, prepare, recipe, prompt_tokens).best(save)


class _Trainer:
    def __init__(self, problem: dp.Problem, prepare: Prepare, recipe: Recipe, prompt_tokens: int) -> None:
        self._problem, self._prepare, self._recipe, self._prompt_tokens = problem, prepare, recipe, prompt_tokens
        self._words = first_tokens(problem)
        self._train, self._dev = (self._split(split) for split in ("train", "dev"))
        self._rows = self._tokens = 0
        self._validation = dp.Spent()

    def best(self, save: Callable[[Any], None] | None) -> dp.Fitted:
        states: dict[float, State] = {}
        for rate in self._recipe.learning_rates:
            with seeded(self._problem.seed):  # also seeds dropout
                states[rate] = self._run(rate)
        rate, state = max(states.items(), key=lambda item: item[1].quality)
        with seeded(self._problem.seed):
            base, model, weights = self._fresh_copy()
        state.load(weights)
        if save:
            save(model.eval())

        def predict(texts: dp.Texts) -> dp.Matrix:
            logits = self._logits(model, base, self._batch(texts)).double()
            probabilities: dp.Matrix = logits.softmax(dim=1).cpu().numpy()
            return probabilities

        size = sum(weight.numel() for weight in weights)
        about = {"learning_rate": rate, "epoch": state.epoch, "trained_weights": size}
        spent = dp.Spent(rows=self._rows, tokens=self._tokens)
        return dp.Fitted(predict=predict, spent=spent, validation=self._validation, user_bytes=None, about=about)

    def _run(self, rate: float) -> State:
        base, model, weights = self._fresh_copy()
        optimizer = torch.optim.AdamW(weights, lr=rate, weight_decay=0.0)
        rng = np.random.default_rng(self._problem.seed)
        return best_state(
            weights,
            step=lambda: self._epoch(model, base, weights, optimizer, rng),
            quality=lambda: self._quality(model, base),
            epochs=self._recipe.epochs,
            patience=self._recipe.patience,
        )

    def _epoch(
        self, model: nn.Module, base: nn.Module, weights: list[Tensor], optimizer: Any, rng: np.random.Generator
    ) -> None:
        batch, labels = self._train
        model.train()
        for rows in torch.tensor(rng.permutation(len(batch)), device=labels.device).split(self._recipe.batch_size):
            optimizer.zero_grad()
            for run in runs_of(batch.lengths[rows]):
                part = rows[run]
                with self._precision():
                    logits = label_logits(model, base, batch.at(part), self._words)
                loss = cross_entropy(logits, labels[part], reduction="sum") / len(rows)
                loss.backward()
            nn.utils.clip_grad_norm_(weights, MAX_GRADIENT_NORM)
            optimizer.step()
            self._rows += len(rows)
            self._tokens += int(batch.lengths[rows].sum()) + len(rows) * self._prompt_tokens

    def _quality(self, model: nn.Module, base: nn.Module) -> tuple[float, float]:
        started = perf_counter()
        batch, labels = self._dev
        quality = quality_of(self._problem, self._logits(model, base, batch), labels)
        tokens = int(batch.lengths.sum()) + len(batch) * self._prompt_tokens
        self._validation += dp.Spent(queries=1, rows=len(batch), tokens=tokens, objective_seconds=perf_counter() - started)
        return quality

    @torch.inference_mode()
    def _logits(self, model: nn.Module, base: nn.Module, batch: Batch) -> Tensor:
        model.eval()
        logits = torch.empty((len(batch), len(self._words)), device=self._words.device)
        for rows in runs_of(batch.lengths):
            with self._precision():
                logits[rows] = label_logits(model, base, batch.at(rows), self._words)
        return logits

    def _fresh_copy(self) -> tuple[nn.Module, nn.Module, list[Tensor]]:
        """Return a copy of the model, the trainable module that wraps it, and the trained weights."""
        base: Any = deepcopy(self._problem.lm.model)
        keep_in_float32(base.get_output_embeddings())
        model = self._prepare(base)
        return base, model, [weight for weight in model.parameters() if weight.requires_grad]

    def _split(self, split: str) -> tuple[Batch, Tensor]:
        labels = torch.as_tensor(self._problem.labels(split), device=self._problem.lm.device)
        return self._batch(self._problem.texts(split)), labels

    def _batch(self, texts: dp.Texts) -> Batch:
        return batch_of(self._problem, texts, prompt_tokens=self._prompt_tokens)

    def _precision(self) -> AbstractContextManager[object]:
        return reduced_precision(self._problem.lm.device) if self._recipe.dtype == "auto" else nullcontext()


def reduced_precision(device: torch.device) -> AbstractContextManager[object]:
    """Return the context for matrix products in bfloat16, if the hardware has it."""
    return torch.autocast(device.type, dtype=torch.bfloat16) if has_bfloat16(device) else nullcontext()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the global generator of torch, from which libraries draw initial weights, inside a `with` block."""
    with torch.random.fork_rng():
        torch.manual_seed(seed % 2**64)
        yield


def _copies(weights: list[Tensor]) -> list[Tensor]:
    return [weight.detach().clone() for weight in weights]
