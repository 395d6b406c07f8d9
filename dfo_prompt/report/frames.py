"""Reads journals and suites as tidy pandas data frames."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dfo_prompt.config.study import STUDY
from dfo_prompt.contracts.usage import currencies
from dfo_prompt.report.damage import reading
from dfo_prompt.report.evidence import Evidence, storable
from dfo_prompt.report.findings import Findings, read_findings
from dfo_prompt.study.identity import read_manifest
from dfo_prompt.study.records import FILES, Account, read_records
from dfo_prompt.suite.plan import Plan
from dfo_prompt.types import Matrix

STUDY_COLUMNS = {
    "study": "id: the study's folder below studies/",
    "problem": "the suite's name for the problem: a model, data set, shots and projection",
    "optimizer": "the suite's name for the entry, an optimizer or another method",
    "seed": "seed of split, projection, start and optimizer",
    "method": "`study`, or the name of another method",
    "searched": "whether an optimizer searched, so that the losses form a curve",
    "budget": "queries granted",
    "queries": "queries spent",
    "repeated": "queries that were interrupted and run again; not included in `queries`",
    "finished": "whether there is a result",
    "stop_reason": "budget, limits.CURRENCY, time_limit, patience, target, `fitted` without a search, or `unfinished`",
    "best_loss": "smallest training loss observed",
    "recommended_loss": "training loss of the optimizer's answer, evaluated outside the budget, without noise if known",
    "dev_metric": "dev metric of the candidate chosen on dev",
    "test_metric": "test metric of the same candidate",
    "manual_test_metric": "test metric of the hand-written prompt",
    "metric": "name of the metric",
    "training_seconds": "seconds of the search or the fit",
    "optimizer_seconds": "seconds inside ask and tell",
    "objective_seconds": "seconds evaluating queries",
    "failures": "queries without a finite loss",
    **currencies(),
    "user_bytes": "memory on the user's side: the optimizer's after its first batch, a head's, or the service client's",
    "peak_bytes": "peak main memory of the search or fit with model and libraries, or of the service",
    "error": "reason that there is no result",
    "packed": "whether the study was read from packed studies instead of the suite's folder",
}


def read_journal(folder: Path | str) -> pd.DataFrame:
    """Return one row per query of the study in `folder`, in order.

    Columns: query (from 1), candidate (hash), status ("ok", "nonfinite" or "error: ..."), loss, "metric.NAME" for each
    metric of the objective, and best_loss (so far).

    Raises:
        InputError: `folder` is not a study folder, or its journal is damaged.
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
    """Return one row per study of the suite in `folder`, finished or not; `STUDY_COLUMNS` describes the columns.

    Raises:
        InputError: `folder` is not a suite folder.
    """
    return studies_of(read_findings(Path(folder)))


def studies_of(findings: Findings) -> pd.DataFrame:
    """Return the table of `read_suite` for findings that are read already."""
    rows = []
    for plan in findings.suite.plans:
        place = {"study": plan.id, "problem": plan.problem, "optimizer": plan.optimizer, "seed": plan.seed}
        rows.append(
            {
                **place,
                "method": plan.config.method,
                "searched": _searched(plan, findings.evidence[plan.id]),
                "budget": plan.config.budget,
                **findings.evidence[plan.id].figures,
                "packed": plan.id in findings.packed,
            }
        )
    return pd.DataFrame(rows, columns=list(STUDY_COLUMNS)).astype({"finished": bool, "searched": bool, "packed": bool})


def curves_of(findings: Findings) -> Matrix:
    """Return the smallest loss after each query, (studies, queries), rows as in `studies_of`.

    A finished study that ended early keeps its last value up to its budget. Values are NaN before the first finite loss,
    after the last query of an unfinished study, after a study's budget, and for methods that do not search.
    """
    plans = findings.suite.plans
    table = np.full((len(plans), max(plan.config.budget for plan in plans)), np.nan)
    for row, plan in zip(table, plans, strict=True):
        evidence = findings.evidence[plan.id]
        if _searched(plan, evidence):
            curve = evidence.curve()[: len(row)]
            row[: len(curve)] = curve
            if evidence.finished and len(curve):
                row[len(curve) : plan.config.budget] = curve[-1]
    return table


def _searched(plan: Plan, evidence: Evidence) -> bool:
    """Tell whether a study has a curve: it is an optimizer's, or a plugin's method keeps a journal."""
    return plan.config.method == STUDY or bool(evidence.improved)
