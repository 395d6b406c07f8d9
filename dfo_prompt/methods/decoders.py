"""Methods that leave the model as it is, and learn to read its answers: decoders at the answer slot."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from dfo_prompt._util.memory import allocated_by
from dfo_prompt._util.parsing import STRICT
from dfo_prompt.contracts.usage import Usage
from dfo_prompt.lm.precision import choose_precision
from dfo_prompt.lm.scorer import Scorer
from dfo_prompt.methods.fixed import dtype_of
from dfo_prompt.methods.heads import Classifier, Fit, Labels, Prototypes, Ridge, held_out_loss
from dfo_prompt.methods.setting import Fitted, Setting
from dfo_prompt.methods.slots import Answers, Features, HiddenStates, Slot, TopTokens, View, tasks_of
from dfo_prompt.methods.studies import tune
from dfo_prompt.study.costs import Spent
from dfo_prompt.tasks.examples import Texts
from dfo_prompt.tasks.task import Task
from dfo_prompt.types import Json, Matrix

AT_ONCE = 1024
"""Texts whose figures are held together: those of a large test set do not fit."""
FOLDS = 8
"""Of the cross-validation on train."""

Depths = Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], Field(min_length=1)]
"""Layers, as parts of the model's depth: 1 is the last one."""
LAST: Depths = (1.0,)
UPPER_HALF: Depths = (0.5, 0.67, 0.83, 1.0)


@dataclass(frozen=True, kw_only=True)
class Fitting:
    """How decoders are fitted: what the option `fit` may set.

    Attributes:
        head: see `Ridge` and `Prototypes`.
        strength: C of the ridge.
        words: whether the label words' log-probabilities are added to the scores: "none", "offset", or "auto", for each
            member what has the smaller cross-validated loss on train.
        join_dev: fit on train and dev together, once all is settled on train. The dev metric is then that of the same
            decoder fitted on train alone.
    """

    __pydantic_config__ = STRICT

    head: Literal["ridge", "prototypes"] = "ridge"
    strength: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.01
    words: Literal["none", "offset", "auto"] = "none"
    join_dev: bool = True

    def on(self, view: View) -> Fit:
        """Return what fits a member to features of a view."""
        if self.head == "ridge":
            return Ridge(strength=self.strength, scaling=view.scaling)
        return Prototypes(scaling=view.scaling)


DEFAULT = Fitting()


def decoder(setting: Setting, *, depths: Depths = LAST, fit: Fitting = DEFAULT) -> Fitted:
    """Fit a classifier on hidden states at the answer slot of the task's template (after DecT: Cui et al., 2023).

    Args:
        setting: where.
        depths: layers; several vote.
        fit: how; see `Fitting`.
    """
    view = HiddenStates(lm=setting.problem.lm, depths=depths)
    return _decode(setting, _slots(setting, view), fit)


def multi_prompt_decoder(
    setting: Setting, *, depths: Depths = UPPER_HALF, templates: tuple[str, ...] = (), fit: Fitting = DEFAULT
) -> Fitted:
    """Fit a decoder for each template and layer, and average their log-probabilities (after MPD, 2024).

    Args:
        setting: where.
        depths: layers.
        templates: to ask with, in place of the task's own patterns.
        fit: how; see `Fitting`.

    Raises:
        InputError: a template is wrong.
    """
    view = HiddenStates(lm=setting.problem.lm, depths=depths)
    return _decode(setting, _slots(setting, view, tasks_of(setting.problem.task, templates)), fit)


def decoder_top_k(setting: Setting, *, k: Annotated[int, Field(ge=2)] = 20, fit: Fitting = DEFAULT) -> Fitted:
    """Fit a classifier on the k most likely tokens at the answer slot; see `TopTokens`."""
    return _decode(setting, _slots(setting, TopTokens(lm=setting.problem.lm, k=k)), fit)


