"""A study that starts from another study's answer, with feedback added to the training split and the rest unchanged."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dfo_prompt.config.reading import merge
from dfo_prompt.config.study import StudyConfig
from dfo_prompt.contracts.objective import Objective
from dfo_prompt.errors import InputError
from dfo_prompt.run.reopen import config_of
from dfo_prompt.study.checked_objective import describe
from dfo_prompt.study.identity import read_manifest
from dfo_prompt.types import Json

KEPT = ("method", "objective", "seed", "dim", "objective_options", "prompt")
"""Keys that determine the prompt of a candidate, and the split."""


def grown_config(source: Path, feedback: Path, overrides: Mapping[str, Any]) -> StudyConfig:
    """Return the configuration of the study in `source` with a file of labelled examples added to its training split.

    Args:
        source: a study folder; any feedback of its own is replaced.
        feedback: file of labelled examples; see `dfo_prompt.tasks.feedback.add_feedback`.
        overrides: keys of optimizer, budget and the like that win.

    Raises:
        InputError: `source` holds no study of a prompt, or `overrides` would change what a candidate means.
    """
    before = config_of(source)
    config = config_of(source, merge(overrides, {"problem": {"feedback": str(feedback)}}))
    same = replace(config, problem=replace(config.problem, feedback=before.problem.feedback))
    for key in (*KEPT, "problem"):
        if getattr(same, key) != getattr(before, key):
            raise InputError(f"a study that continues {source} keeps its {key}; leave that out")
    try:
        return replace(config, x0=None)
    except ValueError as error:
        raise InputError(f"cannot continue {source}: {error}") from error


def check_grown(source: Path, objective: Objective, config: StudyConfig) -> None:
    """Refuse to continue the study in `source` if the data behind dev, test and the first training examples changed.

    Raises:
        InputError: the data changed, or the objective has no such split.
    """
    before, now = _drawn(read_manifest(source)["objective"]), _drawn(describe(objective, name=config.objective))
    if before is None or now is None:
        raise InputError(f"{source} tunes no prompt here, so there is no training split to grow")
    if before != now:
        raise InputError(f"the data of {source} changed since; its dev and test would be others")


def _drawn(about: Mapping[str, Json]) -> Json:
    return about.get("drawn_fingerprint", about.get("data_fingerprint"))
