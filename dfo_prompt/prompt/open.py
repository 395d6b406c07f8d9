"""Problems from names: a model that is loaded once, a task, and the split that is drawn from its data."""

import logging
from functools import lru_cache
from pathlib import Path

from dfo_prompt.config.study import DEFAULT_MODEL, DEFAULT_SHOTS, DEFAULT_TASK
from dfo_prompt.errors import ModelError
from dfo_prompt.lm.load import LanguageModel, load_model
from dfo_prompt.plugin.catalogue import catalogue
from dfo_prompt.prompt.problem import Problem
from dfo_prompt.tasks.examples import read_examples
from dfo_prompt.tasks.sampling import sample
from dfo_prompt.tasks.task import Task, load_task


def open_problem(
    *,
    seed: int,
    model: str = DEFAULT_MODEL,
    task: str = DEFAULT_TASK,
    data: str | None = None,
    shots: int = DEFAULT_SHOTS,
    test_examples: int | None = None,
    device: str = "auto",
) -> Problem:
    """Load a model, read a task's examples and draw the split.

    Args:
        seed: of the split.
        model: a name that `dfo-prompt list models` shows, a local folder, a GGUF file, or a hub id.
        task: a name that `dfo-prompt list tasks` shows, or a TOML file.
        data: local file or folder with the task's examples.
        shots: k, training examples a class.
        test_examples: test on at most this many; on all by default.
        device: "auto", "cpu", "cuda", "mps" or "sharded"; see `dfo_prompt.lm.load`.

    Raises:
        InputError: a name is unknown, a value is bad, or data or model cannot be had.
    """
    asked = _find_task(task)
    examples = read_examples(asked, Path(data) if data else None)
    split = sample(asked, examples, shots=shots, seed=seed, test_examples=test_examples)
    logging.getLogger(__name__).info("task %s: %s", asked.name, split.report)
    return Problem(lm=_load(model, device), task=asked, data=split, seed=seed)


def _find_task(name: str) -> Task:
    if name.endswith(".toml"):
        return load_task(Path(name))
    return load_task(catalogue().tasks.find(name).target)


@lru_cache(maxsize=1)
def _load(name: str, device: str) -> LanguageModel:
    models = catalogue().models
    if name in models.specs:
        return load_model(name, models.find(name).load()(), device=device)
    try:
        return load_model(name, name, device=device)
    except ModelError as error:
        if Path(name).exists():
            raise
        raise ModelError(f"{error}; named models: {', '.join(models.specs)}") from error
