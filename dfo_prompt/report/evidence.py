"""Reads the data of a study that a report needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from dfo_prompt._util.parsing import STRICT, Finite
from dfo_prompt.contracts.usage import currencies
from dfo_prompt.errors import DfoPromptError, InputError
from dfo_prompt.report.damage import reading
from dfo_prompt.report.summary import Summary, read_study, summarize
from dfo_prompt.report.texts import printable
from dfo_prompt.study.identity import CODE, is_study
from dfo_prompt.study.records import Record
from dfo_prompt.suite.comparable import fingerprints_of
from dfo_prompt.types import Vector

LARGEST = 1e150
"""The largest magnitude of a figure: its square must be finite."""
OF_SUMMARY = (
    "queries",
    "best_loss",
    "recommended_loss",
    "metric",
    "training_seconds",
    "failures",
    "user_bytes",
    "peak_bytes",
    "stop_reason",
)
TEXTS = ("metric", "stop_reason", "error")
OF_HELD_OUT = ("dev_metric", "test_metric", "manual_test_metric")
OF_SPENT = ("repeated", "optimizer_seconds", "objective_seconds", *currencies())
"""Columns that are fields of `Summary`, `HeldOut` and `Spent`."""
MADE = ("versions", "machine", "git_commit", CODE)
"""Keys of a manifest that describe the environment of a study."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The data of a study, finished or not, that a report needs.

    Attributes:
        figures: the study's row by column; see `STUDY_COLUMNS`.
        improved: the queries, from 1, that improved the smallest loss.
        losses: the losses of these queries.
        digest: the SHA-256 of candidates, states and losses of all queries.
        restarts: the number of the optimizer's restarts, if it counts them.
        setting: the fingerprints of the objective's data, task and model by name, or else the objective's name.
        made: package versions, machine, commit and the code of plugins; see `MADE`.
    """

    __pydantic_config__ = STRICT

    figures: Mapping[str, bool | int | float | str | None]
    improved: tuple[int, ...] = ()
    losses: tuple[Finite, ...] = ()
    digest: str = ""
    restarts: Any = None
    setting: Mapping[str, Any] = field(default_factory=dict)
    made: Mapping[str, Any] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """Tell whether there is a result."""
        return bool(self.figures["finished"])

    @property
    def queries(self) -> int:
        """Return the queries spent."""
        return int(self.figures["queries"] or 0)

    def curve(self) -> Vector:
        """Return the smallest loss after each query, (queries,); NaN before the first finite loss."""
        best = np.full(self.queries, np.nan)
        starts = np.array(self.improved, dtype=int) - 1
        if len(starts):
            best[starts[0] :] = np.repeat(self.losses, np.diff([*starts, self.queries]))
        return best


def read_evidence(place: Path, budget: int, error: str = "") -> Evidence:
    """Return the evidence of the study in `place`; `error` is the reason if it has no result.

    A study that ended with a smaller budget than `budget` is not finished.
    A damaged study becomes a study without a result whose error names the damage, so that the others can be reported.
    """
    reason: Mapping[str, str] = {"error": printable(error)} if error else {}
    if not is_study(place):
        return Evidence(figures={"queries": 0, "finished": False, **reason})
    try:
        with reading(place):
            return _read(place, budget, reason)
    except DfoPromptError as damage:
        return Evidence(figures={"queries": 0, "finished": False, "error": printable(str(damage)), **reason})


def checked(figures: Mapping[str, Any], where: object) -> dict[str, Any]:
    """Return the figures of a study after checking their types and sizes.

    Raises:
        InputError: a figure is of the wrong type, or is too large to compute with.
    """
    for name, value in figures.items():
        number = isinstance(value, int | float) and not abs(value) > LARGEST  # so that NaN passes
        if value is not None and not (isinstance(value, str) if name in TEXTS else number):
            raise InputError(f"{where} is damaged: its {name.replace('_', ' ')} cannot be {value!r:.60}")
    return {name: storable(value) for name, value in figures.items()}


def storable(value: object) -> object:
    """Return the value with text escaped for data frames: pyarrow rejects lone surrogates."""
    return printable(value) if isinstance(value, str) else value


def _read(place: Path, budget: int, reason: Mapping[str, str]) -> Evidence:
    files = read_study(place)
    summary = summarize(place, files)
    improved, losses = _improvements(files.records)
    state = (files.result or {}).get("optimizer_state")
    return Evidence(
        figures={**checked(_figures(summary), place), **_state(summary, budget), **reason},
        improved=improved,
        losses=losses,
        digest=_digest(files.records),
        restarts=state.get("restarts") if isinstance(state, dict) else None,
        setting=fingerprints_of(files.manifest),
        made={key: value for key in MADE if (value := files.manifest.get(key))},
    )


def _figures(summary: Summary) -> dict[str, Any]:
    parts = ((summary, OF_SUMMARY), (summary.held_out, OF_HELD_OUT), (summary.spent, OF_SPENT))
    return {name: getattr(part, name) for part, names in parts for name in names}


def _state(summary: Summary, budget: int) -> dict[str, Any]:
    finished = summary.finished and summary.budget >= budget
    return {"finished": finished, "stop_reason": summary.stop_reason if finished else "unfinished"}


def _improvements(records: Sequence[Record]) -> tuple[tuple[int, ...], tuple[float, ...]]:
    best, improved, losses = np.inf, [], []
    for record in records:
        if record.loss is not None and record.loss < best:
            best = record.loss
            improved.append(record.query)
            losses.append(best)
    return tuple(improved), tuple(losses)


def _digest(records: Sequence[Record]) -> str:
    lines = (f"{record.candidate} {record.status} {record.loss!r}\n" for record in records)
    return sha256("".join(lines).encode(errors="backslashreplace")).hexdigest()
