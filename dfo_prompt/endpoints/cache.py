"""Answers of endpoints in SQLite: a row that was scored before is not paid for again."""

import hashlib
import json
import sqlite3
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from dfo_prompt.contracts.endpoint import Answered, Capabilities, Endpoint, EndpointOutageError, Label, Row, Scores
from dfo_prompt.contracts.usage import Usage
from dfo_prompt.errors import InputError
from dfo_prompt.types import Json

SCHEMA = "CREATE TABLE IF NOT EXISTS answers (name BLOB PRIMARY KEY, logs BLOB NOT NULL, bounds BLOB NOT NULL) WITHOUT ROWID"
BUSY_SECONDS = 30.0
"""For which a process waits for another one that writes."""
FLOAT = "<f8"
STEADY = 1e-6
"""Spread of repeated answers that is rounding."""


class CachedEndpoint:
    """An endpoint whose answers are kept once it was probed: each row is asked once, and equal rows of a call once together.

    An answer is found by what the endpoint says of itself, by the scores of its probe, by the row and by the labels: another
    model at the same address, under the same name, has other answers.

    Args:
        endpoint: any.
        path: of the file, which many endpoints and processes may share.
        always: whether answers are kept even if repeated ones differ.

    Raises:
        InputError: the file cannot be used.
    """

    def __init__(self, endpoint: Endpoint, path: Path, *, always: bool = False) -> None:
        self._endpoint, self._path, self._always = endpoint, path, always
        self._about: bytes | None = None
        with self._usable():
            path.parent.mkdir(parents=True, exist_ok=True)
            # Only `score` uses it, which one thread calls at a time; that need not be the thread that opens it.
            self._file = sqlite3.connect(path, timeout=BUSY_SECONDS, check_same_thread=False)
            self._file.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; {SCHEMA}")
        weakref.finalize(self, self._file.close)

    def probe(self, labels: Sequence[Label]) -> Capabilities:
        """Probe the endpoint itself; from then on answers are kept, unless repeated ones differ."""
        can = self._endpoint.probe(labels)
        keeps = self._always or can.spread <= STEADY
        self._about = json.dumps([dict(self.describe()), *can.sample], sort_keys=True).encode() if keeps else None
        return can

    def score(self, rows: Sequence[Row], labels: Sequence[Label]) -> Scores:
        """Score rows, asking the endpoint for those only that it was not asked before."""
        if self._about is None:
            return self._endpoint.score(rows, labels)
        names = [self._name(self._about, row, labels) for row in rows]
        found = self._find(names, len(labels))
        missing = {name: row for name, row in zip(names, rows, strict=True) if name not in found}
        usage = Usage()
        if missing:
            fresh = self._fresh(missing, labels)
            found, usage = found | answers_of(missing, fresh), fresh.usage
        logs, bounds = (np.array([found[name][part] for name in names]) for part in (0, 1))
        shape = (len(rows), len(labels))
        return Scores(logs=logs.reshape(shape), bounds=bounds.reshape(shape).astype(bool), usage=usage)

    def estimate(self, rows: Sequence[Row]) -> Usage:
        """Return the most that these rows would consume if none of them was kept."""
        return self._endpoint.estimate(rows)

    def describe(self) -> Mapping[str, Json]:
        """Return what the endpoint says of itself: the cache changes no figure."""
        return self._endpoint.describe()

    def _fresh(self, missing: Mapping[bytes, Row], labels: Sequence[Label]) -> Scores:
        """Ask for rows, and keep what is answered, even if not all of it is."""
        try:
            fresh = self._endpoint.score([*missing.values()], labels)
        except EndpointOutageError as error:
            self._keep({name: error.answered[i] for i, name in enumerate(missing) if i in error.answered})
            raise
        self._keep(answers_of(missing, fresh))
        return fresh

    @staticmethod
    def _name(about: bytes, row: Row, labels: Sequence[Label]) -> bytes:
        if isinstance(row, str):
            kind, shape, body = "text", len(row), row.encode(errors="surrogatepass")
        elif isinstance(row, tuple):
            kind, shape, body = "tokens", len(row), np.array(row, dtype="<i8").tobytes()
        else:
            kind, shape, body = "embeddings", len(row), np.ascontiguousarray(row, dtype="<f4").tobytes()
        asked = json.dumps([kind, shape, [[label.text, label.token] for label in labels]]).encode()
        return hashlib.sha256(b"\0".join((about, asked, body))).digest()

    def _find(self, names: Sequence[bytes], classes: int) -> dict[bytes, Answered]:
        found = {}
        with self._usable():
            for name in {*names}:
                row = self._file.execute("SELECT logs, bounds FROM answers WHERE name = ?", (name,)).fetchone()
                if row and len(row[0]) == 8 * classes and len(row[1]) == classes:
                    found[name] = np.frombuffer(row[0], dtype=FLOAT).astype(np.float64), np.frombuffer(row[1], dtype=bool)
        return found

    def _keep(self, answers: Mapping[bytes, Answered]) -> None:
        rows = [
            (name, np.asarray(logs, dtype=FLOAT).tobytes(), np.asarray(bounds, dtype=bool).tobytes())
            for name, (logs, bounds) in answers.items()
        ]
        with self._usable(), self._file:
            self._file.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?, ?)", rows)

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            said = f"cannot keep answers in {self._path}: {error}"
            raise InputError(f"{said}; remove the file, set DFO_PROMPT_CACHE, or set endpoint.cache to off") from error


def answers_of(names: Iterable[bytes], scores: Scores) -> dict[bytes, Answered]:
    """Return the answers to rows by the names of the rows."""
    return dict(zip(names, zip(scores.logs, scores.bounds, strict=True), strict=True))
