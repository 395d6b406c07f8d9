"""Stores corrected labels and served prompts; both are committed before the service responds."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dfo_prompt.service.store import Store, usable
from dfo_prompt.types import FLOAT, Vector

SCHEMA = """
CREATE TABLE IF NOT EXISTS feedback (
    number INTEGER PRIMARY KEY, client TEXT NOT NULL, task TEXT NOT NULL, id TEXT NOT NULL, digest TEXT NOT NULL,
    rows TEXT NOT NULL, UNIQUE (client, task, id)
);
CREATE TABLE IF NOT EXISTS prompts (
    number INTEGER PRIMARY KEY, client TEXT NOT NULL, fingerprint TEXT NOT NULL, candidate BLOB NOT NULL,
    score REAL NOT NULL, loss REAL NOT NULL
);
"""


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A candidate (d,) with its figures on dev and the client that offered it."""

    candidate: Vector
    score: float
    loss: float
    client: str = ""

    def beats(self, other: "Prompt") -> bool:
        """Tell whether this prompt is better on dev by a study's rule: the larger score wins, then the smaller loss."""
        return (self.score, -self.loss) > (other.score, -other.loss)


class Collection:
    """The feedback for a task and the prompts of an objective, in a store that may also hold others.

    Args:
        store: the store; only its writing thread may call methods that write.
        task: the key of the feedback; it determines fields and classes.
        fingerprint: the fingerprint of the objective.

    Raises:
        InputError: the store holds other tables with these names.
    """

    def __init__(self, store: Store, *, task: str, fingerprint: str) -> None:
        self.store, self._task, self._fingerprint = store, task, fingerprint
        with usable(store.path), store.writer:
            store.writer.executescript(SCHEMA)
            store.writer.execute("SELECT client, task, id, digest, rows FROM feedback LIMIT 0")
            store.writer.execute("SELECT client, fingerprint, candidate, score, loss, number FROM prompts LIMIT 0")

    def take(self, client: str, name: str, digest: str, rows: Sequence[dict[str, str]]) -> bool | None:
        """Commit labelled examples, unless a request with this name was committed before.

        Returns:
            Whether the examples are new; None if the name was used for other examples.
        """
        with self.store.writer as writer:
            row = (client, self._task, name, digest, json.dumps(rows))
            command = "INSERT OR IGNORE INTO feedback (client, task, id, digest, rows) VALUES (?, ?, ?, ?, ?)"
            if writer.execute(command, row).rowcount:
                return True
            query = "SELECT digest FROM feedback WHERE client = ? AND task = ? AND id = ?"
            (stored,) = writer.execute(query, row[:3]).fetchone()
        return False if stored == digest else None

    def examples(self) -> Iterator[dict[str, str]]:
        """Return all labelled examples in order of arrival, each with the client and id of its request."""
        query = "SELECT client, id, rows FROM feedback WHERE task = ? ORDER BY number"
        for client, name, rows in self.store.reader.execute(query, (self._task,)).fetchall():
            for row in json.loads(rows):
                yield {**row, "client": client, "id": name}

    def serve(self, prompt: Prompt) -> None:
        """Write the prompt to serve from now on, in the current transaction of the writer."""
        data = np.ascontiguousarray(prompt.candidate, dtype=FLOAT).tobytes()
        row = (prompt.client, self._fingerprint, data, prompt.score, prompt.loss)
        command = "INSERT INTO prompts (client, fingerprint, candidate, score, loss) VALUES (?, ?, ?, ?, ?)"
        self.store.writer.execute(command, row)

    def served(self) -> Vector | None:
        """Return the candidate (d,) that was served last, or None."""
        query = "SELECT candidate FROM prompts WHERE fingerprint = ? ORDER BY number DESC LIMIT 1"
        row = self.store.reader.execute(query, (self._fingerprint,)).fetchone()
        return np.frombuffer(row[0], dtype=FLOAT).astype(np.float64) if row else None
