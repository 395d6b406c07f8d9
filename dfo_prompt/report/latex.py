"""Tables in LaTeX, with the rules of booktabs."""

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
    """Return the table with its first column on the left and the others on the right; "" without rows."""
    if table.empty:
        return ""
    lines = [_row(table.columns), r"\midrule", *map(_row, table.itertuples(index=False))]
    sides = "l" + "r" * (len(table.columns) - 1)
    return "\n".join([rf"\begin{{tabular}}{{{sides}}}", r"\toprule", *lines, r"\bottomrule", r"\end{tabular}", ""])


def latex_text(text: str) -> str:
    """Return the text for LaTeX: no command, no mathematics, no end of a cell."""
    return ANY.sub(lambda found: SPECIAL[found[0]], printable(text))


def _row(cells: object) -> str:
    # A bracket that follows the end of a row would be its optional argument.
    texts = [latex_text(str(cell)) for cell in cells]  # type: ignore[attr-defined]
    return rf"{' & '.join(f'{{}}{text}' if text.startswith('[') else text for text in texts)} \\"
