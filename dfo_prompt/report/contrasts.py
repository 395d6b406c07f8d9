"""The tables that compare entries with each other; where a suite is too small to, a sentence that says so."""

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from dfo_prompt.report.analysis import Analysis, counted
from dfo_prompt.report.comparison import Conclusion
from dfo_prompt.report.numbers import interval_texts, p_text
from dfo_prompt.report.section import Section
from dfo_prompt.report.verdict import impossible

MOST_PAIRS = 66
"""On the page: those of twelve optimizers."""
CONCLUSIONS = {
    Conclusion.BETTER: "first is better",
    Conclusion.EQUAL: "equally good",
    Conclusion.OPEN: "not told apart",
}


def comparisons(analysis: Analysis) -> list[Section]:
    """Return the tables that compare entries with each other, where there are two."""
    if len(analysis.complete) <= 1:
        return []
    return [pairs(analysis), practical(analysis)]


def pairs(analysis: Analysis) -> Section:
    """Return a row each two optimizers, or a sentence where the suite is too small to show a difference."""
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
            f"score below that of {leader}": interval_texts(frame[["difference", "low", "high"]]),
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
