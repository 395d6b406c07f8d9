"""The tables of a suite's report."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np
import pandas as pd

from dfo_prompt.contracts.spec import Spec
from dfo_prompt.errors import PluginError, one_line
from dfo_prompt.plugin.catalogue import BUILT_IN, catalogue
from dfo_prompt.plugin.door import NAME
from dfo_prompt.report import statistics
from dfo_prompt.report.analysis import RANDOM, Analysis, counted
from dfo_prompt.report.marks import Marks, marks_of
from dfo_prompt.report.section import Section
from dfo_prompt.report.verdict import FEW_SEEDS

FEW_PROBLEMS = 3
"""With fewer, the prior of the Bayesian test outweighs them."""
ALPHA = 0.05
MOST_PAIRS = 66
"""On the page: those of twelve optimizers."""
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
    return [pairs(analysis), *([practical(analysis)] if len(analysis.problems) >= FEW_PROBLEMS else [])]


def leaderboard(analysis: Analysis) -> Section:
    """Return a row an optimizer, the best first."""
    board, measure = analysis.leaderboard, analysis.score
    columns: dict[str, object] = {"optimizer": board["optimizer"]}
    if len(board):
        if len(analysis.problems) > 1:
            columns["mean rank"] = board["rank"].map("{:.2f}".format)
        columns[analysis.score] = [_interval(*row) for row in board[["score", "low", "high"]].to_numpy()]
        columns["area over curve"] = board["area"].map(lambda area: "-" if np.isnan(area) else f"{area:.3f}")
        columns["P(better than random)"] = _against_random(analysis)
        for name in ("best_loss", "recommended_loss", "dev_metric", "test_metric"):
            title = name.replace("_", " ")
            if title not in columns and board[name].notna().any():
                columns[title] = board[name].map(_number)
        for name in ("optimizer_seconds", "objective_seconds"):
            columns[name.replace("_", " ")] = board[name].map(_number)
        columns["failed queries"] = board["failures"]
    by, each = ("mean rank over the problems", " in each problem, averaged") if len(analysis.problems) > 1 else (measure, "")
    text = (
        f"Ordered by {by}. {measure.capitalize()}: interquartile mean over {counted(len(analysis.seeds), 'seed')}{each}; "
        f"higher is better.{_strength(len(analysis.seeds))} The score of a loss is the share of the way from the start to "
        "the best known loss of the problem and seed. Area over curve: mean of that share over the budget. The other "
        "figures are means over studies."
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
    """Return a row each two optimizers."""
    frame = analysis.pairs
    table = pd.DataFrame(
        {
            "first": frame["first"],
            "second": frame["second"],
            "difference of medians": frame["difference"].map(_number),
            "P(first better)": frame["improvement"].map("{:.2f}".format),
        }
    )
    text = (
        f"Differences between medians over {counted(len(analysis.seeds), 'seed')}; positive: the first is better. P(first "
        "better): the probability that the first wins on a pair of seeds, ties counting half, averaged over problems."
    )
    if len(analysis.problems) > 1:
        table["rank-biserial"] = frame["rank_biserial"].map("{:+z.2f}".format)
        table["p"], table["p (Holm)"] = frame["p"].map(_p), frame["p_holm"].map(_p)
        text += (
            f" Wilcoxon signed-rank test on the problems' medians, with Holm's correction for {counted(len(frame), 'pair')}."
        )
        if (smallest := 2.0 ** (1 - len(analysis.problems))) > ALPHA:
            text += (
                f" On {len(analysis.problems)} problems p cannot be below {smallest:.2g}: the test cannot find a difference."
            )
    if analysis.friedman is not None:
        text += f" Friedman test over {len(analysis.problems)} problems: p = {analysis.friedman:.3g}."
    shown = None
    if len(table) > MOST_PAIRS:
        shown = len(analysis.complete) - 1
        text += f" The table compares the leader with each of the others; pairs.csv has all {len(table):,} pairs."
    return Section(name="pairs", title="Pairs", text=text, table=table, data=frame, shown=shown)


def practical(analysis: Analysis) -> Section:
    """Return, of the leader against each other, whether the difference matters."""
    rope = analysis.suite.settings.practical_difference
    medians = np.median(analysis.values, axis=1)
    rows = []
    for i, name in enumerate(analysis.complete[1:], start=1):
        chances = statistics.bayesian_signed_rank(medians[:, 0] - medians[:, i], rope, np.random.default_rng(0))
        rows.append([name, *(f"{chance:.2f}" for chance in chances)])
    heads = ["optimizer", "the leader is better", "no difference that matters", "it is better"]
    text = (
        f"Bayesian signed-rank test (Benavoli et al., 2014) of the leader, {analysis.complete[0]}, against each of the "
        f"others over {len(medians)} problems: probabilities that add up to 1. Differences within {rope:g} do not matter."
    )
    return Section(name="practical", title="Does it matter?", text=text, table=pd.DataFrame(rows, columns=heads))


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


def _strength(seeds: int) -> str:
    """Return what so many seeds allow to say."""
    if seeds == 1:
        return " A single seed gives no interval: any difference may be chance."
    few = ", which is too narrow with so few seeds" * (seeds < FEW_SEEDS)
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


def _interval(value: float, low: float, high: float) -> str:
    return _number(value) if np.isnan(low) else f"{_number(value)} [{_number(low)}, {_number(high)}]"


def _number(value: float) -> str:
    return "-" if value is None or np.isnan(value) else f"{value:z.4g}"


def _p(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.3g}"
