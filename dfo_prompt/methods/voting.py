"""Fits classifiers to the answers of slots, and weights their votes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.special import softmax

from dfo_prompt._util.parsing import STRICT, NotNegative, Positive
from dfo_prompt.methods.heads import Classifier, Fit, Labels, Prototypes, Ridge, held_out_loss
from dfo_prompt.methods.slots import Answers, Features, Slot, View
from dfo_prompt.tasks.examples import Texts
from dfo_prompt.types import Matrix

AT_ONCE = 1024
"""The most texts whose figures are in memory at once."""
FOLDS = 8
"""The folds of the cross-validation on train."""


@dataclass(frozen=True, kw_only=True)
class Fitting:
    """The settings of decoders, given by the option `fit`.

    Attributes:
        head: see `Ridge` and `Prototypes`.
        strength: C of the ridge penalty.
        words: whether the label words' log-probabilities are added to the scores: "none", "offset", or "auto", the choice
            with the smaller cross-validated loss on train for each member.
        sharpness: members vote with weight exp(-sharpness L), L their cross-validated loss on train; 0 means equal weights.
        join_dev: whether to fit on train and dev after all choices are made on train. The dev metric is then that of the
            decoder fitted on train alone.
    """

    __pydantic_config__ = STRICT

    head: Literal["ridge", "prototypes"] = "ridge"
    strength: Positive = 0.01
    words: Literal["none", "offset", "auto"] = "none"
    sharpness: NotNegative = 5.0
    join_dev: bool = True

    def on(self, view: View) -> Fit:
        """Return the fit of a member to features of a view."""
        if self.head == "ridge":
            return Ridge(strength=self.strength, scaling=view.scaling)
        return Prototypes(scaling=view.scaling)


@dataclass(frozen=True, kw_only=True, eq=False)
class Member:
    """A voting classifier on a feature matrix of a slot, with or without the label words as offset.

    Attributes:
        loss: the cross-validated loss on train.
    """

    words: bool
    loss: float
    classify: Classifier

    def logs(self, features: Matrix, words: Matrix) -> Matrix:
        """Return log-probabilities (N, C)."""
        return self.classify(features, words * self.words)


@dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """A slot with the members fitted to its answers."""

    slot: Slot
    features: Features
    members: Sequence[Member]

    def logs(self, answers: Answers) -> list[Matrix]:
        """Return the log-probabilities (N, C) of each member."""
        pairs = zip(self.members, self.features(answers.figures), strict=True)
        return [member.logs(x, answers.words) for member, x in pairs]

    @property
    def needs_words(self) -> bool:
        """Tell whether a member uses the label words."""
        return any(member.words for member in self.members)


@dataclass(frozen=True, kw_only=True, eq=False)
class Voters:
    """The members of all slots and the sharpness of their weights; see `Fitting`."""

    readings: Sequence[Reading]
    sharpness: float

    @property
    def members(self) -> list[Member]:
        """Return the members, slot after slot."""
        return [member for reading in self.readings for member in reading.members]

    def predict(self, texts: Texts) -> Matrix:
        """Return the probabilities (N, C) for new texts, of the weighted mean of log-probabilities."""
        parts = [texts[at : at + AT_ONCE] for at in range(0, len(texts), AT_ONCE)]
        asked = ([reading.slot.ask(part, words=reading.needs_words) for reading in self.readings] for part in parts)
        probabilities: Matrix = softmax(np.concatenate([self.scores(answers) for answers in asked]), axis=1)
        return probabilities

    def scores(self, answers: Sequence[Answers]) -> Matrix:
        """Return the weighted mean log-probabilities (N, C) from each slot's answers."""
        losses = np.array([member.loss for member in self.members])
        weights = np.exp(-self.sharpness * (losses - losses.min()))
        logs = [vote for reading, answer in zip(self.readings, answers, strict=True) for vote in reading.logs(answer)]
        mean: Matrix = np.average(logs, axis=0, weights=weights)
        return mean


def fitted(slot: Slot, answers: Answers, labels: Labels, how: Fitting) -> Reading:
    """Fit the members of a slot on train and choose which of them use the label words."""
    answers, labels = _unseen(slot, answers, labels)
    features, fit = slot.view.learn(answers.figures), how.on(slot.view)
    tried = [False] if how.words == "none" else [True] if how.words == "offset" else [False, True]
    members = []
    for x in features(answers.figures):
        offsets = {words: answers.words * words for words in tried}
        losses = {words: held_out_loss(fit, x, labels, offset, folds=FOLDS) for words, offset in offsets.items()}
        best = min(tried, key=lambda words: losses[words])
        members.append(Member(words=best, loss=losses[best], classify=fit(x, labels, offsets[best])))
    return Reading(slot=slot, features=features, members=members)


def refitted(reading: Reading, answers: Answers, labels: Labels, how: Fitting) -> Reading:
    """Fit the same members on more answers, those on train first."""
    answers, labels = _unseen(reading.slot, answers, labels)
    features, fit = reading.slot.view.learn(answers.figures), how.on(reading.slot.view)
    pairs = zip(reading.members, features(answers.figures), strict=True)
    members = [replace(member, classify=fit(x, labels, answers.words * member.words)) for member, x in pairs]
    return replace(reading, features=features, members=members)


def _unseen(slot: Slot, answers: Answers, labels: Labels) -> tuple[Answers, Labels]:
    """Return answers and labels without those of the training examples that the slot's prompt shows with their labels."""
    kept = np.delete(np.arange(len(labels)), slot.shown)
    return replace(answers, figures=answers.figures[kept], words=answers.words[kept]), labels[kept]
