"""Collects the content of a report, independent of its format."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dfo_prompt.report.analysis import Analysis, analyse
from dfo_prompt.report.notes import beside, missing
from dfo_prompt.report.pictures.drawing import draw_all
from dfo_prompt.report.pictures.picture import Picture
from dfo_prompt.report.section import Section
from dfo_prompt.report.shared import shared_manifest
from dfo_prompt.report.tables import all_tables
from dfo_prompt.report.texts import counted
from dfo_prompt.report.verdict import notes, remarks, verdict
from dfo_prompt.study.result import USUAL

EARLY = {"time_limit": " (by wall-clock time: another run may stop at a different query)"}
"""Caveats of stop reasons."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """The content of a report.

    Attributes:
        intro: the size of the comparison.
        missing: studies without results and entries that are not ranked; "" where there are none.
        beside: a sentence on the entries that were read from packed studies; "" where there are none.
        verdict: the conclusion from the leaderboard, in one sentence.
        remarks: caveats of the verdict, one sentence each.
        notes: every sentence beside the verdict: `beside`, `missing`, `remarks` and those on identical entries.
        manifest: versions, machines and settings of the studies.
    """

    analysis: Analysis
    intro: str
    missing: str
    beside: str
    verdict: str
    remarks: tuple[str, ...]
    notes: tuple[str, ...]
    tables: list[Section]
    pictures: list[Picture]
    manifest: dict[str, Any]

    @property
    def name(self) -> str:
        """Return the name of the suite."""
        return self.analysis.suite.settings.name


def report_of(folder: Path) -> Report:
    """Compare the studies of the suite in `folder` and collect the tables, pictures and sentences of its report.

    Raises:
        InputError: `folder` is not a suite folder, or no study in it is finished.
    """
    analysis = analyse(folder)
    return Report(
        analysis=analysis,
        intro=_intro(analysis),
        missing=missing(analysis),
        beside=beside(analysis),
        verdict=verdict(analysis),
        remarks=tuple(remarks(analysis)),
        notes=tuple(notes(analysis)),
        tables=all_tables(analysis),
        pictures=list(draw_all(analysis)),
        manifest=shared_manifest(analysis),
    )


def _intro(analysis: Analysis) -> str:
    studies = analysis.studies
    searched = studies["searched"]
    entries = counted(studies["optimizer"].nunique(), "optimizer" if searched.all() else "method")
    problems = f"{counted(len(analysis.problems), 'problem')} ({'; '.join(analysis.problems)})"
    return f"{entries} on {problems}, {counted(len(analysis.seeds), 'seed')}: {_spent(studies, searched)}."


def _spent(studies: pd.DataFrame, searched: "pd.Series[bool]") -> str:
    queries, repeated = int(studies["queries"].sum()), int(studies["repeated"].sum())
    budgets = sorted({*studies.loc[searched, "budget"]})
    number, runs = int(searched.sum()), int((~searched).sum())
    each = " to ".join(f"{budget:,}" for budget in (*budgets[:1], *budgets[1:][-1:]))
    parts = [f"{counted(number, 'study')} with a budget of {each} queries"] if number else []
    parts += [f"{counted(runs, 'run')} of other methods"] if runs else []
    again = f", plus {repeated:,} that were interrupted and repeated" if repeated else ""
    return f"{' and '.join(parts)}, {queries:,} queries in all{again}{_ended(studies)}"


def _ended(studies: pd.DataFrame) -> str:
    """Return how many studies stopped before their budget was spent, by reason."""
    reasons = studies["stop_reason"].value_counts()
    early = {str(name): int(count) for name, count in reasons.items() if str(name) not in USUAL}
    return "".join(f"; {name} ended {count:,} of the studies{EARLY.get(name, '')}" for name, count in sorted(early.items()))
