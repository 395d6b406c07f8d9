"""Opens SQLite files that several threads and processes use."""

import sqlite3
from pathlib import Path

BUSY_SECONDS = 30.0
"""How long a connection waits for another connection's write."""


def connect(path: Path) -> sqlite3.Connection:
    """Open the file `path`; threads may use the connection one at a time, not only the thread that opened it.

    Raises:
        sqlite3.Error: the file cannot be opened.
    """
    return sqlite3.connect(path, timeout=BUSY_SECONDS, check_same_thread=False)
