"""What a report needs of a study: read from its folder here, or from a file of packed studies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from dfo_prompt._util.parsing import STRICT
from dfo_prompt.contracts.usage import currencies
from dfo_prompt.errors import DfoPromptError, InputError
from dfo_prompt.report.damage import reading
from dfo_prompt.report.summary import Summary, summarize
from dfo_prompt.report.texts import printable
from dfo_prompt.study.folder import read_manifest, read_result
from dfo_prompt.study.records import Finite, Record, read_records
from dfo_prompt.types import Vector

LARGEST = 1e150
"""The square of a figure must be one, too."""
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
"""Columns that are fields of a study's summary, and of its parts."""
MADE = ("versions", "machine", "git_commit")
"""Parts of a manifest that say what a study ran on."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a report needs of a study, finished or not.

    Attributes:
        figures: by column; see `STUDY_COLUMNS`.
        improved: queries, from 1, whose loss was smaller than any before; `losses`, these losses.
        digest: SHA-256 over candidates, states and losses of all queries.
        restarts: of the optimizer, if it counts them.
        setting: fingerprints of what candidates were scored on, by name; where there is none, the objective's name.
        made: versions, machine and commit.
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
        """Return the smallest loss after each query (queries,), NaN before the first finite one."""
        best = np.full(self.queries, np.nan)
        starts = np.array(self.improved, dtype=int) - 1
        if len(starts):
            best[starts[0] :] = np.repeat(self.losses, np.diff([*starts, self.queries]))
        return best


def read_evidence(place: Path, error: str = "") -> Evidence:
    """Return what the study in `place` has to show; of one without a result, `error` says why.

    A study that is damaged has no result, and an error of its own: others are still worth a report.
    """
    said: Mapping[str, str] = {"error": printable(str(error))} if error else {}
    if not (place / "manifest.json").exists():
        return Evidence(figures={"queries": 0, "finished": False, **said})
    try:
        with reading(place):
            return _read(place, said)
    except DfoPromptError as damage:
        return Evidence(figures={"queries": 0, "finished": False, "error": printable(str(damage)), **said})


def setting_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return what must be the same in studies that are compared on one problem and seed, by the name of its fingerprint."""
    objective = manifest["objective"]
    named = {key.removesuffix("_fingerprint"): value for key, value in objective.items() if key.endswith("_fingerprint")}
    return {**named, "objective": "" if named else manifest["config"]["objective"]}  # "", of a language model


def checked(figures: Mapping[str, Any], where: object) -> dict[str, Any]:
    """Return the figures of a study if they are figures.

    Raises:
        InputError: one is not, or is too large to reckon with.
    """
    for name, value in figures.items():
        number = isinstance(value, int | float) and (value != value or abs(value) <= LARGEST)  # noqa: PLR0124 - NaN
        if value is not None and not (isinstance(value, str) if name in TEXTS else number):
            raise InputError(f"{where} is damaged: its {name.replace('_', ' ')} cannot be {value!r:.60}")
    return {name: storable(value) for name, value in figures.items()}


def storable(value: object) -> object:
    """Return the value, of text what a data frame can hold: lone surrogates are none to pyarrow."""
    return printable(value) if isinstance(value, str) else value


def _read(place: Path, said: Mapping[str, str]) -> Evidence:
    manifest, records = read_manifest(place), read_records(place)
    improved, losses = _improvements(records)
    state = (read_result(place) or {}).get("optimizer_state")
    return Evidence(
        figures={**checked(_figures(summarize(place, records)), place), **said},
        improved=improved,
        losses=losses,
        digest=_digest(records),
        restarts=state.get("restarts") if isinstance(state, dict) else None,
        setting=setting_of(manifest),
        made={key: manifest.get(key) for key in MADE},
    )


def _figures(summary: Summary) -> dict[str, Any]:
    parts = ((summary, OF_SUMMARY), (summary.held_out, OF_HELD_OUT), (summary.spent, OF_SPENT))
    figures = {name: getattr(part, name) for part, names in parts for name in names}
    return {**figures, "finished": summary.finished}


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
