"""The tables of a suite's report."""

from collections.abc import Collection, Hashable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from dfo_prompt.contracts.spec import Spec
from dfo_prompt.errors import PluginError, one_line
from dfo_prompt.plugin.catalogue import BUILT_IN, catalogue
from dfo_prompt.plugin.door import NAME
from dfo_prompt.report import statistics
from dfo_prompt.report.analysis import RANDOM, Analysis, counted
from dfo_prompt.report.comparison import Conclusion
from dfo_prompt.report.marks import Marks, marks_of
from dfo_prompt.report.section import Section
from dfo_prompt.report.verdict import FEW_SEEDS, impossible

MOST_PAIRS = 66
"""On the page: those of twelve optimizers."""
MOST_DIGITS = 10
CONCLUSIONS = {
    Conclusion.BETTER: "first is better",
    Conclusion.EQUAL: "equally good",
    Conclusion.OPEN: "not told apart",
}
NAMED = ("optimizer", "method", "first", "second")
"""Columns with names of entries."""


def all_tables(analysis: Analysis) -> list[Section]:
    """Return every table that the suite has data for, the leaderboard first."""
    found: dict[str, Section] = {}
    for spec in catalogue().sections.specs.values():
        try:
            found |= _tables_of(spec, analysis, found)
        except Exception as error:
            if catalogue().sections.givers[spec.name][0] in BUILT_IN:
                raise
            said = Section(name=spec.name, title=spec.name, text=f"Failed: {one_line(error)}", table=pd.DataFrame())
            found.setdefault(spec.name, said)
    return [_marked(table, marks_of(analysis)) for table in found.values()]


def _tables_of(spec: Spec, analysis: Analysis, others: Collection[str]) -> dict[str, Section]:
    """Return the tables of a section, by name."""
    given = spec.load()(analysis, **spec.options)
    tables = [given] if isinstance(given, Section) else list(given)
    for table in tables:
        if not isinstance(table, Section) or not isinstance(table.table, pd.DataFrame):
            raise PluginError(f"it gives a {type(table).__name__}, not a Section with a table")
        if not NAME.fullmatch(table.name) or table.name in others:
            raise PluginError(f"a table cannot be called {table.name!r:.40}, or another one is")
    return {table.name: table for table in tables}


def comparisons(analysis: Analysis) -> list[Section]:
    """Return the tables that compare entries with each other, where there are two."""
    if len(analysis.complete) <= 1:
        return []
    return [pairs(analysis), practical(analysis)]


def leaderboard(analysis: Analysis) -> Section:
    """Return a row an optimizer, the best first."""
    board, measure = analysis.leaderboard, analysis.score
    columns: dict[str, object] = {"optimizer": board["optimizer"]}
    if len(board):
        columns["rank"] = [_rank(*row) for row in board[["rank", "best_rank", "worst_rank"]].to_numpy().tolist()]
        columns[analysis.score] = _intervals(board[["score", "low", "high"]])
        columns["area over curve"] = board["area"].map(lambda area: "-" if np.isnan(area) else f"{area:.3f}")
        columns["P(better than random)"] = _against_random(analysis)
        for name in ("best_loss", "recommended_loss", "dev_metric", "test_metric"):
            title = name.replace("_", " ")
            if title not in columns and board[name].notna().any():
                columns[title] = board[name].map(_number)
        for name in ("optimizer_seconds", "objective_seconds"):
            columns[name.replace("_", " ")] = board[name].map(_number)
        columns["failed queries"] = board["failures"]
    each = " in each problem, averaged" if len(analysis.problems) > 1 else ""
    text = (
        f'Ordered by {measure}; "1 to 3": ranks that the comparison of pairs leaves open. '
        f"{measure[0].upper()}{measure[1:]}: "
        f"interquartile mean over {counted(len(analysis.seeds), 'seed')}{each}; higher is better.{_strength(analysis)} The "
        "score of a loss is the share of the way from the start to the best known loss of the problem and seed. Area over "
        "curve: mean of that share over the budget. The other figures are means over studies."
    )
    table = pd.DataFrame({name: values for name, values in columns.items() if values is not None})
    return Section(name="leaderboard", title="Leaderboard", text=text, table=table, data=board)


