"""Journals and suites as tidy data frames (pandas), for this report and for anyone's own."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dfo_prompt.config.study import STUDY
from dfo_prompt.contracts.usage import currencies
from dfo_prompt.report.damage import reading
from dfo_prompt.report.evidence import storable
from dfo_prompt.report.findings import Findings, read_findings
from dfo_prompt.study.folder import read_manifest
from dfo_prompt.study.records import FILES, Account, read_records
from dfo_prompt.types import Matrix

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
    "packed": "whether it did not run here, but was read from the packed studies that stand beside the suite",
}


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
            rows.append({name: storable(value) for name, value in row.items()})
        frame = pd.DataFrame(rows, columns=None if rows else ["query", "candidate", "status", "loss"])
        frame["loss"] = frame["loss"].astype(np.float64)
    return frame.assign(best_loss=np.fmin.accumulate(frame["loss"].to_numpy()))


def read_suite(folder: Path | str) -> pd.DataFrame:
    """Return a row a study of the suite in `folder`, finished or not; `STUDY_COLUMNS` says what the columns hold.

    Raises:
        InputError: it is not a suite folder.
    """
    return studies_of(read_findings(Path(folder)))


def studies_of(findings: Findings) -> pd.DataFrame:
    """Return `read_suite` of what was read from a folder."""
    rows = []
    for plan in findings.suite.plans:
        place = {"study": plan.id, "problem": plan.problem, "optimizer": plan.optimizer, "seed": plan.seed}
        rows.append(
            {
                **place,
                "method": plan.config.method,
                "searched": plan.config.method == STUDY,
                "budget": plan.config.budget,
                **findings.evidence[plan.id].figures,
                "packed": plan.id in findings.packed,
            }
        )
    return pd.DataFrame(rows, columns=list(STUDY_COLUMNS)).astype({"finished": bool, "searched": bool, "packed": bool})


def curves_of(findings: Findings) -> Matrix:
    """Return the smallest loss after each query, (studies, queries), rows as in `studies_of`.

    Before the first finite loss, after the last query of a study, and of other methods, it is NaN.
    """
    plans = findings.suite.plans
    table = np.full((len(plans), max(plan.config.budget for plan in plans)), np.nan)
    for row, plan in zip(table, plans, strict=True):
        if plan.config.method == STUDY:
            curve = findings.evidence[plan.id].curve()[: len(row)]
            row[: len(curve)] = curve
    return table
