"""Opens problems from their configuration: loads the model, reads the task and draws the split."""

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from dfo_prompt._util.reading import exists
from dfo_prompt.config.problem import ProblemConfig
from dfo_prompt.errors import InputError, ModelError
from dfo_prompt.lm.layout import template_of
from dfo_prompt.lm.load import LanguageModel, load_model
from dfo_prompt.lm.references import check_generates
from dfo_prompt.lm.shell import load_shell
from dfo_prompt.plugin.catalogue import catalogue
from dfo_prompt.prompt.problem import Problem, TaskSplit
from dfo_prompt.tasks.examples import read_examples
from dfo_prompt.tasks.feedback import add_feedback
from dfo_prompt.tasks.sampling import sample
from dfo_prompt.tasks.task import check_labels, find_task


def open_problem(config: ProblemConfig, *, seed: int, served: bool = False, texts: bool = False) -> Problem:
    """Load the model, read the task's examples and draw the split.

    Args:
        config: names of model and task, and the settings of the split.
        seed: seed of the split.
        served: whether an endpoint runs the model, so that only tokenizer and embeddings are loaded.
        texts: whether the task's answers may be texts.

    Raises:
        InputError: a name is unknown, a value is invalid, data or model cannot be loaded, the model does not generate
            the texts that are the task's answers, or see `open_split`.
    """
    split = open_split(config, seed=seed, texts=texts)
    lm = _load(config.model, config.device, load_shell if served else load_model)
    if split.task.answer:
        check_generates(lm, split.task)
    return Problem(lm=lm, **vars(split))


def open_split(config: ProblemConfig, *, seed: int, texts: bool = False) -> TaskSplit:
    """Read the task's examples and draw the split from `seed`.

    Raises:
        InputError: a name is unknown, a value is invalid, data cannot be loaded, or the task's answers are texts although
            `texts` is false.
    """
    task = find_task(config.task)
    if not texts:
        check_labels(task)
    examples = read_examples(task, config.data)
    split = sample(task, examples, shots=config.shots, seed=seed, test_examples=config.test_examples)
    if config.feedback:
        split = add_feedback(task, split, config.feedback)
    logging.getLogger(__name__).info("task %s: %s", task.name, split.report)
    return TaskSplit(task=task, data=split, seed=seed)


def with_prompt_at(problem: Problem, place: str) -> Problem:
    """Return the problem with its soft prompt "behind" the texts; for "ahead", where its template puts the prompt.

    Raises:
        InputError: the template that suits the model has no text ahead of the answer.
    """
    if place == "ahead":
        return problem
    behind = replace(problem, task=problem.task.with_prompt_behind)
    if "prompt" not in template_of(behind.lm, behind.task).marks:
        reason = f"the template of task {problem.task.name!r} for {problem.lm.name!r} has no text ahead of {{answer}}"
        raise InputError(f"prompt.place = {place!r}: {reason}")
    return behind


def open_tokenizer(model: str | Path) -> LanguageModel:
    """Load a model to tokenise texts: a decoder-only model without its layers, any other model completely.

    Raises:
        ModelError: the model cannot be loaded.
    """
    try:
        return _load(model, "cpu", load_shell)
    except ModelError:
        return _load(model, "cpu", load_model)


def _load(model: str | Path, device: str, load: Callable[..., LanguageModel]) -> LanguageModel:
    return _loaded(model, device, load, _files(Path(model)))


def _files(model: Path) -> tuple[tuple[str, int, int], ...]:
    """Return name, size and time of the files of a local model, which may be saved again meanwhile."""
    if not exists(model):
        return ()
    files = sorted(model.iterdir()) if model.is_dir() else [model]
    return tuple((file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files)


@lru_cache(maxsize=1)
def _loaded(
    model: str | Path,
    device: str,
    load: Callable[..., LanguageModel],
    files: object,  # noqa: ARG001 - a part of the cache's key
) -> LanguageModel:
    if isinstance(model, Path):
        return load(model.name, model, device=device)
    name, models = model, catalogue().models
    if name in models.specs:
        return load(name, models.find(name).load()(), device=device)
    try:
        return load(name, name, device=device)
    except ModelError as error:
        if exists(Path(name)):
            raise
        raise ModelError(f"{error}; named models: {', '.join(models.specs)}") from error
