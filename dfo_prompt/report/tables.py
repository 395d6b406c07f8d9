"""Builds the tables of a suite's report."""

import re
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from dfo_prompt.contracts.spec import Spec
from dfo_prompt.errors import PluginError, one_line
from dfo_prompt.plugin.catalogue import BUILT_IN, catalogue
from dfo_prompt.plugin.door import NAME
from dfo_prompt.report import statistics
from dfo_prompt.report.analysis import Analysis
from dfo_prompt.report.marks import Marks, marks_of
from dfo_prompt.report.numbers import interval_text, interval_texts, number_text
from dfo_prompt.report.section import Section
from dfo_prompt.report.texts import counted

RESERVED = re.compile(
    r"convergence-\d+|targets|scores|performance|data-profile|ranks|gap|seconds"  # pictures
    r"|studies|report|index|ioh|manifest|problem|pictures",  # other files, and parts of the page
    re.IGNORECASE,
)
"""Names that no table may have."""
NAMED = ("optimizer", "method", "first", "second")
"""Columns that hold names of entries."""
WHERE = {0.0: "here", 1.0: "packed"}
"""The origin of an entry's studies, by the share of packed ones."""


def all_tables(analysis: Analysis) -> list[Section]:
    """Return all tables of the suite, the leaderboard first; a plugin's section that fails becomes its error."""
    tables: dict[str, Section] = {}
    for spec in catalogue().sections.specs.values():
        try:
            tables |= _tables_of(spec, analysis, tables)
        except Exception as error:
            provider = catalogue().sections.providers[spec.name][0]
            if provider in BUILT_IN:
                raise
            name = f"section-{spec.name}" if RESERVED.fullmatch(spec.name) else spec.name
            text = f"Failed: {one_line(error)} (plugin {Path(provider).name})"
            tables.setdefault(name, Section(name=name, title=spec.name, text=text, table=pd.DataFrame()))
    marks = marks_of(analysis)
    return [_marked(table, marks) for table in tables.values()]


def _tables_of(spec: Spec, analysis: Analysis, taken: Collection[str]) -> dict[str, Section]:
    """Return the tables of a section, by name."""
    built = spec.load()(analysis, **spec.options)
    tables = [built] if isinstance(built, Section) else list(built)
    for table in tables:
        if not isinstance(table, Section) or not isinstance(table.table, pd.DataFrame):
            raise PluginError(f"it returns a {type(table).__name__}, not a Section with a table")
        if RESERVED.fullmatch(table.name):
            raise PluginError(f"a table cannot be called {table.name!r:.40}: the report has another part of that name")
        if not NAME.fullmatch(table.name) or table.name in taken:
            raise PluginError(f"a table cannot be called {table.name!r:.40}: the name is invalid or taken")
    return {table.name: table for table in tables}


def leaderboard(analysis: Analysis) -> Section:
    """Return one row per optimizer, the best first."""
    board, measure = analysis.leaderboard, analysis.score
    columns: dict[str, object] = {"optimizer": board["optimizer"]}
    if len(board):
        columns["rank"] = [_rank(*row) for row in board[["rank", "best_rank", "worst_rank"]].to_numpy().tolist()]
        columns[analysis.score] = interval_texts(board[["score", "low", "high"]])
        packed = analysis.studies.groupby("optimizer")["packed"].mean()
        if packed.any():
            columns["studies"] = [WHERE.get(packed[name], "both") for name in board["optimizer"]]
        columns["area over curve"] = board["area"].map(lambda area: "-" if np.isnan(area) else f"{area:.3f}")
        columns["P(better than random)"] = _against_random(analysis)
        for name in ("best_loss", "recommended_loss", "dev_metric", "test_metric"):
            title = name.replace("_", " ")
            if title not in columns and board[name].notna().any():
                columns[title] = board[name].map(number_text)
        for name in ("optimizer_seconds", "objective_seconds"):
            columns[name.replace("_", " ")] = board[name].map(number_text)
        columns["failed queries"] = board["failures"]
    each = " in each problem, averaged" if len(analysis.problems) > 1 else ""
    text = (
        f'Ordered by {measure}; "1 to 3": ranks consistent with the comparison of pairs. '
        f"{measure[0].upper()}{measure[1:]}: "
        f"interquartile mean over {counted(len(analysis.seeds), 'seed')}{each}; higher is better.{_strength(analysis)} The "
        "score of a loss is the share of the distance from the start to the best known loss of the problem and seed. Area "
        "over curve: mean of that share over the budget. The other figures are means over studies."
    )
    table = pd.DataFrame({name: values for name, values in columns.items() if values is not None})
    return Section(name="leaderboard", title="Leaderboard", text=text, table=table, data=board)


