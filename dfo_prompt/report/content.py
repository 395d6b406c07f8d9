"""Everything that a report says, in whatever form."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dfo_prompt.report.analysis import Analysis, analyse, counted
from dfo_prompt.report.pictures.drawing import draw_all
from dfo_prompt.report.pictures.picture import Picture
from dfo_prompt.report.section import Section
from dfo_prompt.report.shared import shared_manifest
from dfo_prompt.report.tables import all_tables
from dfo_prompt.report.verdict import beside, remarks, verdict
from dfo_prompt.study.result import USUAL

EARLY = {"time_limit": " (by the clock: run again, they may end elsewhere)"}
"""What a reader must know of a stop reason."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that a report says.

    Attributes:
        intro: the size of the comparison.
        missing: studies and entries without results; "" where there are none.
        beside: which entries did not run here; "" where all did.
        identical: a sentence on each group of entries that turned out to be the same.
        verdict: what the leaderboard means, in one sentence.
        remarks: what else a reader must know of it.
        manifest: what the studies ran on.
    """

    analysis: Analysis
    intro: str
    missing: str
    beside: str
    identical: tuple[str, ...]
    verdict: str
    remarks: tuple[str, ...]
    tables: list[Section]
    pictures: list[Picture]
    manifest: dict[str, Any]

    @property
    def name(self) -> str:
        """Return the name of the suite."""
        return self.analysis.suite.settings.name


def report_of(folder: Path) -> Report:
    """Compare the studies of the suite in `folder`, and draw and say what they show.

    Raises:
        InputError: it is not a suite folder, or no study in it is finished.
    """
    analysis = analyse(folder)
    return Report(
        analysis=analysis,
        intro=_intro(analysis),
        missing=_missing(analysis),
        beside=beside(analysis),
        identical=tuple(map(str, analysis.identical)),
        verdict=verdict(analysis),
        remarks=tuple(remarks(analysis)),
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
    budgets, number, others = sorted({*studies.loc[searched, "budget"]}), int(searched.sum()), int((~searched).sum())
    each = " to ".join(f"{budget:,}" for budget in (*budgets[:1], *budgets[1:][-1:]))
    parts = [f"{number:,} {'study' if number == 1 else 'studies'} with a budget of {each} queries"] if number else []
    parts += [f"{counted(others, 'run')} of other methods"] if others else []
    again = f", and {repeated:,} that were interrupted and repeated" if repeated else ""
    return f"{' and '.join(parts)}, {queries:,} queries in all{again}{_ended(studies)}"


def _ended(studies: pd.DataFrame) -> str:
    """Return how many studies ended before their budget, and by what."""
    reasons = studies["stop_reason"].value_counts()
    early = {str(name): int(count) for name, count in reasons.items() if str(name) not in USUAL}
    return "".join(f"; {name} ended {count:,} of the studies{EARLY.get(name, '')}" for name, count in sorted(early.items()))


def _missing(analysis: Analysis) -> str:
    unfinished = int((~analysis.studies["finished"]).sum())
    unranked = [name for name in dict.fromkeys(analysis.studies["optimizer"]) if name not in analysis.complete]
    said = [f"{unfinished} of {len(analysis.studies)} studies have no result."] if unfinished else []
    said += [f"Not ranked, because results on some problems or seeds are missing: {', '.join(unranked)}."] * bool(unranked)
    return " ".join(said)
