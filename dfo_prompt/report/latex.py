"""Renders tables in LaTeX with booktabs rules."""

import re

import pandas as pd

from dfo_prompt.report.texts import printable

SPECIAL = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "±": r"$\pm$",
    "†": r"\dag{}",
}
ANY = re.compile("|".join(map(re.escape, SPECIAL)))


def latex_table(table: pd.DataFrame) -> str:
    """Return the table, its first column left-aligned and the others right-aligned; "" without rows."""
    if table.empty:
        return ""
    lines = [_row(table.columns), r"\midrule", *map(_row, table.itertuples(index=False))]
    sides = "l" + "r" * (len(table.columns) - 1)
    return "\n".join([rf"\begin{{tabular}}{{{sides}}}", r"\toprule", *lines, r"\bottomrule", r"\end{tabular}", ""])


def latex_text(text: str) -> str:
    """Return the text escaped for LaTeX."""
    return ANY.sub(lambda match: SPECIAL[match[0]], printable(text))


def _row(cells: object) -> str:
    # LaTeX reads a bracket after the end of a row as an optional argument, and a star as part of the end.
    texts = [latex_text(str(cell)) for cell in cells]  # type: ignore[attr-defined]
    return rf"{' & '.join(f'{{}}{text}' if text.startswith(('[', '*')) else text for text in texts)} \\"
