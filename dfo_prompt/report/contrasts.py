"""Builds the tables that compare pairs of entries."""

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from dfo_prompt.report.analysis import Analysis
from dfo_prompt.report.comparison import Conclusion
from dfo_prompt.report.numbers import interval_texts, p_text
from dfo_prompt.report.section import Section
from dfo_prompt.report.statistics import FEWEST_SEEDS
from dfo_prompt.report.texts import counted
from dfo_prompt.report.verdict import impossible

MOST_PAIRS = 66
"""The most pairs on the page: those of twelve optimizers."""
CONCLUSIONS = {
    Conclusion.BETTER: "first is better",
    Conclusion.EQUAL: "equally good",
    Conclusion.OPEN: "inconclusive",
}


def comparisons(analysis: Analysis) -> list[Section]:
    """Return the tables that compare pairs of entries; none for a single entry."""
    if len(analysis.complete) <= 1:
        return []
    return [pairs(analysis), practical(analysis)]


def pairs(analysis: Analysis) -> Section:
    """Return one row per pair of optimizers, or a sentence where the suite is too small to show a difference."""
    frame, comparison = analysis.pairs, analysis.comparison
    if not comparison.possible:
        return Section(name="pairs", title="Pairs", text=_too_small(analysis), table=pd.DataFrame(), data=frame)
    table = pd.DataFrame(
        {
            "first": frame["first"],
            "second": frame["second"],
            "difference of scores": interval_texts(frame[["difference", "low", "high"]]),
            "P(first better)": frame["improvement"].map("{:.2f}".format),
            "p (corrected)": frame["p"].map(p_text),
            "conclusion": frame["conclusion"].map(CONCLUSIONS),
        }
    )
    few = comparison.values.shape[1] < FEWEST_SEEDS
    test = {
        "seeds": "the bootstrap over seeds within each problem "
        f"({'with Bonferroni correction' if few else 'single-step max-t; Hothorn et al., 2008'})",
        "problems": "the sign-flip randomization test over problems (Fisher, 1935; intervals: Hartigan, 1969), with "
        "Bonferroni correction",
    }[comparison.inference]
    text = (
        f"The score of the first minus that of the second, with simultaneous 95 % intervals for "
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
    """Return the comparison of the leader with each of the others, and the practical relevance of each difference."""
    comparison = analysis.comparison
    frame, margin = analysis.pairs.head(len(comparison.names) - 1), comparison.margin
    title, leader = "Practical relevance", comparison.names[0]
    if not comparison.possible:
        return Section(name="practical", title=title, text=_too_small(analysis), table=pd.DataFrame())
    table = pd.DataFrame(
        {
            "optimizer": frame["second"],
            f"score below {leader}": interval_texts(frame[["difference", "low", "high"]]),
            "relevant?": [_matters(row, margin) for row in frame.to_dict("records")],
        }
    )
    text = (
        f"The leader, {leader}, against each of the others: the intervals of the table of pairs, compared with the "
        f"practical margin of {margin:g}."
    )
    return Section(name="practical", title=title, text=text, table=table, data=frame)


def _matters(row: Mapping[Hashable, Any], margin: float) -> str:
    if row["conclusion"] == Conclusion.EQUAL:
        return f"no: within {margin:g}"
    if row["conclusion"] == Conclusion.OPEN:
        return "inconclusive: perhaps no difference"
    return f"yes: more than {margin:g}" if row["low"] > margin else f"perhaps: better, but perhaps by less than {margin:g}"


def _too_small(analysis: Analysis) -> str:
    reason = impossible(analysis)
    return f"{reason[0].upper()}{reason[1:]}."


def _sample(analysis: Analysis) -> str:
    if analysis.comparison.inference == "seeds":
        return "conclusions hold for these problems"
    return "conclusions hold for problems like these"
