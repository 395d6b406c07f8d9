"""Counts the rows of a task's data that were read, and those skipped, by reason."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from dfo_prompt.types import Json

MAX_LISTED = 12
"""The largest number of unread files that are named."""


@dataclass(frozen=True, kw_only=True)
class SourceRows:
    """Row counts of a file, a folder or a split of a data set.

    Attributes:
        source: name of the file, folder or split.
        read: number of rows that became examples.
        skipped: number of rows skipped for each reason.
    """

    source: str
    read: int
    skipped: Mapping[str, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Return the total number of rows."""
        return self.read + sum(self.skipped.values())

    def without(self, reasons: Mapping[str, int]) -> Self:
        """Return the counts after examples are skipped, given the number for each reason."""
        dropped = {reason: count for reason, count in reasons.items() if count}
        return replace(self, read=self.read - sum(dropped.values()), skipped={**self.skipped, **dropped})

    def describe(self) -> dict[str, Json]:
        """Return plain data for a manifest."""
        return {"source": self.source, "rows": self.rows, "read": self.read, "skipped": dict(self.skipped)}

    def __str__(self) -> str:
        skipped = ", ".join(f"{count:,} {reason}" for reason, count in self.skipped.items())
        return f"{self.read:,} of {self.rows:,} rows of {self.source}" + (f" (skipped: {skipped})" if skipped else "")


@dataclass(frozen=True, kw_only=True)
class ReadReport:
    """Row counts of all the data read for a task.

    Attributes:
        train: counts of the rows that shots are drawn from.
        test: counts of the test split; None if the data have none.
        feedback: counts of the feedback added to the training split, if any.
        unread: names of files in the data folder that look like data but were not read.
    """

    train: SourceRows
    test: SourceRows | None = None
    feedback: SourceRows | None = None
    unread: tuple[str, ...] = ()

    def describe(self) -> dict[str, Json]:
        """Return plain data for a manifest."""
        sources = {"train": self.train, "test": self.test, "feedback": self.feedback}
        rows: dict[str, Json] = {name: source.describe() for name, source in sources.items() if source}
        return rows | ({"unread": list(self.unread[:MAX_LISTED])} if self.unread else {})

    def __str__(self) -> str:
        test = f"; test on {self.test}" if self.test else ""
        feedback = f"; feedback: {self.feedback}" if self.feedback else ""
        more = ", ..." if len(self.unread) > MAX_LISTED else ""
        unread = f"; not read: {', '.join(self.unread[:MAX_LISTED])}{more}" if self.unread else ""
        return f"train on {self.train}{test}{feedback}{unread}"
