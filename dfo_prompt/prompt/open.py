"""Problems from names: a model that is loaded once, a task, and the split that is drawn from its data."""

import logging
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from dfo_prompt.config.problem import ProblemConfig
from dfo_prompt.errors import InputError, ModelError
from dfo_prompt.lm.layout import template_of
from dfo_prompt.lm.load import LanguageModel, load_model
from dfo_prompt.plugin.catalogue import catalogue
from dfo_prompt.prompt.problem import Problem
from dfo_prompt.tasks.examples import read_examples
from dfo_prompt.tasks.sampling import sample
from dfo_prompt.tasks.task import Task, load_task


def open_problem(config: ProblemConfig, *, seed: int) -> Problem:
    """Load the model, read the task's examples and draw the split from `seed`.

    Raises:
        InputError: a name is unknown, a value is bad, or data or model cannot be had.
    """
    task = _find_task(config.task)
    examples = read_examples(task, config.data)
    split = sample(task, examples, shots=config.shots, seed=seed, test_examples=config.test_examples)
    logging.getLogger(__name__).info("task %s: %s", task.name, split.report)
    return Problem(lm=_load(config.model, config.device), task=task, data=split, seed=seed)


def with_prompt_at(problem: Problem, place: str) -> Problem:
    """Return the problem with its soft prompt "ahead" of the texts, or where the template says; or "behind" them.

    Raises:
        InputError: the template that suits the model has no text ahead of the answer.
    """
    if place == "ahead":
        return problem
    placed = replace(problem, task=problem.task.with_prompt_behind)
    if "prompt" not in template_of(placed.lm, placed.task).marks:
        reason = f"the template of task {problem.task.name!r} for {problem.lm.name!r} has no text ahead of {{answer}}"
        raise InputError(f"prompt.place = {place!r}: {reason}")
    return placed


def _find_task(task: str | Path) -> Task:
    if isinstance(task, Path) or task.endswith(".toml"):
        return load_task(Path(task))
    return load_task(catalogue().tasks.find(task).target)


@lru_cache(maxsize=1)
def _load(model: str | Path, device: str) -> LanguageModel:
    if isinstance(model, Path):
        return load_model(model.name, model, device=device)
    name, models = model, catalogue().models
    if name in models.specs:
        return load_model(name, models.find(name).load()(), device=device)
    try:
        return load_model(name, name, device=device)
    except ModelError as error:
        if Path(name).exists():
            raise
        raise ModelError(f"{error}; named models: {', '.join(models.specs)}") from error
