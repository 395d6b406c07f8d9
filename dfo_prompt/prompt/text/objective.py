"""The text objective: the loss of a language model under a text, over any endpoint, as a function of z."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from dfo_prompt.contracts.endpoint import Endpoint
from dfo_prompt.contracts.objective import Evaluation
from dfo_prompt.contracts.usage import Usage
from dfo_prompt.endpoints.cache import STEADY
from dfo_prompt.errors import InputError, OutageError
from dfo_prompt.lm.calibration import Calibration
from dfo_prompt.lm.layout import shorter
from dfo_prompt.plugin.catalogue import catalogue
from dfo_prompt.prompt.problem import TaskSplit
from dfo_prompt.prompt.task_objective import TaskObjective
from dfo_prompt.prompt.text.asking import Asker, Words
from dfo_prompt.prompt.text.decoders import Choice, TextDecoder
from dfo_prompt.prompt.text.rendering import Rendering
from dfo_prompt.tasks.examples import Texts
from dfo_prompt.types import Json, Matrix, Vector


class TextObjective(TaskObjective):
    """The loss of texts ahead of each example: an instruction and demonstrations, chosen from the training split.

    A training example that is a demonstration is scored without itself: with the other demonstrations, in their order. Its
    answer would stand in the prompt otherwise. The split is not divided into examples to show and examples to score instead:
    with a handful of shots each is needed for both, and the loss stays a mean over the same examples for every candidate.
    The place that it leaves is not filled with the next key, so that the loss depends on the text alone, and candidates of
    one text are one question. Dev and test share no example with the training split.

    Args:
        split: the task and its examples.
        endpoint: the language model.
        words: the label words in its tokens.
        decoder: from z (d,) to what a prompt is made of.
        loss: a name that `dfo-prompt list losses` shows.
        calibration: a name that `dfo-prompt list calibrations` shows; a query costs the rows of its reference texts too.
        longest: the longest prompt that z can stand for, for estimates; None gives none.
        most_tokens: that the model takes; an example that is too long loses its end. Without it none is cut.
        costs_again: currencies that a repeated evaluation consumes again; see `Estimating`.
        about: further facts for the manifest.

    Raises:
        InputError: the endpoint cannot score label words of texts, or the longest prompt leaves no room for an example.
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
        about: dict[str, Json] | None = None,
    ) -> None:
        super().__init__(split=split, dim=decoder.dim, loss=loss)
        self.decoder, self.split = decoder, split
        self._endpoint, self._asker = endpoint, Asker(endpoint, words)
        self._rendering = Rendering(split.task, split.data.train)
        self._train = split.texts("train")
        self._calibration: Calibration = catalogue().calibrations.bound(calibration)(split.task, self._train)
        self._most, self._about = most_tokens, dict(about or {})
        self._longest, self.costs_again = longest, costs_again
        self.deterministic = self._asker.capabilities.spread <= STEADY
        if longest is not None:
            self._check_room(longest)

    def estimate(self, count: int, split: str = "train") -> Usage:
        """Return the most that `count` candidates consume on a split: that of the longest prompt for each."""
        if self._longest is None:
            return Usage()
        ahead = self._rendering.ahead(self._longest)
        asked = [*self._texts(split), *self._calibration.texts]
        return self._asker.estimate([self._fitting(ahead, tuple(request)) for request in asked]).times(count)

    def text(self, candidate: Vector) -> str:
        """Return the prompt of a candidate (d,), with the marks of the template, such as {text}, in place of an example."""
        return self._rendering.whole(self.decoder.decode(candidate))

    def describe(self) -> dict[str, Json]:
        """Return what defines this objective."""
        found = self._asker.capabilities
        return {
            **self.split.describe(),
            **self.decoder.describe(),
            "endpoint": {**self._endpoint.describe(), **found.lasting()},
            "endpoint_probe": found.measured(),
            **self._about,
        }

    def _check_room(self, longest: Choice) -> None:
        """Check that behind the longest prompt there is room for every training text, or half of what the model takes.

        Raises:
            InputError: there is not.
        """
        if self._most is None:
            return
        rest = max(self._asker.size(self._rendering.asked(texts)) for texts in self._train)
        ahead = self._asker.size(self._rendering.ahead(longest)) if longest != Choice() else 0
        if ahead > max(self._most - rest, self._most // 2):
            shown = len(longest.shown)
            said, less = (
                (f"{shown} demonstrations", "set fewer demonstrations") if shown else ("instructions", "shorten them")
            )
            room = f"leave no room for a text in the {self._most} that the model takes"
            raise InputError(f"{said} of up to {ahead} tokens {room}; {less}")

    def _score(self, candidates: Matrix, split: str, *, outputs: bool = False) -> Evaluation:
        labels = torch.as_tensor(self.split.labels(split))
        texts = self._texts(split)
        found: dict[Choice, Evaluation] = {}
        chosen = [self.decoder.decode(z) for z in candidates]
        for choice in dict.fromkeys(chosen):
            try:
                logits, bounded, usage = self._scores(choice, texts)
            except OutageError as error:  # what came before it was paid for as well
                error.usage = sum((item.usage for item in found.values()), error.usage or Usage())
                raise
            found[choice] = self._evaluation(logits[None], labels, usage, outputs=outputs, bounded=bounded)
        return _together([found[choice] for choice in chosen], sum((item.usage for item in found.values()), Usage()))

    def _manual(self, split: str) -> Evaluation:
        logits, bounded, usage = self._scores(Choice(), self._texts(split))
        labels = torch.as_tensor(self.split.labels(split))
        return self._evaluation(logits[None], labels, usage, outputs=False, bounded=bounded)

    def _label(self, candidate: Vector, texts: Texts) -> Tensor:
        return self._scores(self.decoder.decode(candidate), texts)[0]

    def _texts(self, split: str) -> Texts:
        return self._train if split == "train" else self.split.texts(split)

    def _scores(self, choice: Choice, texts: Texts) -> tuple[Tensor, Vector | None, Usage]:
        """Return the calibrated scores (N, C) of texts, how many were bounds only (1,), and what they took."""
        scores, bounded, usage = self._raw(choice, texts)
        known = None if self._asker.capabilities.exact else np.array([float(bounded)])
        reference = self._calibration.texts
        if not reference:
            return scores, known, usage
        neutral, _, more = (scores, 0, Usage()) if texts is reference else self._raw(choice, reference)
        return scores - self._calibration.average(neutral.log_softmax(dim=-1)[None])[0], known, usage + more

    def _raw(self, choice: Choice, texts: Texts) -> tuple[Tensor, int, Usage]:
        ahead: Callable[[int], str]
        if texts is self._train:
            ahead = lambda i: self._rendering.ahead(choice, without=i)  # noqa: E731
        else:
            whole = self._rendering.ahead(choice)
            ahead = lambda _: whole  # noqa: E731
        rows = [self._fitting(ahead(i), tuple(example)) for i, example in enumerate(texts)]
        scores, bounded, usage = self._asker.scores(rows)
        return torch.from_numpy(scores), bounded, usage

    def _fitting(self, ahead: str, texts: tuple[str, ...]) -> str:
        row = ahead + self._rendering.asked(texts)
        while self._most is not None and any(texts) and self._asker.size(row) > self._most:
            texts = shorter(texts)
            row = ahead + self._rendering.asked(texts)
        return row


def _together(found: Sequence[Evaluation], usage: Usage) -> Evaluation:
    """Return evaluations of a candidate each as that of all (B)."""
    outputs = [item.outputs for item in found if item.outputs is not None]
    return Evaluation(
        losses=np.concatenate([item.losses for item in found]),
        metrics={name: np.concatenate([item.metrics[name] for item in found]) for name in found[0].metrics},
        outputs=np.concatenate(outputs) if outputs else None,
        usage=usage,
    )
