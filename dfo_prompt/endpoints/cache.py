"""Caches answers of endpoints in SQLite, so that a row is paid for once."""

import hashlib
import json
import sqlite3
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from dfo_prompt._util.sqlite import connect
from dfo_prompt.contracts.endpoint import Answered, Capabilities, Endpoint, EndpointOutageError, Label, Row, Scores
from dfo_prompt.contracts.usage import Usage
from dfo_prompt.errors import InputError
from dfo_prompt.types import FLOAT, Json

SCHEMA = "CREATE TABLE IF NOT EXISTS answers (name BLOB PRIMARY KEY, logs BLOB NOT NULL, bounds BLOB NOT NULL) WITHOUT ROWID"


class CachedEndpoint:
    """An endpoint whose answers are cached after its probe; equal rows of a call are also sent once.

    The key of an answer holds the endpoint's description, the scores of its probe, the row and the labels, so another model
    at the same address and under the same name has other answers. If repeated answers differ, the key leaves the scores of
    the probe out, because they differ from probe to probe.

    Args:
        endpoint: the endpoint to cache.
        path: the cache file, which endpoints and processes may share.
        always: whether to cache answers even if repeated answers differ.

    Raises:
        InputError: the file cannot be used.
    """

    def __init__(self, endpoint: Endpoint, path: Path, *, always: bool = False) -> None:
        self._endpoint, self._path, self._always = endpoint, path, always
        self._about: bytes | None = None
        with self._usable():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = connect(path)
            self._file.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; {SCHEMA}")
        weakref.finalize(self, self._file.close)

    def probe(self, labels: Sequence[Label]) -> Capabilities:
        """Probe the endpoint; answers are cached from then on, unless repeated answers differ."""
        can = self._endpoint.probe(labels)
        sample = can.sample if can.steady else ()
        keeps = self._always or can.steady
        self._about = json.dumps([dict(self.describe()), *sample], sort_keys=True).encode() if keeps else None
        return can

    def score(self, rows: Sequence[Row], labels: Sequence[Label]) -> Scores:
        """Score rows; only rows that are not in the cache are sent to the endpoint.

        Raises:
            EndpointOutageError: see `Endpoint`; or the file cannot be used, which is no loss of a prompt.
        """
        if self._about is None:
            return self._endpoint.score(rows, labels)
        names = [self._name(self._about, row, labels) for row in rows]
        answers = self._find(names, len(labels))
        missing = {name: row for name, row in zip(names, rows, strict=True) if name not in answers}
        usage = Usage()
        if missing:
            fresh = self._fresh(missing, labels)
            answers, usage = answers | answers_of(missing, fresh), fresh.usage
        logs, bounds = (np.array([answers[name][part] for name in names]) for part in (0, 1))
        shape = (len(rows), len(labels))
        return Scores(logs=logs.reshape(shape), bounds=bounds.reshape(shape).astype(bool), usage=usage)

    def estimate(self, rows: Sequence[Row]) -> Usage:
        """Return the most that these rows would consume without the cache."""
        return self._endpoint.estimate(rows)

    def describe(self) -> Mapping[str, Json]:
        """Return the endpoint's description; the cache changes no score."""
        return self._endpoint.describe()

    def _fresh(self, missing: Mapping[bytes, Row], labels: Sequence[Label]) -> Scores:
        """Score rows with the endpoint and cache the answers, also those before a failure."""
        try:
            fresh = self._endpoint.score([*missing.values()], labels)
        except EndpointOutageError as error:
            answered = {name: error.answered[i] for i, name in enumerate(missing) if i in error.answered}
            self._keep(answered, error.usage)
            raise
        self._keep(answers_of(missing, fresh), fresh.usage)
        return fresh

    @staticmethod
    def _name(about: bytes, row: Row, labels: Sequence[Label]) -> bytes:
        if isinstance(row, str):
            kind, shape, body = "text", len(row), row.encode(errors="surrogatepass")
        elif isinstance(row, tuple):
            kind, shape, body = "tokens", len(row), np.array(row, dtype="<i8").tobytes()
        else:
            kind, shape, body = "embeddings", len(row), np.ascontiguousarray(row, dtype="<f4").tobytes()
        key = json.dumps([kind, shape, [[label.text, label.token] for label in labels]]).encode()
        return hashlib.sha256(b"\0".join((about, key, body))).digest()

    def _find(self, names: Sequence[bytes], classes: int) -> dict[bytes, Answered]:
        answers = {}
        with self._served():
            for name in {*names}:
                row = self._file.execute("SELECT logs, bounds FROM answers WHERE name = ?", (name,)).fetchone()
                if row and len(row[0]) == 8 * classes and len(row[1]) == classes:
                    answers[name] = np.frombuffer(row[0], dtype=FLOAT).astype(np.float64), np.frombuffer(row[1], dtype=bool)
        return answers

    def _keep(self, answers: Mapping[bytes, Answered], usage: Usage) -> None:
        """Cache finite answers; a NaN fails its query today, but must not fail each later one."""
        rows = [
            (name, np.asarray(logs, dtype=FLOAT).tobytes(), np.asarray(bounds, dtype=bool).tobytes())
            for name, (logs, bounds) in answers.items()
            if np.isfinite(logs).all()
        ]
        with self._served(usage), self._file:
            self._file.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?, ?)", rows)

    @contextmanager
    def _served(self, usage: Usage | None = None) -> Iterator[None]:
        """Turn an error into an outage, so that it stops the study and fails no query; `usage` was consumed before."""
        try:
            with self._usable():
                yield
        except InputError as error:
            raise EndpointOutageError(str(error), usage=usage) from error

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            problem = f"cannot keep answers in {self._path}: {error}"
            raise InputError(f"{problem}; remove the file, set DFO_PROMPT_CACHE, or set endpoint.cache to off") from error


def answers_of(names: Iterable[bytes], scores: Scores) -> dict[bytes, Answered]:
    """Return the answers by the names of their rows."""
    return dict(zip(names, zip(scores.logs, scores.bounds, strict=True), strict=True))
