"""Problems from names: a model that is loaded once, a task, and the split that is drawn from its data."""

import logging
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from dfo_prompt.config.problem import ProblemConfig
from dfo_prompt.errors import ModelError
from dfo_prompt.lm.load import LanguageModel, load_model
from dfo_prompt.lm.shell import load_shell
from dfo_prompt.plugin.catalogue import catalogue
from dfo_prompt.prompt.problem import Problem
from dfo_prompt.tasks.examples import read_examples
from dfo_prompt.tasks.sampling import sample
from dfo_prompt.tasks.task import Task, load_task


def open_problem(config: ProblemConfig, *, seed: int, served: bool = False) -> Problem:
    """Load the model, read the task's examples and draw the split from `seed`.

    Where the model is `served` elsewhere, only tokenizer and embeddings are loaded.

    Raises:
        InputError: a name is unknown, a value is bad, or data or model cannot be had.
    """
    task = _find_task(config.task)
    examples = read_examples(task, config.data)
    split = sample(task, examples, shots=config.shots, seed=seed, test_examples=config.test_examples)
    logging.getLogger(__name__).info("task %s: %s", task.name, split.report)
    lm = _load(config.model, config.device, load_shell if served else load_model)
    return Problem(lm=lm, task=task, data=split, seed=seed)


def _find_task(task: str | Path) -> Task:
    if isinstance(task, Path) or task.endswith(".toml"):
        return load_task(Path(task))
    return load_task(catalogue().tasks.find(task).target)


@lru_cache(maxsize=1)
def _load(model: str | Path, device: str, load: Callable[..., LanguageModel]) -> LanguageModel:
    if isinstance(model, Path):
        return load(model.name, model, device=device)
    name, models = model, catalogue().models
    if name in models.specs:
        return load(name, models.find(name).load()(), device=device)
    try:
        return load(name, name, device=device)
    except ModelError as error:
        if Path(name).exists():
            raise
        raise ModelError(f"{error}; named models: {', '.join(models.specs)}") from error
