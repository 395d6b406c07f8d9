"""Methods that query the model without any search: manual, calibrated and in-context prompts."""

from dataclasses import replace
from time import perf_counter
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from scipy.special import softmax
from torch import Tensor

from dfo_prompt._util.seeding import Stream, generator
from dfo_prompt.config.problem import Count
from dfo_prompt.contracts.endpoint import SMALLEST_PROBABILITY
from dfo_prompt.errors import InputError
from dfo_prompt.lm.layout import lay_out
from dfo_prompt.methods.contexts import demonstrations_within, in_turn
from dfo_prompt.methods.setting import Fitted, Predict, Setting
from dfo_prompt.prompt.objective import PromptObjective
from dfo_prompt.prompt.problem import Problem
from dfo_prompt.study.costs import Spent
from dfo_prompt.tasks.examples import Texts
from dfo_prompt.types import Json, Matrix


def manual(setting: Setting) -> Fitted:
    """Predict with the task's hand-written template."""
    return Fitted(predict=_predict(fixed_objective(setting.problem, dtype=setting.dtype)))


def calibrated(setting: Setting, *, calibration: str = "contextual") -> Fitted:
    """Predict with the hand-written template and calibrated scores of label words; see `Verbalizer`.

    Args:
        setting: the entry's setting.
        calibration: a calibration that `dfo-prompt list calibrations` shows.
    """
    return Fitted(predict=_predict(fixed_objective(setting.problem, dtype=setting.dtype, calibration=calibration)))


def in_context(
    setting: Setting, *, demonstrations: Count | None = None, orders: Annotated[int, Field(ge=1, le=100)] = 1
) -> Fitted:
    """Prepend training examples with their answers to the text.

    Demonstrations are drawn from the classes in turn, in an order that depends on the seed. As many are used as fit before
    the longest training text, or into half of the model's context: longer texts are truncated, as under any prompt.

    Args:
        setting: the entry's setting.
        demonstrations: the most demonstrations; by default all that fit.
        orders: the number of draws to try; the draw with the best metric on dev is used.

    Raises:
        InputError: no demonstration fits.
    """
    problem = replace(setting.problem, task=setting.problem.task.without_prompt)  # demonstrations stand first
    tried, looks = [], Spent()
    for order in range(orders):
        shown = _shown(problem, generator(problem.seed, Stream.ORDER, order), demonstrations)
        prompt = problem.lm.embed(np.concatenate(shown))
        objective = fixed_objective(problem, dtype=setting.dtype, prompt=prompt)
        metric, look = _look(objective, "dev") if orders > 1 else (0.0, Spent())
        about: dict[str, Json] = {"demonstrations": len(shown), "order": order}
        tried.append((metric, -order, Fitted(predict=_predict(objective), about=about)))
        looks += look
    return replace(max(tried, key=lambda attempt: attempt[:2])[2], validation=looks)


def patterns(setting: Setting) -> Fitted:
    """Average the log-probabilities of the classes over the task's patterns.

    A pattern's weight is its zero-shot metric on the training examples, as in PET, which takes a query per pattern. Weights
    are equal where a metric is negative or all are zero.

    Raises:
        InputError: the task has one pattern only.
    """
    problem = setting.problem
    if not problem.task.patterns:
        raise InputError(f"task {problem.task.name!r} has one pattern only; add [[patterns]] to its file")
    tasks = [problem.task, *problem.task.rephrased]
    objectives = [fixed_objective(replace(problem, task=task), dtype=setting.dtype) for task in tasks]
    metrics, costs = zip(*(_look(objective, "train") for objective in objectives), strict=True)
    weights = np.array(metrics) if min(metrics) >= 0 < max(metrics) else np.ones(len(tasks))
    predictors = [_predict(objective) for objective in objectives]

    def predict(texts: Texts) -> Matrix:
        found = np.stack([predictor(texts) for predictor in predictors])  # (patterns, N, C)
        logs = np.log(found.clip(min=SMALLEST_PROBABILITY))
        probabilities: Matrix = softmax(np.average(logs, axis=0, weights=weights), axis=1)
        return probabilities

    return Fitted(predict=predict, spent=sum(costs, Spent()), about={"patterns": len(tasks)})


def fixed_objective(
    problem: Problem, *, dtype: str = "float32", prompt: Tensor | None = None, calibration: str = "none"
) -> PromptObjective:
    """Return the objective with d = 0 that scores label words under a fixed soft prompt (P, E), or under none."""
    fixed = torch.zeros((0, problem.lm.width), device=problem.lm.device) if prompt is None else prompt
    return PromptObjective(
        problem=problem,
        projection=lambda candidates: fixed.expand(len(candidates), -1, -1),
        prompt_tokens=len(fixed),
        dim=0,
        calibration=calibration,
        dtype=dtype,
    )


def _predict(objective: PromptObjective) -> Predict:
    return lambda texts: objective.predict(np.zeros(0), texts)


def _look(objective: PromptObjective, split: str) -> tuple[float, Spent]:
    """Return the metric on a split and its costs."""
    started = perf_counter()
    evaluation = objective.validate(np.zeros((1, 0)), split)
    costs = Spent.of(replace(evaluation.usage, queries=1), objective_seconds=perf_counter() - started)
    return float(evaluation.metrics[objective.metric][0]), costs


def _shown(problem: Problem, rng: np.random.Generator, most: int | None) -> list[list[int]]:
    """Return the token ids of the demonstrations that fit."""
    lm, task, data = problem.lm, problem.task, problem.data
    longest = max(len(lay_out(lm, task, drawn.texts, prompt_tokens=0).ids) for drawn in data.train)
    drawn = [(i, data.train[i]) for i in in_turn(data.train, len(task.classes), rng)[:most]]
    room = max(lm.max_tokens - longest, lm.max_tokens // 2)
    shown = [ids for _, ids in demonstrations_within(lm, task, drawn, room=room)]
    if not shown:
        raise InputError(f"method 'in-context': {lm.name!r} has no room for a demonstration ahead of the longest text")
    return shown
