"""Answers of endpoints in SQLite: a row that was scored before is not paid for again."""

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
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


class CachedEndpoint:
    """An endpoint whose answers are kept: each row is asked once, and equal rows of a call once together.

    An answer is found by what the endpoint says of itself, by the scores of its probe, by the row and by the labels.

    Args:
        endpoint: probed already.
        path: of the file, which many endpoints and processes may share.
        sample: of the probe: another model at the same address, under the same name, has other answers.

    Raises:
        InputError: the file cannot be used.
    """

    def __init__(self, endpoint: Endpoint, path: Path, *, sample: Sequence[float] = ()) -> None:
        self._endpoint, self._path = endpoint, path
        self._about = json.dumps([dict(endpoint.describe()), *sample], sort_keys=True).encode()
        with self._usable():
            path.parent.mkdir(parents=True, exist_ok=True)
            # Only `score` uses it, which one thread calls at a time; that need not be the thread that opens it.
            self._file = sqlite3.connect(path, timeout=BUSY_SECONDS, check_same_thread=False)
            self._file.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; {SCHEMA}")

    def probe(self, labels: Sequence[Label]) -> Capabilities:
        """Probe the endpoint itself."""
        return self._endpoint.probe(labels)

    def score(self, rows: Sequence[Row], labels: Sequence[Label]) -> Scores:
        """Score rows, asking the endpoint for those only that it was not asked before."""
        names = [self._name(row, labels) for row in rows]
        found = self._find(names, len(labels))
        missing = {name: row for name, row in zip(names, rows, strict=True) if name not in found}
        usage = Usage()
        if missing:
            try:
                fresh = self._endpoint.score([*missing.values()], labels)
            except EndpointOutageError as error:
                self._keep({name: error.answered[i] for i, name in enumerate(missing) if i in error.answered})
                raise
            answers = dict(zip(missing, zip(fresh.logs, fresh.bounds, strict=True), strict=True))
            self._keep(answers)
            found, usage = found | answers, fresh.usage
        logs, bounds = (np.array([found[name][part] for name in names]) for part in (0, 1))
        shape = (len(rows), len(labels))
        return Scores(logs=logs.reshape(shape), bounds=bounds.reshape(shape).astype(bool), usage=usage)

    def estimate(self, rows: Sequence[Row]) -> Usage:
        """Return the most that these rows would consume if none of them was kept."""
        return self._endpoint.estimate(rows)

    def describe(self) -> Mapping[str, Json]:
        """Return what the endpoint says of itself: the cache changes no figure."""
        return self._endpoint.describe()

    def _name(self, row: Row, labels: Sequence[Label]) -> bytes:
        if isinstance(row, str):
            kind, shape, body = "text", len(row), row.encode(errors="surrogatepass")
        elif isinstance(row, tuple):
            kind, shape, body = "tokens", len(row), np.array(row, dtype="<i8").tobytes()
        else:
            kind, shape, body = "embeddings", len(row), np.ascontiguousarray(row, dtype="<f4").tobytes()
        asked = json.dumps([kind, shape, [[label.text, label.token] for label in labels]]).encode()
        return hashlib.sha256(b"\0".join((self._about, asked, body))).digest()

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