def tuned_decoder(setting: Setting, *, depths: Depths = LAST, fit: Fitting = DEFAULT) -> Fitted:
    """Run the entry's own study, and fit a decoder under the prompt that is best on dev.

    Args, raises: see `decoder` and `tune`.
    """
    folder = setting.folder and setting.folder / "study"
    objective, result = tune(setting, setting.config, folder=folder)
    lm, task = setting.problem.lm, setting.problem.task
    view = HiddenStates(lm=lm, depths=depths)
    slot = Slot(lm, task, _scorer(setting), view, prompt=objective.prompt(result.chosen), dim=objective.dim)
    found = _decode(setting, [slot], fit)
    spent = result.spent + found.spent
    return replace(
        found,
        spent=spent,
        validation=result.validation + found.validation,
        seconds=spent.seconds,
        user_bytes=None if result.user_bytes is None else max(result.user_bytes, found.user_bytes or 0),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Member:
    """One of those that vote: a classifier on one feature matrix of a slot, with the label words as offset or without."""

    words: bool
    classify: Classifier

    def logs(self, features: Matrix, words: Matrix) -> Matrix:
        """Return log-probabilities (N, C)."""
        return self.classify(features, words if self.words else np.zeros_like(words))


@dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """A slot with what was fitted on its answers."""

    slot: Slot
    features: Features
    members: Sequence[Member]

    def vote(self, answers: Answers) -> Matrix:
        """Return the log-probabilities (N, C) of all members, summed."""
        made = self.features(answers.figures)
        total: Matrix = np.sum([one.logs(x, answers.words) for one, x in zip(self.members, made, strict=True)], axis=0)
        return total

    @property
    def needs_words(self) -> bool:
        """Tell whether any member takes the label words."""
        return any(one.words for one in self.members)


def _decode(setting: Setting, slots: Sequence[Slot], how: Fitting) -> Fitted:
    problem, words = setting.problem, how.words != "none"
    train, spent = _asked(slots, problem.texts("train"), words=words)
    labels = problem.labels("train")
    joined: list[Answers] = []
    if how.join_dev:
        dev, more = _asked(slots, problem.texts("dev"), words=words)
        spent += more
        joined = [_stacked(*both) for both in zip(train, dev, strict=True)]
    readings: list[Reading] = []
    dev_metric: list[float] = []

    def fit() -> None:
        first = [_fitted(slot, answers, labels, how) for slot, answers in zip(slots, train, strict=True)]
        if joined:
            dev_metric.append(problem.metric_of(_mean(first, dev), "dev"))
            both = np.concatenate([labels, problem.labels("dev")])
            first = [_refitted(one, answers, both, how) for one, answers in zip(first, joined, strict=True)]
        readings.extend(first)

    held = sum(one.figures.nbytes for one in joined or train)
    user = held + allocated_by(fit)

    def predict(texts: Texts) -> Matrix:
        parts = [texts[at : at + AT_ONCE] for at in range(0, len(texts), AT_ONCE)]
        return np.concatenate(
            [_mean(readings, [one.slot.ask(part, words=one.needs_words) for one in readings]) for part in parts]
        )

    members = [member.words for one in readings for member in one.members]
    about: dict[str, Json] = {"templates": len(slots), "members": len(members), "with_words": sum(members)}
    return Fitted(
        predict=predict,
        spent=spent,
        user_bytes=user,
        about={**about, "fitted_on": "train and dev" if joined else "train"},
        dev_metric=dev_metric[0] if joined else None,
    )


def _asked(slots: Sequence[Slot], texts: Texts, *, words: bool) -> tuple[list[Answers], Spent]:
    """Return the answers of every slot, and what they took: a query each."""
    started = perf_counter()
    answers = [slot.ask(texts, words=words) for slot in slots]
    usage = sum((one.usage for one in answers), Usage(queries=len(slots)))
    return answers, Spent.of(usage, objective_seconds=perf_counter() - started)


def _fitted(slot: Slot, answers: Answers, labels: Labels, how: Fitting) -> Reading:
    features, fit = slot.view.learn(answers.figures), how.on(slot.view)
    members = []
    for x in features(answers.figures):
        words = how.words == "offset" or (how.words == "auto" and _words_help(x, answers.words, labels, fit))
        members.append(_member(x, answers.words, labels, fit, words=words))
    return Reading(slot=slot, features=features, members=members)


def _refitted(reading: Reading, answers: Answers, labels: Labels, how: Fitting) -> Reading:
    """Fit the same on more answers; which members take the label words is settled."""
    features, fit = reading.slot.view.learn(answers.figures), how.on(reading.slot.view)
    made = zip(features(answers.figures), reading.members, strict=True)
    members = [_member(x, answers.words, labels, fit, words=one.words) for x, one in made]
    return replace(reading, features=features, members=members)


def _member(features: Matrix, scores: Matrix, labels: Labels, fit: Fit, *, words: bool) -> Member:
    return Member(words=words, classify=fit(features, labels, scores if words else np.zeros_like(scores)))


def _words_help(features: Matrix, scores: Matrix, labels: Labels, fit: Fit) -> bool:
    without, within = (
        held_out_loss(fit, features, labels, offset, folds=FOLDS) for offset in (np.zeros_like(scores), scores)
    )
    return within < without


def _mean(readings: Sequence[Reading], answers: Sequence[Answers]) -> Matrix:
    """Return the mean log-probabilities (N, C) of all members of all slots."""
    total = np.sum([one.vote(given) for one, given in zip(readings, answers, strict=True)], axis=0)
    mean: Matrix = total / sum(len(one.members) for one in readings)
    return mean


def _stacked(one: Answers, other: Answers) -> Answers:
    return Answers(
        figures=np.concatenate([one.figures, other.figures]),
        words=np.concatenate([one.words, other.words]),
        usage=one.usage + other.usage,
    )


def _slots(setting: Setting, view: View, tasks: Sequence[Task] | None = None) -> list[Slot]:
    lm, scorer = setting.problem.lm, _scorer(setting)
    return [Slot(lm, task, scorer, view) for task in tasks or [setting.problem.task]]


def _scorer(setting: Setting) -> Scorer:
    lm = setting.problem.lm
    return Scorer(lm, choose_precision(lm.model, dtype_of(setting), lambda _: np.zeros(0)))
