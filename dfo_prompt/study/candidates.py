"""The candidate file of a journal: rows of little-endian float64, d columns; row i belongs to line i of the journal.

A row is written before its evaluation, so that even a batch that was cut off has its candidates. The hash in the journal's
line serves as the row's checksum.
"""

import hashlib
from pathlib import Path

import numpy as np

from dfo_prompt._util.durable import OwnFile
from dfo_prompt.types import FLOAT, Matrix, Vector


class Candidates:
    """The candidates in `path`; without a path nothing is stored."""

    def __init__(self, path: Path | None) -> None:
        self.file = OwnFile(path) if path else None

    def put(self, first: int, batch: Matrix) -> None:
        """Write a new batch (B, d), not yet evaluated, at row `first`, dropping any later rows as cut off.

        Raises:
            StudyError: the file cannot be written.
        """
        if self.file:
            data = _bytes(batch)
            self.file.write(first * len(data) // len(batch), data)

    def restore(self, first: int, batch: Matrix) -> None:
        """Restore the rows of a recalled batch (B, d) at row `first` if they are missing or damaged, keeping later rows.

        Raises:
            StudyError: the file cannot be written.
        """
        if self.file is None:
            return
        data = _bytes(batch)
        offset = first * len(data) // len(batch)
        if self.file.read(offset, len(data)) != data:
            self.file.write(offset, data, drop_rest=False)

    def get(self, first: int, shape: tuple[int, ...]) -> Matrix | None:
        """Return the batch of shape (B, d) at row `first`, or None if the file has fewer rows."""
        count, dim = shape
        size = count * dim * FLOAT.itemsize
        raw = self.file.read(first * dim * FLOAT.itemsize, size) if self.file else b""
        return _rows(raw, dim) if len(raw) == size else None


def candidate_hash(candidate: Vector) -> str:
    """Return a short hash of the bytes of z (d,)."""
    return hashlib.sha256(_bytes(candidate)).hexdigest()[:16]


def read_rows(path: Path, dim: int) -> Matrix:
    """Return the complete rows (n, d) of a candidate file; none if there is no file."""
    raw = path.read_bytes() if path.exists() else b""
    return _rows(raw[: len(raw) - len(raw) % (dim * FLOAT.itemsize)], dim)


def _bytes(values: Matrix | Vector) -> bytes:
    return np.ascontiguousarray(values, dtype=FLOAT).tobytes()


def _rows(raw: bytes, dim: int) -> Matrix:
    return np.frombuffer(raw, dtype=FLOAT).reshape(-1, dim).astype(np.float64)
