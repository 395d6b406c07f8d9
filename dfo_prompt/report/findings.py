"""The studies of a suite and what each has to show: of its folder, and of packed ones that stand beside them."""

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
"""Studies times queries: a table of 8 GB."""


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What a report rests on.

    Attributes:
        folder: of the suite.
        suite: its studies, those that were packed before its own.
        evidence: of each study, by id.
        packed: ids of those that did not run here.
        source: the name of the suite that they are of; "" without any.
    """

    folder: Path
    suite: Suite
    evidence: Mapping[str, Evidence]
    packed: frozenset[str] = frozenset()
    source: str = ""


def read_findings(folder: Path) -> Findings:
    """Return what the suite in `folder` has to show. A study that ran here is taken from here, even if a packed one exists.

    Raises:
        InputError: it is no suite folder, its plan or its packed studies are damaged, or they are too many to be compared.
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
    own = {plan.id: read_evidence(study_path(folder, plan.id), errors.get(plan.id, "")) for plan in suite.plans}
    evidence = {plan.id: beside.evidence[plan.id] for plan in plans} if beside else {}
    source = beside.name if beside else ""
    return Findings(folder=folder, suite=whole, evidence={**evidence, **own}, packed=frozenset(evidence), source=source)
