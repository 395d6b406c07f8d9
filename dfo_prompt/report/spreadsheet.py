"""Tables as CSV files that a spreadsheet shows and does not evaluate."""

from pathlib import Path

import pandas as pd

from dfo_prompt.report.texts import printable

FORMULA = ("=", "+", "-", "@")
"""A spreadsheet evaluates text that begins with one of these."""
EMPTY = "-"
"""In tables, the mark of a cell without a value."""


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write the table."""
    path.write_text(csv_text(table), encoding="utf-8", newline="")


def csv_text(table: pd.DataFrame) -> str:
    """Return the table; text that a spreadsheet would evaluate gets an apostrophe in front, numbers stay numbers."""
    safe = table.rename(columns=_cell)
    for number, kind in enumerate(table.dtypes):
        if kind.kind not in "biuf":
            safe.isetitem(number, list(map(_cell, table.iloc[:, number])))
    return safe.to_csv(index=False)


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.lstrip().startswith(FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text == EMPTY
    return True
