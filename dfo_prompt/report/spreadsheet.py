"""Writes CSV files whose cells spreadsheets do not evaluate as formulas."""

from pathlib import Path

import pandas as pd

from dfo_prompt.report.texts import printable

FORMULA = ("=", "+", "-", "@")
"""First characters of text that spreadsheets evaluate."""
EMPTY = "-"
"""The text of a cell without a value."""


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write the table to the file `path`."""
    path.write_text(csv_text(table), encoding="utf-8", newline="")


def csv_text(table: pd.DataFrame) -> str:
    """Return the table as CSV, with an apostrophe before text that a spreadsheet would evaluate."""
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
