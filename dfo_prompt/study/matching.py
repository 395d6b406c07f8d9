"""Matches the candidates that a rebuilt optimizer proposes with the journaled ones.

A candidate that differs from the journaled one only by rounding (`ROUNDING`), as on another processor, is replaced by the
journaled one.
"""

import math
from collections.abc import Sequence
from pathlib import Path

from dfo_prompt.errors import StudyError
from dfo_prompt.study.candidates import Candidates, candidate_hash
from dfo_prompt.study.records import FILES, Account, Record
from dfo_prompt.types import Matrix, Vector

ROUNDING = 1e-6
"""The largest distance of two candidates, relative to their norm, that is attributed to rounding."""


class Matching:
    """Matches proposed with journaled candidates.

    Args:
        folder: study folder, for errors.

    Attributes:
        rounded: number of candidates replaced by journaled ones that differ only by rounding.
    """

    def __init__(self, folder: Path | None) -> None:
        self.rounded = 0
        self._folder = folder
        self._journaled: dict[str, Vector] = {}

    def match(
        self, batch: Matrix, records: Sequence[Record], file: Candidates, first: int, *, split: str, role: str
    ) -> Matrix:
        """Return the journaled candidates of a proposed batch (B, d), which are equal up to rounding.

        Args:
            batch: (B, d) proposed candidates.
            records: their records in the journal.
            file: candidate file, whose rows from `first` on are those of the records.
            first: row of the first candidate.
            split: split that the batch is to be scored on.
            role: role that it is to have on the second account.

        Raises:
            StudyError: a record is of another candidate, split or role.
        """
        if any((record.split, record.role) != (split, role) for record in records):
            raise self._changed(records[0], role)
        names = [candidate_hash(z) if role != "baseline" else "" for z in batch]
        different = [i for i, (record, name) in enumerate(zip(records, names, strict=True)) if record.candidate != name]
        if not different:
            file.restore(first, batch)
            return batch
        stored, recalled = file.get(first, batch.shape), batch.copy()
        for i in different:
            if stored is None or candidate_hash(stored[i]) != records[i].candidate or not _close(stored[i], batch[i]):
                raise self._changed(records[i], role)
            self._journaled[names[i]] = recalled[i] = stored[i]
        self.rounded += len(different)
        return recalled

    def as_journaled(self, candidate: Vector) -> Vector:
        """Return the journaled candidate (d,) that replaced `candidate` in `match`, or `candidate` itself."""
        return self._journaled.get(candidate_hash(candidate), candidate) if self._journaled else candidate

    def _changed(self, record: Record, role: str) -> StudyError:
        file = FILES[Account.VALIDATION if role else Account.QUERIES]
        return StudyError(
            f"{file}: at query {record.query} the optimizer now proposes another candidate than was journaled: it does not "
            "repeat itself, or a package or the machine changed; start a new study from its answer: --start-from "
            f"{self._folder} and another --out"
        )


def _close(stored: Vector, proposed: Vector) -> bool:
    return math.dist(stored, proposed) <= ROUNDING * math.hypot(*stored)  # neither overflows, as sums of squares do
