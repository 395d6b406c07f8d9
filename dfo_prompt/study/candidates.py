"""The file of candidates beside a journal: rows of little-endian float64, d columns, row i for line i of the journal.

A row is written before its evaluation, so that a batch that was cut off has its candidates too. The hash in the journal's
line is the row's checksum.
"""

import hashlib
from pathlib import Path

import numpy as np

from dfo_prompt._util.durable import OwnFile
from dfo_prompt.types import Matrix, Vector

FLOAT = np.dtype("<f8")


class Candidates:
    """The candidates in `path`; without a path nothing is kept."""

    def __init__(self, path: Path | None) -> None:
        self.file = OwnFile(path) if path else None

    def put(self, first: int, batch: Matrix) -> None:
        """Keep a new batch (B, d), not yet evaluated, from row `first` on; rows behind were cut off and are dropped.

        Raises:
            StudyError: they cannot be written.
        """
        if self.file:
            data = _bytes(batch)
            self.file.write(first * len(data) // len(batch), data)

    def mend(self, first: int, batch: Matrix) -> None:
        """Keep a batch (B, d) that is known to belong there from row `first` on, unless it is there; rows behind stay.

        Raises:
            StudyError: they cannot be written.
        """
        if self.file is None:
            return
        data = _bytes(batch)
        at = first * len(data) // len(batch)
        if self.file.read(at, len(data)) != data:
            self.file.write(at, data, drop_rest=False)

    def get(self, first: int, shape: tuple[int, ...]) -> Matrix | None:
        """Return the batch of the shape (B, d) from row `first` on, or None where there are fewer rows."""
        count, dim = shape
        size = count * dim * FLOAT.itemsize
        raw = self.file.read(first * dim * FLOAT.itemsize, size) if self.file else b""
        return _rows(raw, dim) if len(raw) == size else None


def candidate_hash(candidate: Vector) -> str:
    """Return a short hash of the bytes of z (d,)."""
    return hashlib.sha256(_bytes(candidate)).hexdigest()[:16]


def read_rows(path: Path, dim: int) -> Matrix:
    """Return the whole rows (n, d) that a file of candidates holds; none if there is no file."""
    raw = path.read_bytes() if path.exists() else b""
    return _rows(raw[: len(raw) - len(raw) % (dim * FLOAT.itemsize)], dim)


def _bytes(values: Matrix | Vector) -> bytes:
    return np.ascontiguousarray(values, dtype=FLOAT).tobytes()


def _rows(raw: bytes, dim: int) -> Matrix:
    return np.frombuffer(raw, dtype=FLOAT).reshape(-1, dim).astype(np.float64)
