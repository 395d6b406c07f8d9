"""The prompt objective: the loss of a language model on a k-shot split, as a function of z."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dfo_prompt.config.endpoint import EndpointConfig
from dfo_prompt.contracts.objective import Evaluation, Outer
from dfo_prompt.contracts.usage import Usage
from dfo_prompt.errors import InputError
from dfo_prompt.lm.precision import Precision, choose_precision
from dfo_prompt.lm.scorer import Scorer
from dfo_prompt.lm.verbalizer import EncodedTexts, Verbalizer
from dfo_prompt.objectives.outer import CrossEntropy
from dfo_prompt.prompt.asking import Asked, Asks, Local, Projection
from dfo_prompt.prompt.losses import loss_called
from dfo_prompt.prompt.problem import Problem
from dfo_prompt.prompt.served import Served
from dfo_prompt.tasks.examples import Texts
from dfo_prompt.tasks.metrics import Classes
from dfo_prompt.tasks.metrics import score as metric_score
from dfo_prompt.types import Json, Matrix, Vector

BOUNDED = "bounded"
"""Metric: label scores of which an endpoint gave an upper bound only."""
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
        problem: the model, in float32, the task and its split; see `load_shell` for a model that an endpoint runs.
        projection: from z (B, d) to soft prompts, (B, P, E), or (B, H, P, E) with one for each layer.
        prompt_tokens: P, the length of the soft prompt.
        dim: d.
        loss: a name that `dfo-prompt list losses` shows.
        dtype: see `choose_precision`.
        calibration: see `Verbalizer`; with one, a query costs the rows of its reference texts too.
        about: further facts for the manifest.
        endpoint: what scores the prompts; None for the model itself.
        name: of the objective, for errors.
    """

    def __init__(
        self,
        *,
        problem: Problem,
        projection: Projection,
        prompt_tokens: int,
        dim: int,
        loss: str = "cross_entropy",
        dtype: str = "auto",
        calibration: str = "none",
        about: dict[str, Json] | None = None,
        endpoint: EndpointConfig | None = None,
        name: str = "prompt",
    ) -> None:
        self.dim = dim
        lm, task = problem.lm, problem.task
        self.metric = task.metric
        self.classes = task.classes
        self.calibration = calibration
        self.problem, self._about = problem, dict(about or {})
        self._projection, self._prompt_tokens = projection, prompt_tokens
        self._loss_name, self._loss = loss, loss_called(loss)
        self._verbalizer = Verbalizer(
            lm, task, prompt_tokens=prompt_tokens, calibration=calibration, sample=problem.texts("train")
        )
        # Where calibration asks of the training texts, they need not be asked twice.
        train = self._verbalizer.reference if self._verbalizer.asks_sample else None
        self._splits = {"train": self._split("train", train), "dev": self._split("dev")}
        self._baselines: dict[str, Evaluation] = {}
        if endpoint and dtype != "auto":
            raise InputError(f"dtype {dtype!r} is for the server of an [endpoint] to choose; leave out prompt.dtype")
        self._model: Asks
        if endpoint:
            self._model = Served(problem, self._verbalizer, projection, endpoint, by=name)
        else:
            self._model = self._local(dtype, prompt_tokens)
        self.deterministic = self._model.deterministic

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
        return self._score(candidates, self._get("train"), outputs=True)

    def validate(self, candidates: Matrix, split: str) -> Evaluation:
        """Score candidates (B, d) on "train", "dev" or "test"."""
        return self._score(candidates, self._get(split))

    def baseline(self, split: str) -> Evaluation:
        """Score the task's hand-written prompt, without any soft prompt; computed once."""
        if split not in self._baselines:
            self._baselines[split] = self._score(None, self._get(split))
        return self._baselines[split]

    def estimate(self, count: int, split: str = "train") -> Usage:
        """Return the most that `count` candidates consume on a split, as far as every request is answered at once."""
        return self._model.estimate(count, self._get(split).texts, self._prompt_tokens)

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
        scores = self._model.ask(candidate[None], self._verbalizer.encode(texts)).scores[0]  # (N, C)
        probabilities: Matrix = scores.softmax(dim=-1).double().cpu().numpy()
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
            **self._model.describe(),
            **self._about,
        }

    def _get(self, split: str) -> Split:
        if split not in self._splits:  # the test split is encoded when it is first asked for
            self._splits[split] = self._split(split)
        return self._splits[split]

    def _split(self, name: str, texts: EncodedTexts | None = None) -> Split:
        labels = torch.as_tensor(self.problem.labels(name), device=self.problem.lm.device)
        return Split(texts=texts or self._verbalizer.encode(self.problem.texts(name)), labels=labels)

    def _score(self, candidates: Matrix | None, split: Split, *, outputs: bool = False) -> Evaluation:
        asked = self._model.ask(candidates, split.texts)
        logits, on_device = asked.scores, split.labels.to(asked.scores.device)
        losses, labels = self._loss(logits, on_device).double(), split.labels.cpu().numpy()
        # One copy down: losses and predictions together, and the scores if they are asked for.
        parts = [losses[:, None], logits.argmax(dim=-1).double(), *([logits.flatten(1).double()] if outputs else [])]
        down = torch.cat(parts, dim=1).cpu().numpy()  # (B, 1 + N) or (B, 1 + N + N C)
        predicted = down[:, 1 : 1 + len(labels)].astype(np.int64)
        return Evaluation(
            losses=down[:, 0].copy(),
            metrics=self._metrics(predicted, labels, asked),
            outputs=down[:, 1 + len(labels) :].copy() if outputs else None,
            usage=asked.usage,
        )

    def _metrics(self, predicted: Classes, labels: Classes, asked: Asked) -> dict[str, Vector]:
        bounded = {} if asked.bounded is None else {BOUNDED: asked.bounded}
        return {self.metric: metric_score(self.metric, predicted, labels), **bounded}

    def _local(self, dtype: str, prompt_tokens: int) -> Local:
        lm, train = self.problem.lm, self._splits["train"]

        def losses(precision: Precision) -> Vector:
            candidates = PROBE_STEP * np.random.default_rng(0).standard_normal((PROBES, self.dim))
            logits = self._verbalizer.scorer_with(Scorer(lm, precision))(self._projection(candidates), train.texts)
            found: Vector = self._loss(logits, train.labels).double().cpu().numpy()
            return found

        engines = train.texts.engines(Scorer(lm), prompt_tokens)
        precision = choose_precision(lm.model, dtype, losses)
        return Local(self.problem, self._verbalizer, self._projection, dim=self.dim, precision=precision, engines=engines)
