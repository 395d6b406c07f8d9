"""Ends a study whose objective keeps failing."""

from collections.abc import Sequence

from dfo_prompt.errors import StudyError
from dfo_prompt.study.records import Record

REMEDY = "fix it, and the same command continues; if that changes a plugin, --start-from this folder and another --out"
"""The advice after a failure of the objective; a plugin is a part of a study's identity once there is a loss."""
MOST_FAILED_BATCHES = 3
"""The number of failed batches in a row that ends a study."""


class Failures:
    """Counts batches in a row that failed as a whole.

    Args:
        name: name of the objective.
    """

    def __init__(self, name: str) -> None:
        self._name, self._batches = name, 0

    def note(self, records: Sequence[Record]) -> None:
        """Take in the records of a new batch; batches from the journal do not count, so that a study can be continued.

        Raises:
            StudyError: this is the last batch that may fail.
        """
        self._batches = self._batches + 1 if all(record.raised for record in records) else 0
        if self._batches == MOST_FAILED_BATCHES:
            fault = f"objective {self._name!r} failed {self._batches} batches in a row, at last with {records[-1].status!r}"
            raise StudyError(f"{fault}; {REMEDY}")
