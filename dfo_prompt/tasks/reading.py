"""Counts the rows of a task's data that were read, and those that were skipped, by reason."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from dfo_prompt.types import Json

LISTED = 12
"""The most names of unread files to store."""


@dataclass(frozen=True, kw_only=True)
class SourceRows:
    """The rows of a file, a folder or a split of the hub.

    Attributes:
        source: its name.
        read: rows that became examples.
        skipped: rows that did not, by reason.
    """

    source: str
    read: int
    skipped: Mapping[str, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Return the number of all rows."""
        return self.read + sum(self.skipped.values())

    def without(self, reasons: Mapping[str, int]) -> Self:
        """Return the account with some of the examples skipped, by reason."""
        more = {reason: count for reason, count in reasons.items() if count}
        return replace(self, read=self.read - sum(more.values()), skipped={**self.skipped, **more})

    def describe(self) -> dict[str, Json]:
        """Return plain data for a manifest."""
        return {"source": self.source, "rows": self.rows, "read": self.read, "skipped": dict(self.skipped)}

    def __str__(self) -> str:
        skipped = ", ".join(f"{count:,} {reason}" for reason, count in self.skipped.items())
        return f"{self.read:,} of {self.rows:,} rows of {self.source}" + (f" (skipped: {skipped})" if skipped else "")


@dataclass(frozen=True, kw_only=True)
class ReadReport:
    """The account of all that was read for a task.

    Attributes:
        train: what shots are drawn from.
        test: None where the data have no split of their own for it.
        feedback: what the training split grew by, if anything.
        unread: names of files in the data folder that look like data and were not read.
    """

    train: SourceRows
    test: SourceRows | None = None
    feedback: SourceRows | None = None
    unread: tuple[str, ...] = ()

    def describe(self) -> dict[str, Json]:
        """Return plain data for a manifest."""
        sources = {"train": self.train, "test": self.test, "feedback": self.feedback}
        rows: dict[str, Json] = {name: source.describe() for name, source in sources.items() if source}
        return rows | ({"unread": list(self.unread[:LISTED])} if self.unread else {})

    def __str__(self) -> str:
        test = f"; test on {self.test}" if self.test else ""
        feedback = f"; grown by {self.feedback}" if self.feedback else ""
        more = ", ..." if len(self.unread) > LISTED else ""
        unread = f"; not read: {', '.join(self.unread[:LISTED])}{more}" if self.unread else ""
        return f"train on {self.train}{test}{feedback}{unread}"
