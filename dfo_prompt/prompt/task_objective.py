"""The common base of the prompt objectives: losses, metrics and outputs from the scores of label words."""

from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor

from dfo_prompt.contracts.objective import Evaluation, Outer
from dfo_prompt.contracts.usage import Usage
from dfo_prompt.objectives.outer import CrossEntropy
from dfo_prompt.prompt.losses import loss_called
from dfo_prompt.prompt.problem import TaskSplit
from dfo_prompt.tasks.examples import Texts
from dfo_prompt.tasks.metrics import score as metric_score
from dfo_prompt.types import Json, Matrix, Vector

BOUNDED = "bounded"
"""The metric that counts label scores for which the endpoint gave only an upper bound."""


class TaskObjective(ABC):
    """The loss of a language model under a prompt, on the k-shot split of a task.

    A query is one candidate on the whole training split.

    Args:
        split: task and examples.
        dim: d.
        loss: a loss that `dfo-prompt list losses` shows.
    """

    def __init__(self, *, split: TaskSplit, dim: int, loss: str) -> None:
        self.dim = dim
        self.metric = split.task.metric
        self.classes, self.fields = split.task.classes, split.task.fields
        self._split_of_task = split
        self._loss_name, self._loss = loss, loss_called(loss)
        self._baselines: dict[str, Evaluation] = {}

    def evaluate(self, candidates: Matrix) -> Evaluation:
        """Score candidates (B, d) on the training split: losses and the task's metric."""
        return self._score(candidates, "train")

    @property
    def outer(self) -> Outer | None:
        """Return the cross entropy as a function of the N C calibrated scores; None for other losses."""
        if self._loss_name != "cross_entropy":
            return None
        return CrossEntropy(labels=self._split_of_task.labels("train"), classes=len(self.classes))

    def evaluate_outputs(self, candidates: Matrix) -> Evaluation:
        """Score candidates (B, d) on the training split, with the calibrated scores of the label words, (B, N C)."""
        return self._score(candidates, "train", outputs=True)

    def validate(self, candidates: Matrix, split: str) -> Evaluation:
        """Score candidates (B, d) on "train", "dev" or "test"."""
        return self._score(candidates, split)

    def baseline(self, split: str) -> Evaluation:
        """Score the task's hand-written prompt without a tuned one; computed once."""
        if split not in self._baselines:
            self._baselines[split] = self._manual(split)
        return self._baselines[split]

    def predict(self, candidate: Vector, texts: Texts) -> Matrix:
        """Return the probabilities (N, C) of the label words for new texts, under the candidate (d,).

        Raises:
            InputError: see `TaskSplit.prepared`.
        """
        prepared = self._split_of_task.prepared(texts)
        probabilities: Matrix = self._label(candidate, prepared).softmax(dim=-1).double().cpu().numpy()
        return probabilities

    @abstractmethod
    def describe(self) -> dict[str, Json]:
        """Return the settings that define the objective, for manifests."""

    @abstractmethod
    def _score(self, candidates: Matrix, split: str, *, outputs: bool = False) -> Evaluation:
        """Score candidates (B, d) on "train", "dev" or "test"."""

    @abstractmethod
    def _manual(self, split: str) -> Evaluation:
        """Score the hand-written prompt."""

    @abstractmethod
    def _label(self, candidate: Vector, texts: Texts) -> Tensor:
        """Return the scores (N, C) of new texts under a candidate (d,)."""

    def _losses(self, logits: Tensor, labels: Tensor) -> Vector:
        losses: Vector = self._loss(logits, labels).double().cpu().numpy()
        return losses

    def _evaluation(
        self, logits: Tensor, labels: Tensor, usage: Usage, *, outputs: bool, bounded: Vector | None = None
    ) -> Evaluation:
        """Evaluate scores (B, N, C) against classes (N,); `bounded` (B,) counts scores that are only upper bounds."""
        losses, classes = self._loss(logits, labels).double(), labels.cpu().numpy()
        # A single copy to the host: losses, predictions, and the scores if they are outputs.
        parts = [losses[:, None], logits.argmax(dim=-1).double(), *([logits.flatten(1).double()] if outputs else [])]
        columns = torch.cat(parts, dim=1).cpu().numpy()  # (B, 1 + N) or (B, 1 + N + N C)
        predicted = columns[:, 1 : 1 + len(classes)].astype(np.int64)
        return Evaluation(
            losses=columns[:, 0].copy(),
            metrics={
                self.metric: metric_score(self.metric, predicted, classes),
                **({} if bounded is None else {BOUNDED: bounded}),
            },
            outputs=columns[:, 1 + len(classes) :].copy() if outputs else None,
            usage=usage,
        )
