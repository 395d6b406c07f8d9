"""The prompt objective: the loss of a language model on a k-shot split, as a function of z."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dfo_prompt.contracts.objective import Evaluation, Outer
from dfo_prompt.contracts.usage import Usage
from dfo_prompt.errors import InputError
from dfo_prompt.lm.precision import Precision, choose_precision
from dfo_prompt.lm.scorer import Scorer
from dfo_prompt.lm.verbalizer import EncodedTexts, Verbalizer
from dfo_prompt.objectives.outer import CrossEntropy
from dfo_prompt.prompt.losses import loss_called
from dfo_prompt.prompt.problem import Problem
from dfo_prompt.tasks.examples import Texts
from dfo_prompt.tasks.metrics import score as metric_score
from dfo_prompt.types import Json, Matrix, Vector

WORD = 4
"""Bytes on the wire of a token id or a float32."""
PROBES = 16
PROBE_STEP = 0.5
"""Deviation of the probe's candidates from the start in each coordinate: half of the default sigma, so harder to rank."""


@dataclass(frozen=True, kw_only=True)
class Split:
    """Examples ready for the engine, with their classes (N,)."""

    texts: EncodedTexts
    labels: Tensor


class PromptObjective:
    """The loss of soft prompts A z + p0 on a task, for a language model.

    The prompt stands ahead of every text, or at the {prompt} mark of the task's template.

    A query is one candidate on the whole training split. Tokens are counted as a service would see them: each example with
    its whole prompt, however the engine shares it.

    Args:
        problem: the model, in float32, the task and its split.
        projection: from z (B, d) to soft prompts, (B, P, E), or (B, H, P, E) with one for each layer.
        prompt_tokens: P, the length of the soft prompt.
        dim: d.
        loss: a name that `dfo-prompt list losses` shows.
        dtype: see `choose_precision`.
        calibration: see `Verbalizer`; with one, a query costs the rows of its reference texts too.
        about: further facts for the manifest.
    """

    def __init__(
        self,
        *,
        problem: Problem,
        projection: Callable[[Matrix], Tensor],
        prompt_tokens: int,
        dim: int,
        loss: str = "cross_entropy",
        dtype: str = "auto",
        calibration: str = "none",
        about: dict[str, Json] | None = None,
    ) -> None:
        self.dim = dim
        lm, task = problem.lm, problem.task
        self.metric = task.metric
        self.classes, self.fields = task.classes, task.fields
        self.calibration = calibration
        self.problem, self._about = problem, dict(about or {})
        self._projection, self._prompt_tokens = projection, prompt_tokens
        self._loss_name, self._loss = loss, loss_called(loss)
        drawn = [example.texts for example in problem.data.drawn.train]  # a prompt means the same whatever the feedback
        self._verbalizer = Verbalizer(lm, task, prompt_tokens=prompt_tokens, calibration=calibration, sample=drawn)
        # Where calibration asks of the training texts, they need not be asked twice.
        train = self._verbalizer.reference if self._verbalizer.asks_sample and not problem.data.added else None
        self._splits = {"train": self._split("train", train), "dev": self._split("dev")}
        self._baselines: dict[str, Evaluation] = {}
        self._engines = self._splits["train"].texts.engines(Scorer(lm), prompt_tokens)
        self._precision = choose_precision(lm.model, dtype, self._probe)
        self._logits = self._logits_in(self._precision)

    def evaluate(self, candidates: Matrix) -> Evaluation:
        """Score candidates (B, d) on the training split; the task's metric comes along."""
        return self.validate(candidates, "train")

    @property
    def outer(self) -> Outer | None:
        """Return the cross entropy as a function of the N C calibrated scores; None for other losses."""
        if self._loss_name != "cross_entropy":
            return None
        return CrossEntropy(labels=self.problem.labels("train"), classes=len(self.classes))

    def evaluate_outputs(self, candidates: Matrix) -> Evaluation:
        """Score candidates (B, d) on the training split, with the calibrated scores of the label words, (B, N C)."""
        return self._score(self._projection(candidates), self._get("train"), outputs=True)

    def validate(self, candidates: Matrix, split: str) -> Evaluation:
        """Score candidates (B, d) on "train", "dev" or "test"."""
        return self._score(self._projection(candidates), self._get(split))

    def baseline(self, split: str) -> Evaluation:
        """Score the task's hand-written prompt, without any soft prompt; computed once."""
        if split not in self._baselines:
            nothing = torch.zeros((1, 0, self.problem.lm.width), device=self.problem.lm.device)
            self._baselines[split] = self._score(nothing, self._get(split))
        return self._baselines[split]

    def predict(self, candidate: Vector, texts: Texts) -> Matrix:
        """Return the probabilities (N, C) of the label words for new texts, under the candidate (d,).

        Raises:
            InputError: an example has more texts, or fewer, than the task takes.
        """
        wanted = len(self.problem.task.fields)
        for one in texts:
            if len(one) != wanted:
                found = f"{len(one)} texts separated by tabs, where task {self.problem.task.name!r} takes {wanted}"
                raise InputError(f"{one[0]!r} and what follows: {found}")
        prompts = self._projection(candidate[None])
        logits = self._logits(prompts, self._verbalizer.encode(texts))[0]  # (N, C)
        probabilities: Matrix = logits.softmax(dim=-1).double().cpu().numpy()
        return probabilities

    def prompt(self, candidate: Vector) -> Tensor:
        """Return the soft prompt (P, E) of a candidate (d,), or (H, P, E) with one for each layer."""
        return self._projection(candidate[None])[0]

    @property
    def prompt_layers(self) -> int:
        """Return the number of layers that have a prompt."""
        prompt = self.prompt(np.zeros(self.dim))
        return len(prompt) if prompt.dim() == 3 else 1  # noqa: PLR2004

    def describe(self) -> dict[str, Json]:
        """Return what defines this objective."""
        return {
            **self.problem.describe(),
            "dtype": self._precision.dtype,
            "dtype_spearman": self._precision.spearman,
            "engine": ", ".join(self._engines),
            **self._about,
        }

    def _get(self, split: str) -> Split:
        if split not in self._splits:  # the test split is encoded when it is first asked for
            self._splits[split] = self._split(split)
        return self._splits[split]

    def _split(self, name: str, texts: EncodedTexts | None = None) -> Split:
        labels = torch.as_tensor(self.problem.labels(name), device=self.problem.lm.device)
        return Split(texts=texts or self._verbalizer.encode(self.problem.texts(name)), labels=labels)

    def _score(self, prompts: Tensor, split: Split, *, outputs: bool = False) -> Evaluation:
        logits = self._logits(prompts, split.texts)
        return self._evaluation(logits, split, prompt_tokens=prompts.shape[-2], outputs=outputs)

    def _evaluation(self, logits: Tensor, split: Split, *, prompt_tokens: int, outputs: bool = False) -> Evaluation:
        losses, labels = self._loss(logits, split.labels).double(), split.labels.cpu().numpy()
        # One copy down: losses and predictions together, and the scores if they are asked for.
        parts = [losses[:, None], logits.argmax(dim=-1).double(), *([logits.flatten(1).double()] if outputs else [])]
        down = torch.cat(parts, dim=1).cpu().numpy()  # (B, 1 + N) or (B, 1 + N + N C)
        predicted = down[:, 1 : 1 + len(labels)].astype(np.int64)
        metrics: dict[str, Vector] = {self.metric: metric_score(self.metric, predicted, labels)}
        reference = self._verbalizer.reference
        asked = [split.texts, *([reference] if reference and reference is not split.texts else [])]
        rows, sent = sum(part.rows for part in asked), sum(part.tokens(0) for part in asked)
        return Evaluation(
            losses=down[:, 0].copy(),
            metrics=metrics,
            outputs=down[:, 1 + len(labels) :].copy() if outputs else None,
            usage=Usage(
                rows=len(logits) * rows,
                tokens=len(logits) * (sent + rows * prompt_tokens),
                # The service holds the projection: it is sent z and the texts' token ids, and sends back label-word scores.
                uploaded=len(logits) * WORD * (self.dim + sent),
                downloaded=len(logits) * WORD * sum(part.scores for part in asked),
            ),
        )

    def _logits_in(self, precision: Precision) -> Callable[[Tensor, EncodedTexts], Tensor]:
        return self._verbalizer.scorer_with(Scorer(self.problem.lm, precision))

    def _probe(self, precision: Precision) -> Vector:
        candidates = PROBE_STEP * np.random.default_rng(0).standard_normal((PROBES, self.dim))
        train = self._splits["train"]
        logits = self._logits_in(precision)(self._projection(candidates), train.texts)
        losses: Vector = self._loss(logits, train.labels).double().cpu().numpy()
        return losses
