"""Classifiers that vote: how they are fitted to the answers of slots, and how much each counts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from dfo_prompt._util.parsing import STRICT
from dfo_prompt.methods.heads import Classifier, Fit, Labels, Prototypes, Ridge, held_out_loss
from dfo_prompt.methods.slots import Answers, Features, Slot, View
from dfo_prompt.tasks.examples import Texts
from dfo_prompt.types import Matrix

AT_ONCE = 1024
"""Texts whose figures are held together: those of a large test set do not fit."""
FOLDS = 8
"""Of the cross-validation on train."""


@dataclass(frozen=True, kw_only=True)
class Fitting:
    """How decoders are fitted: what the option `fit` may set.

    Attributes:
        head: see `Ridge` and `Prototypes`.
        strength: C of the ridge.
        words: whether the label words' log-probabilities are added to the scores: "none", "offset", or "auto", for each
            member what has the smaller cross-validated loss on train.
        sharpness: members vote with the weight exp(-sharpness L), L being their cross-validated loss on train; 0 is equally.
        join_dev: fit on train and dev together, once all is settled on train. The dev metric is then that of the same
            decoder fitted on train alone.
    """

    __pydantic_config__ = STRICT

    head: Literal["ridge", "prototypes"] = "ridge"
    strength: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.01
    words: Literal["none", "offset", "auto"] = "none"
    sharpness: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 5.0
    join_dev: bool = True

    def on(self, view: View) -> Fit:
        """Return what fits a member to features of a view."""
        if self.head == "ridge":
            return Ridge(strength=self.strength, scaling=view.scaling)
        return Prototypes(scaling=view.scaling)


@dataclass(frozen=True, kw_only=True, eq=False)
class Member:
    """One of those that vote: a classifier on one feature matrix of a slot, with the label words as offset or without.

    Attributes:
        loss: cross-validated, on train.
    """

    words: bool
    loss: float
    classify: Classifier

    def logs(self, features: Matrix, words: Matrix) -> Matrix:
        """Return log-probabilities (N, C)."""
        return self.classify(features, words * self.words)


@dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """A slot with what was fitted on its answers."""

    slot: Slot
    features: Features
    members: Sequence[Member]

    def logs(self, answers: Answers) -> list[Matrix]:
        """Return the log-probabilities (N, C) of each member."""
        made = zip(self.members, self.features(answers.figures), strict=True)
        return [member.logs(x, answers.words) for member, x in made]

    @property
    def needs_words(self) -> bool:
        """Tell whether any member takes the label words."""
        return any(member.words for member in self.members)


@dataclass(frozen=True, kw_only=True, eq=False)
class Voters:
    """All members of all slots, and how sharply they are weighed; see `Fitting`."""

    readings: Sequence[Reading]
    sharpness: float

    @property
    def members(self) -> list[Member]:
        """Return the members, slot after slot."""
        return [member for reading in self.readings for member in reading.members]

    def predict(self, texts: Texts) -> Matrix:
        """Return the weighted mean log-probabilities (N, C) for new texts."""
        parts = [texts[at : at + AT_ONCE] for at in range(0, len(texts), AT_ONCE)]
        return np.concatenate(
            [self.scores([reading.slot.ask(part, words=reading.needs_words) for reading in self.readings]) for part in parts]
        )

    def scores(self, answers: Sequence[Answers]) -> Matrix:
        """Return the same from each slot's answers."""
        losses = np.array([member.loss for member in self.members])
        weights = np.exp(-self.sharpness * (losses - losses.min()))
        logs = [each for reading, given in zip(self.readings, answers, strict=True) for each in reading.logs(given)]
        mean: Matrix = np.average(logs, axis=0, weights=weights)
        return mean


def fitted(slot: Slot, answers: Answers, labels: Labels, how: Fitting) -> Reading:
    """Fit the members of a slot on train, and settle which of them take the label words."""
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
    """Fit the same members on more answers."""
    features, fit = reading.slot.view.learn(answers.figures), how.on(reading.slot.view)
    made = zip(reading.members, features(answers.figures), strict=True)
    members = [replace(member, classify=fit(x, labels, answers.words * member.words)) for member, x in made]
    return replace(reading, features=features, members=members)
