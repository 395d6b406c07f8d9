"""What method `pretrained` learns from before its own study begins."""

from collections.abc import Collection, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from dfo_prompt.config.study import StudyConfig
from dfo_prompt.errors import InputError
from dfo_prompt.plugin.entries import options_of

TASKS, DRAWS = ("tweets", "bbc-headlines"), 2


def sources(tasks: Sequence[str | Path], draws: int, own: Collection[object]) -> list[tuple[str | Path, int]]:
    """Return the studies on other tasks than the entry's own, (task, draw) each.

    Raises:
        InputError: there are fewer than two.
    """
    others = [task for task in tasks if task not in own]
    if len(others) * draws < 2:  # noqa: PLR2004
        raise InputError(
            f"method 'pretrained': {draws} draws on {len(others)} other tasks are not two prompts to learn from"
        )
    return list(product(others, range(draws)))


def budgets_of_pretrained(config: StudyConfig) -> int:
    """Return how many budgets `pretrained` spends: one a source, and its own."""
    options: Any = options_of("method", config.method, config.method_options) if config.method_options else {}
    return 1 + len(sources(options.get("tasks", TASKS), options.get("draws", DRAWS), (config.problem.task,)))
