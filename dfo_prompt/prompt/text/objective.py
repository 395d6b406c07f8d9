"""The text objective: the loss of a language model, behind any endpoint, under a text that z selects."""

import logging
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from dfo_prompt.contracts.endpoint import Endpoint
from dfo_prompt.contracts.objective import Evaluation, concatenated
from dfo_prompt.contracts.usage import Usage, UsageMeter
from dfo_prompt.errors import InputError
from dfo_prompt.lm.calibration import calibration_called
from dfo_prompt.lm.layout import shorter
from dfo_prompt.prompt.problem import TaskSplit
from dfo_prompt.prompt.task_objective import TaskObjective
from dfo_prompt.prompt.text.decoders import Choice, TextDecoder
from dfo_prompt.prompt.text.rendering import Rendering
from dfo_prompt.prompt.text.scoring import TextScorer, Words
from dfo_prompt.tasks.examples import Texts
from dfo_prompt.types import Json, Matrix, Vector

logger = logging.getLogger(__name__)


class TextObjective(TaskObjective):
    """The loss of a text ahead of each example: an instruction, and demonstrations from the training split.

    A training example that is also a demonstration is scored with only the other demonstrations, because the prompt would
    contain its answer otherwise. The split is not divided into examples to show and examples to score: with few shots, each
    is needed for both, and the loss remains a mean over the same examples for every candidate. No other example takes the
    place of the one left out, so that the loss depends only on the text, and candidates with the same text are scored once.
    Dev and test share no example with the training split.

    Args:
        split: task and examples.
        endpoint: endpoint of the language model.
        words: label words in tokens of the model.
        decoder: map from z (d,) to the parts of a prompt.
        loss: a loss that `dfo-prompt list losses` shows.
        calibration: a calibration that `dfo-prompt list calibrations` shows; its reference texts add to the rows of a query.
        longest: the longest prompt, for estimates; None for no estimates.
        most_tokens: largest number of tokens that the model takes; longer examples are truncated. None for no limit.
        costs_again: currencies that a repeated evaluation consumes again; see `Estimating`.
        metadata: further entries for the manifest.

    Raises:
        InputError: the endpoint cannot score label words after texts, or the longest prompt leaves no room for an example.
    """

    def __init__(
        self,
        *,
        split: TaskSplit,
        endpoint: Endpoint,
        words: Words,
        decoder: TextDecoder,
        loss: str = "cross_entropy",
        calibration: str = "none",
        longest: Choice | None = None,
        most_tokens: int | None = None,
        costs_again: tuple[str, ...] = (),
        metadata: dict[str, Json] | None = None,
    ) -> None:
        super().__init__(split=split, dim=decoder.dim, loss=loss)
        self.decoder, self.split = decoder, split
        self._endpoint, self._scorer = endpoint, TextScorer(endpoint, words)
        self._rendering = Rendering(split.task, split.data.train)
        self._train = split.texts("train")
        self._drawn = split.drawn_texts if split.data.added else self._train
        self._calibration = calibration_called(calibration, split.task, self._drawn)
        self._most_tokens, self._metadata = most_tokens, dict(metadata or {})
        self._room = None if most_tokens is None else most_tokens - self._scorer.most_further
        self._longest, self.costs_again = longest, costs_again
        self.deterministic = self._scorer.capabilities.steady
        if longest is not None:
            self._check_room(longest)

    def estimate(self, count: int, split: str = "train") -> Usage:
        """Return an upper bound on the usage of `count` candidates on a split: that of the longest prompt for each."""
        if self._longest is None:
            return Usage()
        ahead = self._rendering.ahead(self._longest)
        examples = [*self._texts(split), *self._calibration.texts]
        rows = [self._row(ahead, tuple(example), fits=False) for example in examples]
        return self._scorer.estimate(rows, self._room).times(count)

    def text(self, candidate: Vector) -> str:
        """Return the prompt of a candidate (d,), with the marks of the template, such as {text}, in place of an example."""
        return self._rendering.whole(self.decoder.decode(candidate))

    def describe(self) -> dict[str, Json]:
        """Return the settings that define the objective, for manifests."""
        capabilities = self._scorer.capabilities
        return {
            **self.split.describe(),
            **self.decoder.describe(),
            "endpoint": {**self._endpoint.describe(), **capabilities.lasting()},
            "endpoint_probe": capabilities.measured(),
            **self._metadata,
        }

    def _check_room(self, longest: Choice) -> None:
        """Check that the longest prompt leaves room for every training text, or half of the model's tokens.

        It logs a warning if some training texts are truncated under that prompt.

        Raises:
            InputError: the prompt is too long.
        """
        if self._room is None:
            return
        sizes = [self._scorer.size(self._rendering.before_answer(texts)) for texts in self._train]
        text = max(sizes)
        ahead = self._scorer.size(self._rendering.ahead(longest)) if longest != Choice() else 0
        if ahead > max(self._room - text, self._room // 2):
            shown = len(longest.shown)
            parts, advice = (
                (f"{shown} demonstrations", "set fewer demonstrations") if shown else ("instructions", "shorten them")
            )
            room = f"leave no room for a text in the {self._most_tokens} that the model takes"
            raise InputError(f"{parts} of up to {ahead} tokens {room}; {advice}")
        if cut := sum(size + ahead > self._room for size in sizes):
            said = f"under the longest prompt, {cut:,} of {len(sizes):,} training examples do not fit in"
            logger.warning("%s %d tokens: the ends of their longest texts are left out", said, self._most_tokens)

    def _score(self, candidates: Matrix, split: str, *, outputs: bool = False) -> Evaluation:
        labels = torch.as_tensor(self.split.labels(split))
        texts = self._texts(split)
        evaluations: dict[Choice, Evaluation] = {}
        choices, meter = [self.decoder.decode(z) for z in candidates], UsageMeter()
        for choice in dict.fromkeys(choices):
            logits, bounded = self._scores(choice, texts, meter)
            evaluations[choice] = self._evaluation(logits[None], labels, Usage(), outputs=outputs, bounded=bounded)
        return concatenated([evaluations[choice] for choice in choices], meter.total)

    def _manual(self, split: str) -> Evaluation:
        labels, meter = torch.as_tensor(self.split.labels(split)), UsageMeter()
        logits, bounded = self._scores(Choice(), self._texts(split), meter)
        return self._evaluation(logits[None], labels, meter.total, outputs=False, bounded=bounded)

    def _label(self, candidate: Vector, texts: Texts) -> Tensor:
        return self._scores(self.decoder.decode(candidate), texts, UsageMeter())[0]

    def _texts(self, split: str) -> Texts:
        return self._train if split == "train" else self.split.texts(split)

    def _scores(self, choice: Choice, texts: Texts, meter: UsageMeter) -> tuple[Tensor, Vector | None]:
        """Score texts under a choice, and add the usage to `meter`.

        Returns:
            The calibrated scores (N, C), and the number (1,) of label scores that are only upper bounds, those of the
            calibration's reference texts included; None if all are exact.
        """
        reference = self._calibration.texts
        with meter.kept():
            scores, bounded = self._raw(choice, texts, meter)
            neutral = scores
            if reference and texts is not reference:
                neutral, more = self._raw(choice, reference, meter)
                bounded += more
        bounds = None if self._scorer.capabilities.exact else np.array([float(bounded)])
        if not reference:
            return scores, bounds
        return scores - self._calibration.average(neutral.log_softmax(dim=-1)[None])[0], bounds

    def _raw(self, choice: Choice, texts: Texts, meter: UsageMeter) -> tuple[Tensor, int]:
        ahead: Callable[[int], str]
        if texts is self._train or texts is self._drawn:
            ahead = lambda i: self._rendering.ahead(choice, without=i)  # noqa: E731
        else:
            whole = self._rendering.ahead(choice)
            ahead = lambda _: whole  # noqa: E731
        rows = [self._row(ahead(i), tuple(example)) for i, example in enumerate(texts)]
        scores, bounded = self._scorer.scores(rows, meter)
        return torch.from_numpy(scores), bounded

    def _row(self, ahead: str, texts: tuple[str, ...], *, fits: bool = True) -> str:
        """Return prompt and example as a row, truncated so that the model takes it with a label word but its last token.

        If it need not fit, it is truncated once less: a bound on the same example behind any shorter prompt.
        """
        row = ahead + self._rendering.before_answer(texts)
        while self._room is not None and any(texts) and self._scorer.size(row) > self._room:
            texts, longer = shorter(texts), row
            row = ahead + self._rendering.before_answer(texts)
            if not fits and self._scorer.size(row) <= self._room:
                return longer
        return row
