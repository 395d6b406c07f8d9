"""Ends a study whose objective keeps failing."""

from collections.abc import Sequence

from dfo_prompt.errors import StudyError
from dfo_prompt.study.records import Record

REMEDY = "fix it, and the same command continues; if that changes a plugin, --start-from this folder and another --out"
"""The advice after a failure of the objective; a plugin is a part of a study's identity once there is a loss."""
MOST_FAILED_BATCHES, MOST_FAILED_QUERIES = 3, 20
"""The number of batches in a row that ends a study if all their queries failed, and these are at least so many.

Batches alone would end a sequential optimizer, with one candidate in each, that crosses a region where the objective fails.
"""


class Failures:
    """Counts batches in a row that failed as a whole, and their queries.

    Args:
        name: name of the objective.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._batches = self._queries = 0

    def note(self, records: Sequence[Record]) -> None:
        """Take in the records of a new batch; batches from the journal do not count, so that a study can be continued.

        Raises:
            StudyError: this is the last batch that may fail.
        """
        if not all(record.raised for record in records):
            self._batches = self._queries = 0
            return
        self._batches += 1
        self._queries += len(records)
        if self._batches >= MOST_FAILED_BATCHES and self._queries >= MOST_FAILED_QUERIES:
            fault = f"objective {self._name!r} failed {self._batches} batches in a row, at last with {records[-1].status!r}"
            raise StudyError(f"{fault}; {REMEDY}")
