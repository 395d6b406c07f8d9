"""Journals and suites as tidy data frames (pandas), for this report and for anyone's own."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dfo_prompt.config.study import STUDY
from dfo_prompt.contracts.usage import currencies
from dfo_prompt.errors import DfoPromptError, InputError
from dfo_prompt.report.damage import reading
from dfo_prompt.report.plan import read_checked_suite
from dfo_prompt.report.summary import Summary, summarize
from dfo_prompt.report.texts import printable
from dfo_prompt.study.folder import read_manifest
from dfo_prompt.study.records import FILES, Account, read_records
from dfo_prompt.suite.folder import read_errors, study_path
from dfo_prompt.suite.plan import Suite
from dfo_prompt.types import Matrix, Vector

LARGEST = 1e150
"""The square of a figure must be one, too."""
STUDY_COLUMNS = {
    "study": "id: the study's folder below studies/",
    "problem": "model, data set, shots and projection, by the suite's name for it",
    "optimizer": "the suite's name for the entry, which may be another method than a study",
    "seed": "of split, projection, start and optimizer",
    "method": "study, or another method that was compared with studies",
    "searched": "whether it is a study, whose losses make a curve",
    "budget": "queries granted",
    "queries": "queries spent",
    "repeated": "cut off by an interruption, and run again; not among these",
    "finished": "whether there is a result",
    "stop_reason": "what ended the search: its budget of queries, limits.CURRENCY, time_limit, patience or target",
    "best_loss": "smallest training loss observed",
    "recommended_loss": "training loss of the optimizer's answer, evaluated anew on the second account",
    "dev_metric": "of the candidate chosen on dev",
    "test_metric": "of the same candidate",
    "manual_test_metric": "of the hand-written prompt",
    "metric": "what the metrics are",
    "training_seconds": "what the search, or the fit, took",
    "optimizer_seconds": "spent inside ask and tell",
    "objective_seconds": "spent evaluating queries",
    "failures": "queries without a finite loss",
    **currencies(),
    "user_bytes": "memory of the user's side: the optimizer's with its first batch, a head's, or of a service's client",
    "peak_bytes": "of main memory while searching or fitting, model and libraries included; of a service where there is one",
    "error": "why there is no result",
}

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
TEXTS = ("metric", "stop_reason")
OF_HELD_OUT = ("dev_metric", "test_metric", "manual_test_metric")
OF_SPENT = ("repeated", "optimizer_seconds", "objective_seconds", *currencies())
"""Columns that are fields of a study's summary, and of its parts."""


def read_journal(folder: Path | str) -> pd.DataFrame:
    """Return a row a query of the study in `folder`, in order.

    Columns: query (from 1), candidate (hash), status ("ok", "nonfinite" or "error: ..."), loss, "metric.NAME" for each
    metric of the objective, and best_loss (so far).

    Raises:
        InputError: it is not a study folder, or its journal is damaged.
    """
    path = Path(folder)
    read_manifest(path)
    rows: list[dict[str, Any]] = []
    with reading(path / FILES[Account.QUERIES]):
        for record in read_records(path):
            line = {"query": record.query, "candidate": record.candidate, "status": record.status, "loss": record.loss}
            row = {**line, **{f"metric.{name}": value for name, value in record.metrics.items()}}
            rows.append({name: _storable(value) for name, value in row.items()})
        frame = pd.DataFrame(rows, columns=None if rows else ["query", "candidate", "status", "loss"])
        frame["loss"] = frame["loss"].astype(np.float64)
    return frame.assign(best_loss=np.fmin.accumulate(frame["loss"].to_numpy()))


def read_suite(folder: Path | str) -> pd.DataFrame:
    """Return a row a study of the suite in `folder`, finished or not; `STUDY_COLUMNS` says what the columns hold.

    Raises:
        InputError: it is not a suite folder.
    """
    return studies_of(Path(folder), read_checked_suite(Path(folder)))


def studies_of(path: Path, suite: Suite) -> pd.DataFrame:
    """Return `read_suite` of a suite that has been read from its folder `path`."""
    errors = read_errors(path)
    rows = []
    for plan in suite.plans:
        place = {"study": plan.id, "problem": plan.problem, "optimizer": plan.optimizer, "seed": plan.seed}
        rows.append(
            {
                **place,
                "method": plan.config.method,
                "searched": plan.config.method == STUDY,
                "budget": plan.config.budget,
                **_figures(study_path(path, plan.id)),
                **_error(errors, plan.id),
            }
        )
    return pd.DataFrame(rows, columns=list(STUDY_COLUMNS)).astype({"finished": bool, "searched": bool})


def read_curves(folder: Path | str, studies: pd.DataFrame) -> Matrix:
    """Return the smallest loss after each query, (studies, queries), rows as in `studies`.

    Before the first finite loss, and after the last query of a study, it is NaN.
    """
    table = np.full((len(studies), int(studies["budget"].max())), np.nan)
    columns = (studies[name] for name in ("study", "queries", "searched"))
    for row, (study, queries, searched) in enumerate(zip(*columns, strict=True)):
        if queries and searched:
            losses = _losses(study_path(Path(folder), study))[:queries]  # of a running study there may be more by now
            table[row, : len(losses)] = np.fmin.accumulate(losses)
    return table


def _losses(place: Path) -> Vector:
    with reading(place / FILES[Account.QUERIES]):
        return np.array([record.loss for record in read_records(place)], dtype=np.float64)


def _figures(place: Path) -> dict[str, Any]:
    if not (place / "manifest.json").exists():
        return {"queries": 0, "finished": False}
    try:
        with reading(place):
            return _checked(_row(summarize(place)), place)
    except DfoPromptError as error:  # damaged: the others are still worth a report
        return {"queries": 0, "finished": False, "error": printable(str(error))}


def _row(summary: Summary) -> dict[str, Any]:
    parts = ((summary, OF_SUMMARY), (summary.held_out, OF_HELD_OUT), (summary.spent, OF_SPENT))
    figures = {name: getattr(part, name) for part, names in parts for name in names}
    return {**figures, "finished": summary.finished}


def _checked(row: dict[str, Any], place: Path) -> dict[str, Any]:
    """Return the row if its figures are figures.

    Raises:
        InputError: one is not, or is too large to reckon with.
    """
    for name, value in row.items():
        number = isinstance(value, int | float) and (value != value or abs(value) <= LARGEST)  # noqa: PLR0124 - NaN
        if value is not None and not (isinstance(value, str) if name in TEXTS else number):
            raise InputError(f"{place} is damaged: its {name.replace('_', ' ')} cannot be {value!r:.60}")
    return {name: _storable(value) for name, value in row.items()}


def _storable(value: object) -> object:
    """Return the value, of text what a data frame can hold: lone surrogates are none to pyarrow."""
    return printable(value) if isinstance(value, str) else value


def _error(errors: dict[str, str], study: str) -> dict[str, str]:
    return {"error": printable(str(errors[study]))} if study in errors else {}