def per_problem(analysis: Analysis) -> list[Section]:
    """Return a row an optimizer and a column a problem: median and interquartile range over seeds."""
    rows, found = [], []
    for i, name in enumerate(analysis.complete):
        cells = {"optimizer": name}
        for j, problem in enumerate(analysis.problems):
            low, middle, high = np.quantile(analysis.raw[j, :, i], [0.25, 0.5, 0.75])
            cells[problem] = _interval(middle, low, high)
            found.append({"optimizer": name, "problem": problem, "median": middle, "low": low, "high": high})
        rows.append(cells)
    measure, seeds = analysis.measure.replace("_", " ").capitalize(), counted(len(analysis.seeds), "seed")
    text = f"{measure}: median and quartiles over {seeds}."
    table, data = pd.DataFrame(rows), pd.DataFrame(found)
    return [Section(name="problems", title="By problem", text=text, table=table, data=data)] if rows else []


def pairs(analysis: Analysis) -> Section:
    """Return a row each two optimizers, or a sentence where the suite is too small to show a difference."""
    frame, comparison = analysis.pairs, analysis.comparison
    if not comparison.possible:
        return Section(name="pairs", title="Pairs", text=_too_small(analysis), table=pd.DataFrame(), data=frame)
    table = pd.DataFrame(
        {
            "first": frame["first"],
            "second": frame["second"],
            "difference of scores": _intervals(frame[["difference", "low", "high"]]),
            "P(first better)": frame["improvement"].map("{:.2f}".format),
            "p (corrected)": frame["p"].map(_p),
            "conclusion": frame["conclusion"].map(CONCLUSIONS),
        }
    )
    test = {
        "seeds": "the bootstrap that draws seeds anew in each problem (single-step max-t; Hothorn et al., 2008)",
        "problems": "the randomization test that flips signs of problems (Fisher, 1935; intervals: Hartigan, 1969), with "
        "Bonferroni's correction",
    }[comparison.inference]
    text = (
        f"By how much the score of the first is higher, with 95 % intervals that hold at once for "
        f"{counted(len(frame), 'pair')}, by {test}; {_sample(analysis)}. P(first better): the "
        "probability that the first wins on a pair of seeds, ties counting half, averaged over problems. "
        f"Equally good: within {comparison.margin:g}."
    )
    shown = None
    if len(table) > MOST_PAIRS:
        shown = len(analysis.complete) - 1
        text += f" The table compares the leader with each of the others; pairs.csv has all {len(table):,} pairs."
    return Section(name="pairs", title="Pairs", text=text, table=table, data=frame, shown=shown)


def practical(analysis: Analysis) -> Section:
    """Return, of the leader against each other, whether the difference matters."""
    comparison = analysis.comparison
    frame, margin = analysis.pairs.head(len(comparison.names) - 1), comparison.margin
    title, leader = "Does it matter?", comparison.names[0]
    if not comparison.possible:
        return Section(name="practical", title=title, text=_too_small(analysis), table=pd.DataFrame())
    table = pd.DataFrame(
        {
            "optimizer": frame["second"],
            f"score below that of {leader}": _intervals(frame[["difference", "low", "high"]]),
            "does it matter?": [_matters(row, margin) for row in frame.to_dict("records")],
        }
    )
    text = (
        f"The leader, {leader}, against each of the others: the intervals of the table of pairs, held against the "
        f"{margin:g} that matters."
    )
    return Section(name="practical", title=title, text=text, table=table, data=frame)


def _matters(row: Mapping[Hashable, Any], margin: float) -> str:
    if row["conclusion"] == Conclusion.EQUAL:
        return f"no: within {margin:g}"
    if row["conclusion"] == Conclusion.OPEN:
        return "not known: perhaps no difference"
    return f"yes: more than {margin:g}" if row["low"] > margin else f"perhaps: better, but perhaps by less than {margin:g}"


def _too_small(analysis: Analysis) -> str:
    said = impossible(analysis)
    return f"{said[0].upper()}{said[1:]}."


def _sample(analysis: Analysis) -> str:
    if analysis.comparison.inference == "seeds":
        return "conclusions hold for these problems"
    return "conclusions hold for problems like these"


