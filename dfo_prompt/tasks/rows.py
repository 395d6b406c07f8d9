"""Rows of a data set from any source."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of a data set.

    Attributes:
        place: file and line, for errors.
        cells: text of each column.
        skip: reason to skip the row, which is then counted under this reason; "" for a row to read.
        swallowed: lines inside a quoted cell that look like rows themselves, a sign of a quote that was not meant to open
            a cell.
    """

    place: str
    cells: Mapping[str, str] = field(default_factory=dict)
    skip: str = ""
    swallowed: tuple[Mapping[str, str], ...] = ()


def cell(value: object) -> str:
    """Return a value of a JSON or hub row as the text it would be in a CSV file."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False, default=str)


def without_decimal(label: str, known: Collection[str]) -> str:
    """Return "1" for "1.0" if only "1" is known: pandas converts integer labels to floats if any is missing."""
    whole = label.removesuffix(".0")
    return whole if label not in known and whole in known else label
