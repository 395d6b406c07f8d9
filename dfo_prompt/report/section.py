"""Defines a section of a report that shows a table."""

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Section:
    """A table with its title, its explanation and its data.

    Attributes:
        table: the cells as printed.
        data: the content of the CSV file; None means that of `table`.
        shown: the number of rows that are printed, None for all; the CSV file has all rows.
    """

    name: str
    title: str
    text: str
    table: pd.DataFrame
    data: pd.DataFrame | None = None
    shown: int | None = None

    @property
    def numbers(self) -> pd.DataFrame:
        """Return the content of the CSV file."""
        return self.table if self.data is None else self.data

    @property
    def printed(self) -> pd.DataFrame:
        """Return the rows that are printed."""
        return self.table.head(len(self.table) if self.shown is None else self.shown)