def sensitivity(analysis: Analysis) -> Section:
    """Return what optimizers reach by step size: those that stand in the suite with several."""
    studies = analysis.studies
    rows = []
    for one in studies[studies["searched"] & studies["optimizer"].isin(analysis.complete)].itertuples():
        config = analysis.suite.by_id[str(one.study)].config
        at = analysis.problems.index(one.problem), analysis.seeds.index(one.seed), analysis.complete.index(one.optimizer)
        rows.append({"optimizer": config.optimizer, "sigma": config.sigma, "score": 1 - analysis.values[at]})
    frame = pd.DataFrame(rows, columns=["optimizer", "sigma", "score"])
    table = frame.pivot_table(index="optimizer", columns="sigma", values="score", aggfunc="median")
    table = table[table.notna().sum(axis=1) > 1].dropna(axis=1, how="all")
    if table.empty:
        text = "No optimizer ran with more than one step size."
        return Section(name="sigma", title="Step size", text=text, table=pd.DataFrame())
    text = f"Median {analysis.score} by the study's initial step size."
    return Section(name="sigma", title="Step size", text=text, table=table.map(_number).reset_index())


def failures(analysis: Analysis) -> Section:
    """Return the studies without a result, and those with failed queries."""
    studies = analysis.studies
    bad = studies[~studies["finished"] | (studies["failures"] > 0)]
    table = bad[["study", "queries", "failures", "error"]].astype(object).fillna("")
    text = "Every study has a result, and every query returned a finite loss."
    if len(bad):
        text = f"{len(bad)} {'study' if len(bad) == 1 else 'studies'} without a result or with failed queries."
    return Section(name="failures", title="Failures", text=text, table=table)


def _strength(analysis: Analysis) -> str:
    """Return what the size of the suite allows to say."""
    if len(analysis.seeds) == 1 and analysis.comparison.inference == "seeds":
        return " A single seed gives no interval: any difference may be chance."
    if analysis.comparison.inference == "problems":
        return " In brackets: the 95 % bootstrap interval when problems are drawn anew."
    few = ", which is too narrow with so few seeds" * (len(analysis.seeds) < FEW_SEEDS)
    return f" In brackets: the 95 % stratified bootstrap interval{few}."


def _marked(section: Section, marks: Marks) -> Section:
    """Return the section with the marks of its entries, and what they mean."""
    columns = [column for column in NAMED if column in section.table and section.table[column].isin(marks.names).any()]
    if not columns:
        return section
    table = section.table.copy()
    for column in columns:
        table[column] = table[column].map(marks.marked)
    data = section.table if section.data is None else section.data
    return replace(section, table=table, data=data, text=section.text + marks.note)


def _against_random(analysis: Analysis) -> list[str] | None:
    if RANDOM not in analysis.complete:
        return None
    other = analysis.complete.index(RANDOM)
    return [
        "" if i == other else f"{statistics.probability_of_improvement(analysis.values[:, :, [i, other]]):.2f}"
        for i in range(len(analysis.complete))
    ]


def _rank(rank: int, best: int, worst: int) -> str:
    """Return a rank, or the ranks that are open: a tie."""
    return f"{rank}" if best == worst else f"{rank} ({best} to {worst})"


def _intervals(rows: pd.DataFrame) -> list[str]:
    """Return each value with its interval, in as many digits as tell different values apart."""
    digits = next((n for n in range(4, MOST_DIGITS) if _apart(rows.iloc[:, 0], n)), MOST_DIGITS)
    return [_interval(*row, digits=digits) for row in rows.to_numpy().tolist()]


def _apart(values: "pd.Series[float]", digits: int) -> bool:
    return len({f"{value:.{digits}g}" for value in values}) == len({*values})


def _interval(value: float, low: float, high: float, *, digits: int = 4) -> str:
    one, *bounds = (_number(figure, digits) for figure in (value, low, high))
    return one if np.isnan(low) else f"{one} [{', '.join(bounds)}]"


def _number(value: float, digits: int = 4) -> str:
    return "-" if value is None or np.isnan(value) else f"{value:z.{digits}g}"


def _p(value: float) -> str:
    smallest = 1 / statistics.RESAMPLES
    return "-" if np.isnan(value) else f"{value:.3g}" if value >= smallest else f"< {smallest:g}"
