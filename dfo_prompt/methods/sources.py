"""What method `pretrained` learns from before its own study begins."""

from collections.abc import Collection, Sequence
from itertools import product

from dfo_prompt.config.study import DEFAULT_TASK, StudyConfig
from dfo_prompt.errors import InputError

TASKS, DRAWS = ("tweets", "bbc-headlines"), 2


def sources(tasks: Sequence[str], draws: int, own: Collection[object]) -> list[tuple[str, int]]:
    """Return the studies on other tasks than the entry's own, (task, draw) each.

    Raises:
        InputError: there are fewer than two.
    """
    if not isinstance(draws, int) or isinstance(tasks, str):
        raise InputError("method 'pretrained': tasks is a list of names, and draws a whole number")
    others = [task for task in tasks if task not in own]
    if len(others) * draws < 2:  # noqa: PLR2004
        raise InputError(
            f"method 'pretrained': {draws} draws on {len(others)} other tasks are not two prompts to learn from"
        )
    return list(product(others, range(draws)))


def budgets_of_pretrained(config: StudyConfig) -> int:
    """Return how many budgets `pretrained` spends: one a source, and its own."""
    options = config.method_options
    own = (config.objective_options.get("task", DEFAULT_TASK),)
    return 1 + len(sources(options.get("tasks", TASKS), options.get("draws", DRAWS), own))
