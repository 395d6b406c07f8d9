"""A search space that was learned on other tasks."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from dfo_prompt.config.paths import TaskName
from dfo_prompt.errors import InputError
from dfo_prompt.methods.setting import Fitted, Setting
from dfo_prompt.methods.sources import DRAWS, TASKS, sources
from dfo_prompt.methods.studies import fitted_by, together, tune
from dfo_prompt.prompt.export import tuned_prompt
from dfo_prompt.prompt.projections.learned import learn_projection
from dfo_prompt.types import Json


def pretrained(setting: Setting, *, tasks: Sequence[TaskName] = TASKS, draws: int = DRAWS) -> Fitted:
    """Tune prompts on other tasks, learn projection and start from them, and run the entry's own study with these.

    The studies on other tasks are like the entry's own. What they cost is counted: a budget each. Each has a start of its
    own, too, so that part of what is learned is how these differ. See `learn_projection`.

    Args:
        setting: where.
        tasks: to learn from; the entry's own is left out.
        draws: prompts tuned on each, every one in a projection of its own.

    Raises:
        InputError: fewer than two prompts would be tuned, or each layer has one.
    """
    if setting.config.prompt.layers != "first":
        raise InputError("method 'pretrained' learns prompts ahead of the text, not one for each layer")
    own = (setting.problem.task.name, setting.config.problem.task)
    others = sources(tasks, draws, own)
    if setting.folder:
        return _pretrained(setting, others, setting.folder.resolve())
    with TemporaryDirectory() as folder:
        return _pretrained(setting, others, Path(folder))


def _pretrained(setting: Setting, others: Sequence[tuple[str | Path, int]], folder: Path) -> Fitted:
    learned_from, prompts = [], []
    for number, (task, draw) in enumerate(others):
        config = replace(
            setting.config,
            problem=replace(setting.config.problem, task=task, data=None),
            prompt=replace(setting.config.prompt, draw=draw),
        )
        objective, result = tune(setting, config, folder=folder / "sources" / str(number), watched=False)
        learned_from.append(fitted_by(objective, result))
        prompts.append(tuned_prompt(objective, result.chosen))
    path = folder / "projection.safetensors"
    learn_projection(prompts, dim=setting.config.dim).save(path)
    learned = replace(setting.config.prompt, projection="file", projection_options={"path": path}, start=path)
    own = fitted_by(*tune(setting, replace(setting.config, prompt=learned), folder=folder / "study"))
    about: dict[str, Json] = {"tasks": list(dict.fromkeys(str(task) for task, _ in others)), "prompts": len(prompts)}
    return together(own.predict, [*learned_from, own], about)
