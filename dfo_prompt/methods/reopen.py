"""Reopens the classifier that a method left in its folder."""

from dataclasses import dataclass
from pathlib import Path

from dfo_prompt.config.study import StudyConfig
from dfo_prompt.errors import InputError
from dfo_prompt.methods.run import blaming, describe_method, fit_of
from dfo_prompt.methods.setting import Predict, Setting
from dfo_prompt.plugin.catalogue import catalogue
from dfo_prompt.run.code import code_of
from dfo_prompt.run.reopen import config_of
from dfo_prompt.study.identity import CODE, check_objective, read_manifest
from dfo_prompt.study.saved import read_result
from dfo_prompt.tasks.examples import Texts
from dfo_prompt.types import Matrix


@dataclass(frozen=True, kw_only=True)
class Labeller:
    """A classifier of new texts.

    Attributes:
        classes: (C,) the names of the classes.
        predict: the classifier; raises InputError as `TaskSplit.prepared` does.
    """

    classes: tuple[str, ...]
    predict: Predict


def reopen_method(folder: Path) -> Labeller:
    """Fit the finished method in `folder` again, with the answers and studies that it left there; write nothing.

    A method that leaves none queries the model again, which is in this process.

    Raises:
        InputError: the folder holds no finished method; or model, task, data or the method's code have changed since.
        PluginError: the method failed.
    """
    config = config_of(folder)
    if read_result(folder) is None:
        raise InputError(f"method {config.method!r} in {folder} is not finished; run its command again")
    setting = Setting(config=config, folder=folder.absolute(), reopened=True)
    fit, problem = fit_of(config), setting.problem
    about = describe_method(catalogue().methods.find(config.method), setting)
    check_objective(folder, about, remedy="run it again with another --out")
    _check_code(folder, config)
    with blaming(config.method):
        fitted = fit(setting)

    def predict(texts: Texts) -> Matrix:
        prepared = problem.prepared(texts)
        with blaming(config.method):
            return fitted.predict(prepared)

    return Labeller(classes=problem.task.classes, predict=predict)


def _check_code(folder: Path, config: StudyConfig) -> None:
    """Refuse a method whose plugin, or a file of its options, has changed: its classifier would be another one."""
    stored, method = read_manifest(folder).get(CODE, {}), config.method
    for name, code in code_of(StudyConfig(method=method, method_options=config.method_options)).items():
        if stored.get(name, code) != code:
            raise InputError(f"{folder}: {name} has changed since {method!r} was fitted; run it again with another --out")
