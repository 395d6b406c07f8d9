"""Reopens a study folder: its configuration, its objective and its answer."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dfo_prompt.config.reading import combined
from dfo_prompt.config.study import StudyConfig
from dfo_prompt.contracts.objective import Described, Objective
from dfo_prompt.errors import InputError, UnknownNameError
from dfo_prompt.plugin.catalogue import catalogue, given_files
from dfo_prompt.run.built import objective_of
from dfo_prompt.study.best import answer_of
from dfo_prompt.study.checked_objective import describe
from dfo_prompt.study.identity import CODE, MANIFEST, check_objective, read_manifest
from dfo_prompt.types import Vector


def reopen(folder: Path, overrides: Mapping[str, Any] | None = None) -> tuple[Objective, Vector]:
    """Rebuild the objective of the study in `folder`, with keys of `overrides` winning, and read its answer (d,).

    The answer is the chosen candidate of a finished study, otherwise the best so far.

    A plugin file that the folder names is not run, as the folder may be untrusted: pass the file to `plugin_files` first.

    Raises:
        InputError: the folder holds no study, or the result of a method without candidates; or model, task or data have
            changed since.
    """
    config = config_of(folder, overrides)
    if not catalogue().methods.find(config.method).tunes:
        fault = f"{folder} holds what method {config.method!r} found, and no candidate of a study"
        raise InputError(f"{fault}; dfo-prompt predict labels texts with it")
    candidate = answer_of(folder).candidate
    objective = objective_of(config)
    if isinstance(objective, Described):
        check_objective(folder, describe(objective, name=config.objective))
    return objective, candidate


def config_of(folder: Path, overrides: Mapping[str, Any] | None = None) -> StudyConfig:
    """Return the configuration of the study in `folder`, with keys of `overrides` winning; see `reopen`.

    Raises:
        InputError: the folder holds no study, or names a plugin file that is not in use.
    """
    manifest = read_manifest(folder)
    recorded, given = dict(manifest["config"]), {file.name for file in given_files()}
    plugin, _ = Path(str(recorded.pop("plugin", None) or "")).name, recorded.pop("preset", None)
    if plugin and plugin not in given:
        raise _needs(folder, plugin)
    try:
        return combined(recorded, folder, overrides or {}, where=str(folder / MANIFEST))
    except UnknownNameError as error:
        missing = [name for name in manifest.get(CODE, {}) if name.endswith(".py") and name not in given]
        raise (_needs(folder, missing[0]) if missing else error) from error


def _needs(folder: Path, plugin: str) -> InputError:
    remedy = f"if you trust that file, begin the command with dfo-prompt --plugin PATH/{plugin}"
    return InputError(f"the study in {folder} used the plugin file {plugin}; {remedy}")
