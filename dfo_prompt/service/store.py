"""Stores answers and charges of a service in SQLite, committed before an answer is sent."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from dfo_prompt._util.locks import PROBE_SECONDS
from dfo_prompt._util.sqlite import connect
from dfo_prompt.errors import InputError

SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    client TEXT NOT NULL, fingerprint TEXT NOT NULL, id TEXT NOT NULL, digest TEXT NOT NULL, answer TEXT NOT NULL,
    PRIMARY KEY (client, fingerprint, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS charges (client TEXT PRIMARY KEY, candidates INTEGER NOT NULL) WITHOUT ROWID;
"""
CHARGE = """
INSERT INTO charges VALUES (?, ?) ON CONFLICT (client) DO UPDATE SET candidates = candidates + excluded.candidates
"""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """An answer as JSON, and the hash of its request."""

    digest: str
    answer: str


class Store:
    """The answers of an objective in the file `path`, which may also hold those of other objectives.

    It has two connections, so that one thread reads while another writes. A file beside it is locked until `close`, as two
    services on one store would each grant the rest of a budget.

    Raises:
        InputError: the file cannot be opened, is not a store, or another service uses it.
    """

    def __init__(self, path: Path, fingerprint: str) -> None:
        self.path, self._fingerprint = path, fingerprint
        with usable(path):
            self.writer = connect(path)
            self._check_tables()
            self._lock = _locked(path)
            self.writer.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; {SCHEMA}")
            self.reader = connect(path)
            self.charged("")
            self.find("", "")

    def find(self, client: str, name: str) -> Kept | None:
        """Return the stored answer to a client's request `name`, or None."""
        query = "SELECT digest, answer FROM answers WHERE client = ? AND fingerprint = ? AND id = ?"
        row = self.reader.execute(query, (client, self._fingerprint, name)).fetchone()
        return Kept(digest=row[0], answer=row[1]) if row else None

    def charged(self, client: str) -> int:
        """Return how many candidates a client has been charged for."""
        row = self.reader.execute("SELECT candidates FROM charges WHERE client = ?", (client,)).fetchone()
        return int(row[0]) if row else 0

    def keep(self, client: str, name: str, kept: Kept) -> None:
        """Write the answer to a client's request `name`, in the current transaction of the writer."""
        row = (client, self._fingerprint, name, kept.digest, kept.answer)
        self.writer.execute("INSERT INTO answers VALUES (?, ?, ?, ?, ?)", row)

    def charge(self, client: str, candidates: int) -> None:
        """Write a charge, in the current transaction of the writer."""
        self.writer.execute(CHARGE, (client, candidates))

    def _check_tables(self) -> None:
        """Check that the file is a store or empty before any table is added to it; a store may lack a table after a kill."""
        known = {name for (name,) in self.writer.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if known and not known & {"answers", "charges"}:
            raise sqlite3.DatabaseError("it is a database of another program")

    def close(self) -> None:
        """Close the file and let another service use it."""
        self.reader.close()
        self.writer.close()
        self._lock.release()


@contextmanager
def usable(path: Path) -> Iterator[None]:
    """Turn an error of SQLite while a store is opened into an InputError: it is damaged, or tables are another program's."""
    try:
        yield
    except sqlite3.Error as error:
        raise InputError(f"cannot use {path} as a store: {error}; choose another with --store") from error


def _locked(path: Path) -> FileLock:
    whole = path.resolve()
    lock = FileLock(whole.with_name(f"{whole.name}.lock"), thread_local=False)
    try:
        lock.acquire(timeout=PROBE_SECONDS)
    except Timeout as error:
        raise InputError(f"another service uses the store {path}; end it, or choose another with --store") from error
    except OSError as error:
        raise InputError(f"cannot use {path} as a store: {error}; choose another with --store") from error
    return lock
