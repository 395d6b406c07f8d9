"""Methods that run several studies with different random draws on a shared budget."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from dfo_prompt.config.study import STUDY, StudyConfig
from dfo_prompt.errors import InputError
from dfo_prompt.methods.setting import Fitted, Predict, Setting
from dfo_prompt.prompt.objective import PromptObjective
from dfo_prompt.run.built import objective_of
from dfo_prompt.run.study import run_study
from dfo_prompt.study.checked_objective import describe
from dfo_prompt.study.costs import Spent
from dfo_prompt.study.identity import check_objective
from dfo_prompt.study.result import StudyResult
from dfo_prompt.study.saved import load_result
from dfo_prompt.tasks.examples import Texts
from dfo_prompt.types import Json, Matrix


def mean_of_studies(setting: Setting, *, members: int = 4) -> Fitted:
    """Tune a prompt in each of several projections and average their probabilities.

    Args:
        setting: the entry's setting, with the studies' problem, prompt, optimizer and budget.
        members: the number of studies, which share the budget, its limits and the time equally.

    Raises:
        InputError: there are fewer members than 1, or more members than queries or than a limit has units.
    """
    fitted = [member for member, _ in _members(setting, members)]

    def predict(texts: Texts) -> Matrix:
        mean: Matrix = np.mean([model.predict(texts) for model in fitted], axis=0)
        return mean

    return together(predict, fitted, {"members": members})


def best_of_studies(setting: Setting, *, members: int = 4) -> Fitted:
    """Tune a prompt in each of several projections and keep the best prompt on dev, the earliest of equal ones.

    Args:
        setting: the entry's setting; see `mean_of_studies`.
        members: the number of studies, which share the budget, its limits and the time equally.

    Raises:
        InputError: see `mean_of_studies`.
    """
    tuned = _members(setting, members)
    best = max(range(members), key=lambda i: (tuned[i][1], -i))
    fitted = [member for member, _ in tuned]
    return together(fitted[best].predict, fitted, {"members": members, "chosen": best})


def _members(setting: Setting, members: int) -> list[tuple[Fitted, float]]:
    if not 1 <= members <= setting.config.budget:
        raise InputError(f"members must be between 1 and the {setting.config.budget} queries, not {members}")
    config = shared(setting.config, members, option="members")
    parts = [len(part) for part in np.array_split(np.arange(config.budget), members)]
    return [_member(setting, replace(config, budget=budget), number=i, members=members) for i, budget in enumerate(parts)]


def shared(config: StudyConfig, studies: int, *, option: str) -> StudyConfig:
    """Return the configuration of each of several studies that share limits and time limit equally.

    Args:
        config: the entry's configuration.
        studies: the number of studies.
        option: the method's option that lowers this number, for the error.

    Raises:
        InputError: there are more studies than a limit has units.
    """
    for name, amount in (config.limits or {}).items():
        if amount < studies:
            raise InputError(f"{studies} studies share limits.{name}, {amount}: raise it to {studies}, or lower {option}")
    limits = config.limits and {name: amount // studies for name, amount in config.limits.items()}
    return replace(config, limits=limits, stop=config.stop and config.stop.shared(studies))


def tune(
    setting: Setting, config: StudyConfig, *, folder: Path | None, watched: bool = True
) -> tuple[PromptObjective, StudyResult]:
    """Run a study within a method.

    Args:
        setting: the entry's setting.
        config: the entry's configuration with changed settings of problem, prompt or budget.
        folder: the study's folder, or None to write nothing.
        watched: whether the setting's observers observe the study.

    Raises:
        InputError: the objective tunes no prompt.
    """
    config = replace(config, method=STUDY, method_options={})
    objective = objective_of(config)
    if not isinstance(objective, PromptObjective):
        raise InputError(f"objective {config.objective!r} tunes no prompt, so there is nothing to label with")
    if setting.reopened and folder:
        return objective, _finished(folder, config, objective)
    return objective, run_study(config, objective, out=folder, observers=setting.observers if watched else ())


def _finished(folder: Path, config: StudyConfig, objective: PromptObjective) -> StudyResult:
    check_objective(folder, describe(objective, name=config.objective))
    result = load_result(folder)
    if result is None:
        raise InputError(f"{folder} has no result; run the command of the method again")
    return result


def fitted_by(objective: PromptObjective, result: StudyResult) -> Fitted:
    """Return the fitted method that predicts with the prompt that a study chose."""
    return Fitted(
        predict=lambda texts: objective.predict(result.chosen, texts),
        spent=result.spent,
        validation=result.validation,
        seconds=result.spent.seconds,
        user_bytes=result.user_bytes,
        failures=result.failures,
    )


def _member(setting: Setting, config: StudyConfig, *, number: int, members: int) -> tuple[Fitted, float]:
    folder = setting.folder and setting.folder / "members" / str(number)
    prompt = replace(config.prompt, draw=config.prompt.draw * members + number)
    objective, result = tune(setting, replace(config, prompt=prompt), folder=folder)
    return fitted_by(objective, result), (result.held_out and result.held_out.dev_metric) or 0.0


def together(predict: Predict, fitted: Sequence[Fitted], about: Mapping[str, Json]) -> Fitted:
    """Return the fitted method that predicts with `predict`, with the total costs of `fitted`."""
    spent = sum((model.spent for model in fitted), Spent())
    return Fitted(
        predict=predict,
        spent=spent,
        validation=sum((model.validation for model in fitted), Spent()),
        seconds=spent.seconds,
        user_bytes=max((model.user_bytes for model in fitted if model.user_bytes is not None), default=None),
        failures=sum(model.failures for model in fitted),
        about=about,
    )