def per_problem(analysis: Analysis) -> list[Section]:
    """Return one row per optimizer with a column per problem: median and interquartile range over seeds."""
    rows, quartiles = [], []
    for i, name in enumerate(analysis.complete):
        cells = {"optimizer": name}
        for j, problem in enumerate(analysis.problems):
            low, middle, high = np.quantile(analysis.raw[j, :, i], [0.25, 0.5, 0.75])
            cells[problem] = interval_text(middle, low, high)
            quartiles.append({"optimizer": name, "problem": problem, "median": middle, "low": low, "high": high})
        rows.append(cells)
    measure, seeds = analysis.measure.replace("_", " ").capitalize(), counted(len(analysis.seeds), "seed")
    text = f"{measure}: median and quartiles over {seeds}."
    table, data = pd.DataFrame(rows), pd.DataFrame(quartiles)
    return [Section(name="problems", title="By problem", text=text, table=table, data=data)] if rows else []


def failures(analysis: Analysis) -> Section:
    """Return the studies without a result, and those with failed queries."""
    studies = analysis.studies
    bad = studies[~studies["finished"] | (studies["failures"] > 0)]
    table = bad[["study", "queries", "failures", "error"]].astype({"failures": "Int64"}).astype(object).fillna("")
    text = "Every study has a result, and every query returned a finite loss."
    if len(bad):
        text = f"{counted(len(bad), 'study')} without a result or with failed queries."
    return Section(name="failures", title="Failures", text=text, table=table)


def _strength(analysis: Analysis) -> str:
    """Return the kind and the limits of the intervals."""
    if len(analysis.seeds) == 1 and analysis.comparison.inference == "seeds":
        return " A single seed gives no interval: any difference may be chance."
    if len(analysis.problems) == 1 and analysis.comparison.inference == "problems":
        return " A single problem gives no interval for problems like it."
    if analysis.comparison.inference == "problems":
        return " In brackets: the 95 % bootstrap interval over problems."
    few = ", which is too narrow with so few seeds" * (len(analysis.seeds) < statistics.FEWEST_SEEDS)
    return f" In brackets: the 95 % stratified bootstrap interval{few}."


def _marked(section: Section, marks: Marks) -> Section:
    """Return the section with its entries marked and the mark explained."""
    columns = [column for column in NAMED if column in section.table and section.table[column].isin(marks.names).any()]
    if not columns:
        return section
    table = section.table.copy()
    for column in columns:
        table[column] = table[column].map(marks.marked)
    return replace(section, table=table, data=section.numbers, text=section.text + marks.note)


def _against_random(analysis: Analysis) -> list[str] | None:
    if analysis.random_search not in analysis.complete:
        return None
    baseline, values = analysis.complete.index(analysis.random_search), analysis.comparison.values
    return [
        "" if i == baseline else f"{statistics.probability_of_improvement(values[:, :, [i, baseline]]):.2f}"
        for i in range(len(analysis.complete))
    ]


def _rank(rank: int, best: int, worst: int) -> str:
    """Return a rank, with the range of ranks consistent with the comparison if it is wider."""
    return f"{rank}" if best == worst else f"{rank} ({best} to {worst})"
