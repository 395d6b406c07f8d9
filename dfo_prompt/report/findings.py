"""Reads the studies of a suite folder and the packed studies that they are compared with."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from dfo_prompt.errors import InputError
from dfo_prompt.report.damage import reading
from dfo_prompt.report.evidence import Evidence, read_evidence
from dfo_prompt.report.packed import read_packed
from dfo_prompt.suite.folder import BESIDE, PLAN, read_errors, read_suite_folder, study_path
from dfo_prompt.suite.plan import Suite

MOST_CURVE_POINTS = 10**9
"""The most studies times queries: a table of 8 GB."""


@dataclass(frozen=True, kw_only=True)
class Findings:
    """The studies that a report compares.

    Attributes:
        folder: the suite's folder.
        suite: the suite with the packed studies before its own.
        evidence: the evidence of each study, by id.
        packed: ids of the studies that were read from a file of packed studies.
        source: the name of the packed suite; "" if there is none.
    """

    folder: Path
    suite: Suite
    evidence: Mapping[str, Evidence]
    packed: frozenset[str] = frozenset()
    source: str = ""


def read_findings(folder: Path) -> Findings:
    """Read the suite in `folder`. A study of the folder takes precedence over a packed study of the same id.

    Raises:
        InputError: `folder` is not a suite folder, its plan or packed studies are damaged, or it has too many queries.
    """
    with reading(folder / PLAN):
        suite = read_suite_folder(folder)
    if not suite.plans:
        raise InputError(f"{folder / PLAN} is damaged: it has no studies")
    beside = read_packed(folder / BESIDE) if (folder / BESIDE).exists() else None
    plans = tuple(plan for plan in beside.plans if plan.id not in suite.by_id) if beside else ()
    whole = replace(suite, plans=(*plans, *suite.plans))
    points = len(whole.plans) * max(plan.config.budget for plan in whole.plans)
    if points > MOST_CURVE_POINTS:
        raise InputError(f"{folder / PLAN}: {points:.3g} queries are too many for one report; split the suite")
    errors = read_errors(folder)
    own = {
        plan.id: read_evidence(
            study_path(folder, plan.id), plan.config.budget if plan.queries else 0, errors.get(plan.id, "")
        )
        for plan in suite.plans
    }
    evidence = {plan.id: beside.evidence[plan.id] for plan in plans} if beside else {}
    source = beside.name if beside else ""
    return Findings(folder=folder, suite=whole, evidence={**evidence, **own}, packed=frozenset(evidence), source=source)
