"""Formats the outcome of a suite for the terminal: the top of the leaderboard and the verdict."""

import textwrap
from pathlib import Path

import numpy as np
from tabulate import tabulate

from dfo_prompt.report.analysis import Analysis, analyse
from dfo_prompt.report.pictures.labels import labels_of
from dfo_prompt.report.tables import leaderboard
from dfo_prompt.report.texts import printable
from dfo_prompt.report.verdict import notes, verdict

LINES = 5
GAP = 2
"""The spaces between columns."""
SHORTEST = 12
"""The fewest characters of a name, even on a narrow terminal."""


def outcome(folder: Path, *, width: int) -> str:
    """Return the top of the leaderboard, the verdict and the sentences beside it.

    Lines have at most `width` characters, except those of a table whose figures and `SHORTEST` names take more.

    Raises:
        InputError: `folder` is not a suite folder, or no study in it is finished.
    """
    analysis = analyse(folder)
    lines = [textwrap.fill(printable(text), width) for text in (verdict(analysis), *notes(analysis))]
    return "\n\n".join(part for part in (_first_lines(analysis, width), "\n".join(lines)) if part)


def _first_lines(analysis: Analysis, width: int) -> str:
    table = leaderboard(analysis).table
    if table.empty:
        return ""
    table = table[[name for name in ("optimizer", "rank", analysis.score, "studies") if name in table]]
    named = table["optimizer"] == analysis.random_search
    if "studies" in table:
        named |= table["studies"] == "here"  # always show the entries that ran here
    first = table[(np.arange(len(table)) < LINES) | named]
    names, figures = list(first["optimizer"]), first.iloc[:, 1:].astype(str)
    used = sum(max(map(len, (name, *figures[name]))) + GAP for name in figures)
    labels = labels_of(names, max(width - used, SHORTEST))
    rows = [[labels[name], *cells] for name, cells in zip(names, figures.to_numpy().tolist(), strict=True)]
    lines: str = tabulate(rows, headers=[*table.columns], tablefmt="plain", disable_numparse=True)
    left = len(table) - len(first)
    return lines + f"\nand {left} more" * (left > 0)
