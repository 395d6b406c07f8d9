"""Measures the memory of a study: of the objective's side and of the user's."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from dfo_prompt._util.memory import allocated_by, peak_resident
from dfo_prompt.config.study import StudyConfig
from dfo_prompt.contracts.objective import Objective, Outer, Remote
from dfo_prompt.errors import InputError
from dfo_prompt.run.built import optimizer_of
from dfo_prompt.study.checked_objective import outer_of
from dfo_prompt.study.checked_optimizer import CheckedOptimizer
from dfo_prompt.study.result import StudyResult
from dfo_prompt.study.saved import load_result


def with_memory(result: StudyResult, config: StudyConfig, objective: Objective, out: Path | None) -> StudyResult:
    """Return the result with the memory of both sides: two processes if the objective is remote, else parts of this one.

    A replay allocates less than the first run, so the figures of a result saved in `out` are kept.
    """
    if out and (before := _finished(out)):
        return replace(result, peak_bytes=before.peak_bytes, user_bytes=before.user_bytes)
    if isinstance(objective, Remote):
        return replace(result, user_bytes=peak_resident(), peak_bytes=objective.server_bytes())
    outer = outer_of(objective, name=config.objective)
    return replace(result, peak_bytes=peak_resident(), user_bytes=_user_bytes(config, outer))


def _user_bytes(config: StudyConfig, outer: Outer | None) -> int | None:
    def one_batch() -> None:
        optimizer = CheckedOptimizer(optimizer_of(config, outer), name=config.optimizer)
        candidates = optimizer.ask()
        outputs = np.zeros((len(candidates), outer.size)) if outer else None
        optimizer.tell(candidates, np.arange(len(candidates), dtype=np.float64), outputs)

    try:
        return allocated_by(one_batch)
    except Exception:
        return None  # the study is finished: a failure here must not lose its result


def _finished(folder: Path) -> StudyResult | None:
    try:
        return load_result(folder)
    except InputError:
        return None  # a damaged result is about to be replaced
