"""Renders results for notebooks: tables with the report's pictures inline."""

from collections.abc import Sequence
from html import escape

import numpy as np
import pandas as pd

from dfo_prompt.report.analysis import Analysis
from dfo_prompt.report.convergence import convergence_svg
from dfo_prompt.report.numbers import number_text
from dfo_prompt.report.pictures.convergence import convergence
from dfo_prompt.report.pictures.render import inline_svg, svg_of
from dfo_prompt.report.pictures.selection import logarithmic
from dfo_prompt.report.tables import leaderboard
from dfo_prompt.report.texts import printable
from dfo_prompt.report.verdict import notes, verdict
from dfo_prompt.study.result import METRICS, Result
from dfo_prompt.types import Vector

PICTURES = 2
"""The most problems whose convergence is drawn; the report has all."""
LOSSES = ("best_loss", "recommended_loss")
DIGITS = 6


def suite_html(analysis: Analysis) -> str:
    """Return a suite's verdict with its notes, its leaderboard and the convergence on its first problems as HTML."""
    drawn = filter(None, (convergence(analysis, problem) for problem in analysis.with_curves[:PICTURES]))
    pictures = [inline_svg(svg_of(picture.spec, picture.columns, printable(picture.title))) for picture in drawn]
    sentences = [f"<p><b>{_text(verdict(analysis))}</b></p>", *(f"<p>{_text(note)}</p>" for note in notes(analysis))]
    board = leaderboard(analysis).printed
    board = board.loc[:, ~board.columns.str.endswith(" seconds")]  # times differ between runs of the same suite
    left = len(analysis.with_curves) - PICTURES
    more = [f"<p>The report has the pictures of {left} more problems.</p>"] if left > 0 else []
    return "\n".join([*sentences, _table(board), *pictures, *more])


def study_html(result: Result, losses: Vector, *, optimizer: str, more: Sequence[tuple[str, str]] = ()) -> str:
    """Return the figures of a study and, if it has losses, its convergence as HTML.

    Args:
        result: the result of a study or another method.
        losses: (Q,) of its queries; NaN where a query failed.
        optimizer: the name of its optimizer; "" for another method.
        more: rows to append to the table.
    """
    rows = [*_figures(result, optimizer), *more]
    table = _table(pd.DataFrame(rows, columns=["figure", "value"]))
    if not np.isfinite(losses).any():
        return table
    best: Vector = np.fmin.accumulate(losses)
    scale = logarithmic(best)
    return f"{table}\n{inline_svg(convergence_svg([(optimizer, best)], title='Convergence', **scale))}"


def _figures(result: Result, optimizer: str) -> list[tuple[str, str]]:
    rows = [("optimizer", optimizer)] if optimizer else []
    rows.append(("queries", f"{result.spent.queries:,} (ended by {result.stop_reason})"))
    values = [(name, getattr(result, name)) for name in LOSSES]
    values += [(name, getattr(result.held_out, name)) for name in METRICS if result.held_out]
    rows += [(name.replace("_", " "), number_text(value, DIGITS)) for name, value in values if value is not None]
    rows += [("failed queries", f"{result.failures:,}")] if result.failures else []
    return rows + [("warning", warning) for warning in result.warnings]


def _table(frame: pd.DataFrame) -> str:
    shown = frame.astype(str).map(printable)
    return shown.to_html(index=False, border=0, justify="left")


def _text(text: str) -> str:
    return escape(printable(text))
