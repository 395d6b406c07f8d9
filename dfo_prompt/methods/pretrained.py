"""A study in a search space that is learned on other tasks."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import Field

from dfo_prompt._util.seeding import Stream, entropy
from dfo_prompt._util.temporary import folder_or_temporary
from dfo_prompt.config.paths import TaskName
from dfo_prompt.errors import InputError
from dfo_prompt.methods.setting import Fitted, Setting
from dfo_prompt.methods.sources import DRAWS, TASKS, sources
from dfo_prompt.methods.studies import fitted_by, shared, together, tune
from dfo_prompt.prompt.export import tuned_prompt
from dfo_prompt.prompt.projections.learned import learn_projection
from dfo_prompt.types import Json


def pretrained(
    setting: Setting, *, tasks: Sequence[TaskName] = TASKS, draws: Annotated[int, Field(ge=1, le=1000)] = DRAWS
) -> Fitted:
    """Tune prompts on other tasks, learn projection and start from them, and run the entry's own study with these.

    The studies on other tasks have the entry's settings, and their costs are counted: a budget each, while all studies share
    limits and time equally. Each has its own start, whose variation is part of the learned projection. See
    `learn_projection`.

    Args:
        setting: the entry's setting.
        tasks: the tasks to learn from, without the entry's own.
        draws: the prompts to tune on each task, each in its own projection.

    Raises:
        InputError: fewer than two prompts would be tuned, the prompt is deep, or there are more studies than a limit has
            units.
    """
    if setting.config.prompt.layers != "first":
        raise InputError("method 'pretrained' learns prompts before the text, not prompts of each layer")
    studies = sources(tasks, draws, setting.config.problem.task)
    with folder_or_temporary(setting.folder) as folder:
        return _pretrained(setting, studies, draws, folder)


def _pretrained(setting: Setting, studies: Sequence[tuple[str | Path, int]], draws: int, folder: Path) -> Fitted:
    config = shared(setting.config, len(studies) + 1, option="draws")
    learned_from, prompts = [], []
    for number, (task, draw) in enumerate(studies):
        source = replace(
            config,
            problem=replace(config.problem, task=task, data=None, feedback=None),
            prompt=replace(config.prompt, draw=config.prompt.draw * draws + draw),
        )
        objective, result = tune(setting, source, folder=folder / "sources" / str(number), watched=False)
        learned_from.append(fitted_by(objective, result))
        prompts.append(tuned_prompt(objective, result.chosen))
    path = folder / "projection.safetensors"
    if not setting.reopened:
        seed = entropy(config.seed, Stream.LEARNED, draw=config.prompt.draw)
        learn_projection(prompts, dim=config.dim, seed=seed).save(path)
    learned = replace(config.prompt, projection="file", projection_options={"path": path}, start=path)
    own = fitted_by(*tune(setting, replace(config, prompt=learned), folder=folder / "study"))
    about: dict[str, Json] = {"tasks": list(dict.fromkeys(str(task) for task, _ in studies)), "prompts": len(prompts)}
    return together(own.predict, [*learned_from, own], about)
