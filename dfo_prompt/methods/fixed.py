"""Methods that ask the model as it is: nothing is searched for."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from time import perf_counter

import numpy as np
import torch
from torch import Tensor

from dfo_prompt._util.seeding import Stream, generator
from dfo_prompt.errors import InputError
from dfo_prompt.lm.layout import lay_out, template_of
from dfo_prompt.methods.setting import Fitted, Predict, Setting
from dfo_prompt.prompt.objective import PromptObjective
from dfo_prompt.prompt.problem import Problem
from dfo_prompt.prompt.text.rendering import demonstration
from dfo_prompt.study.costs import Spent
from dfo_prompt.tasks.examples import Example, Texts
from dfo_prompt.types import Json, Matrix

SMALLEST = float(np.finfo(np.float32).tiny)
"""Probability: the model's own precision gives zero to smaller ones."""


def manual(setting: Setting) -> Fitted:
    """Ask with the hand-written template of the task."""
    return Fitted(predict=_predict(fixed_objective(setting.problem, dtype=dtype_of(setting))))


def calibrated(setting: Setting, *, calibration: str = "contextual") -> Fitted:
    """Ask with the hand-written template, and correct the label words' scores; see `Verbalizer`."""
    return Fitted(predict=_predict(fixed_objective(setting.problem, dtype=dtype_of(setting), calibration=calibration)))


def in_context(setting: Setting, *, demonstrations: int | None = None, orders: int = 1) -> Fitted:
    """Put training examples with their answers ahead of the text.

    Demonstrations are drawn in turn from all classes, in an order of the seed, and taken as long as they fit ahead of the
    longest training text, or into half of what the model takes: longer texts lose their end, as under any prompt.

    Args:
        setting: where.
        demonstrations: at most so many; all that fit, by default.
        orders: how many draws are tried; the one with the best metric on dev is kept.

    Raises:
        InputError: a number is below 1, or not even one demonstration fits.
    """
    if orders < 1 or (demonstrations is not None and demonstrations < 1):
        raise InputError("method 'in-context': demonstrations and orders must be at least 1")
    problem = _prompt_first(setting.problem)
    tried, looks = [], Spent()
    for order in range(orders):
        shown = _shown(problem, generator(problem.seed, Stream.ORDER, order), demonstrations)
        prompt = problem.lm.embed(np.concatenate(shown))
        objective = fixed_objective(problem, dtype=dtype_of(setting), prompt=prompt)
        metric, look = _look(objective, "dev") if orders > 1 else (0.0, Spent())
        about: dict[str, Json] = {"demonstrations": len(shown), "order": order}
        tried.append((metric, -order, Fitted(predict=_predict(objective), about=about)))
        looks += look
    return replace(max(tried, key=lambda attempt: attempt[:2])[2], validation=looks)


def patterns(setting: Setting) -> Fitted:
    """Average the log-probabilities that each of the task's patterns gives the classes.

    A pattern weighs as much as its metric on the training examples, before any training, as in PET: a query each.

    Raises:
        InputError: the task has one pattern only.
    """
    problem = setting.problem
    if not problem.task.patterns:
        raise InputError(f"task {problem.task.name!r} has one pattern only; add [[patterns]] to its file")
    tasks = [problem.task, *problem.task.rephrased]
    objectives = [fixed_objective(replace(problem, task=task), dtype=dtype_of(setting)) for task in tasks]
    metrics, costs = zip(*(_look(objective, "train") for objective in objectives), strict=True)
    weights, predictors = np.array(metrics), [_predict(objective) for objective in objectives]

    def predict(texts: Texts) -> Matrix:
        logs = np.stack([np.log(predictor(texts).clip(min=SMALLEST)) for predictor in predictors])  # (patterns, N, C)
        mean: Matrix = np.tensordot(weights / weights.sum(), logs, axes=1) if weights.sum() else logs.mean(axis=0)
        return mean

    return Fitted(predict=predict, spent=sum(costs, Spent()), about={"patterns": len(tasks)})


def fixed_objective(
    problem: Problem, *, dtype: str = "float32", prompt: Tensor | None = None, calibration: str = "none"
) -> PromptObjective:
    """Return what asks the model for label words behind a fixed soft prompt (P, E), or behind none: d is 0."""
    fixed = torch.zeros((0, problem.lm.width), device=problem.lm.device) if prompt is None else prompt
    return PromptObjective(
        problem=problem,
        projection=lambda candidates: fixed.expand(len(candidates), -1, -1),
        prompt_tokens=len(fixed),
        dim=0,
        calibration=calibration,
        dtype=dtype,
    )


def dtype_of(setting: Setting) -> str:
    """Return the precision that the studies beside are told to have; "auto" is theirs to try, and float32 here."""
    asked = setting.config.prompt.dtype
    return "float32" if asked == "auto" else asked


def _predict(objective: PromptObjective) -> Predict:
    return lambda texts: objective.predict(np.zeros(0), texts)


def _look(objective: PromptObjective, split: str) -> tuple[float, Spent]:
    """Return the metric on a split, and what it took."""
    started = perf_counter()
    found = objective.validate(np.zeros((1, 0)), split)
    costs = Spent.of(replace(found.usage, queries=1), objective_seconds=perf_counter() - started)
    return float(found.metrics[objective.metric][0]), costs


def _prompt_first(problem: Problem) -> Problem:
    templates = {key: getattr(problem.task, key).replace("{prompt}", "") for key in ("template", "causal_template")}
    return replace(problem, task=replace(problem.task, **templates))


def _shown(problem: Problem, rng: np.random.Generator, most: int | None) -> list[list[int]]:
    """Return the token ids of the demonstrations that fit."""
    lm, task, data = problem.lm, problem.task, problem.data
    longest = max(len(lay_out(lm, task, drawn.texts, prompt_tokens=0).ids) for drawn in data.train)
    room, shown = max(lm.max_tokens - longest, lm.max_tokens // 2), []
    for example in _in_turn(data.train, len(task.classes), rng)[:most]:
        ids = lm.tokens(demonstration(template_of(lm, task), example.texts, task.words[example.label]))
        room -= len(ids)
        if room < 0:
            break
        shown.append(ids)
    if not shown:
        raise InputError(f"method 'in-context': {lm.name!r} has no room for a demonstration ahead of the longest text")
    return shown


def _in_turn(examples: Sequence[Example], classes: int, rng: np.random.Generator) -> list[Example]:
    """Return the examples in random order, but a class after the other: however few are taken, all are there."""
    drawn = [examples[i] for i in rng.permutation(len(examples))]
    by_class = [[example for example in drawn if example.label == label] for label in rng.permutation(classes)]
    return [example for turn in zip_longest(*by_class) for example in turn if example]
