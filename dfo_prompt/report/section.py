"""A part of a report that is a table."""

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Section:
    """A table, what it shows, and what it rests on.

    Attributes:
        table: with cells as they are printed.
        data: the numbers behind it, for the file; None means that the cells are numbers themselves.
        shown: rows that are printed; the file has all. None means all.
    """

    name: str
    title: str
    text: str
    table: pd.DataFrame
    data: pd.DataFrame | None = None
    shown: int | None = None

    @property
    def printed(self) -> pd.DataFrame:
        """Return the rows that are printed."""
        return self.table.head(len(self.table) if self.shown is None else self.shown)
