"""Selects the studies that method `pretrained` learns from."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

from dfo_prompt.config.study import StudyConfig
from dfo_prompt.errors import InputError
from dfo_prompt.plugin.entries import options_of
from dfo_prompt.tasks.task import find_task

TASKS, DRAWS = ("tweets", "bbc-headlines"), 2


def sources(tasks: Sequence[str | Path], draws: int, own: str | Path) -> list[tuple[str | Path, int]]:
    """Return (task, draw) for each study on tasks of other names than the entry's own.

    Raises:
        InputError: there are fewer than two studies, two tasks have the same name, or a task's file cannot be read.
    """
    names = [_name(task) for task in tasks]
    if twice := [name for i, name in enumerate(names) if name in names[:i]]:
        raise InputError(f"method 'pretrained': two of the tasks have the name {twice[0]!r}; leave one out")
    foreign = [task for task, name in zip(tasks, names, strict=True) if name != _name(own)]
    if len(foreign) * draws < 2:  # noqa: PLR2004
        raise InputError(f"method 'pretrained': {draws} draws on {len(foreign)} other tasks are fewer than two prompts")
    return list(product(foreign, range(draws)))


def budgets_of_pretrained(config: StudyConfig) -> int:
    """Return how many budgets `pretrained` spends: one per source, and its own."""
    options: Any = options_of("method", config.method, config.method_options) if config.method_options else {}
    return 1 + len(sources(options.get("tasks", TASKS), options.get("draws", DRAWS), config.problem.task))


def _name(task: str | Path) -> str:
    return find_task(task).name if isinstance(task, Path) else task
