"""The ledger: the only place that counts queries.

Queries are reserved before they are run, so that nothing can overspend, and journaled before the next are reserved, so
that nothing is lost. A study folder holds three files of JSON lines:

- `journal.jsonl`, one line a query. It has no times: the same study gives the same bytes.
- `validation.jsonl`, one line an evaluation on the second account (dev, test, clean re-evaluation). No times either.
- `ledger.jsonl`, what was reserved and what it took: rows, tokens, bytes, seconds. A reservation without an outcome
  was cut off; those queries ran again, and are counted as `repeated`.

An earlier run's lines are recalled in order, against the candidates of the rebuilt optimizer, until they are used up.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path

import numpy as np

from dfo_prompt.errors import InputError, StudyError
from dfo_prompt.study.journal import Journal, Line, read_lines
from dfo_prompt.types import Matrix, Vector


class Account(StrEnum):
    """What an evaluation is charged to."""

    QUERIES = "queries"
    VALIDATION = "validation"


FILES = {Account.QUERIES: "journal.jsonl", Account.VALIDATION: "validation.jsonl"}


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a study may spend.

    Raises:
        InputError: fewer than one query.
    """

    queries: int

    def __post_init__(self) -> None:
        if self.queries < 1:
            raise InputError(f"the budget must be at least 1 query, not {self.queries}")


@dataclass(frozen=True, kw_only=True)
class Record:
    """The outcome of one evaluation.

    Attributes:
        query: number of the query, from 1; on the second account, how many queries were spent by then.
        candidate: hash of z; "" for the hand-written prompt.
        status: "ok", "nonfinite", or "error: ..." with what the objective raised.
        loss: None unless the status is "ok".
        metrics: further figures of the objective; None where not finite.
        split: the examples it was scored on.
        role: on the second account, what the candidate stands for: "best", "recommended", "baseline".
    """

    query: int
    candidate: str
    status: str = "ok"
    loss: float | None = None
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    split: str = "train"
    role: str = ""


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What an account has been charged. `repeated` queries were cut off and ran again; they are not among `queries`."""

    queries: int = 0
    repeated: int = 0
    rows: int = 0
    tokens: int = 0
    uploaded: int = 0
    downloaded: int = 0
    optimizer_seconds: float = 0.0
    objective_seconds: float = 0.0

    @property
    def seconds(self) -> float:
        """Return the seconds of optimizer and objective together."""
        return self.optimizer_seconds + self.objective_seconds

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(**{name: value + getattr(other, name) for name, value in asdict(self).items()})


class Ledger:
    """Counts what a study spends, and keeps its journals in `folder` (in memory only, without one)."""

    def __init__(self, budget: Budget, folder: Path | None = None) -> None:
        self.budget = budget
        self._journals = {account: Journal(folder and folder / name) for account, name in FILES.items()}
        self._costs = Journal(folder and folder / "ledger.jsonl")
        self._count = dict.fromkeys(Account, 0)
        self._ran = dict.fromkeys(Account, 0)
        self._spent = dict.fromkeys(Account, Spent())
        self._known: dict[str, Record] = {}
        while past := self._costs.take(1):
            try:
                self._add(past[0])
            except (KeyError, TypeError, ValueError) as error:
                said = f"{json.dumps(past[0])} is no entry; move the folder away to start over"
                raise StudyError(f"{folder and folder / 'ledger.jsonl'} is damaged: {said}") from error

    @property
    def queries(self) -> int:
        """Return the queries that have an outcome."""
        return self._count[Account.QUERIES]

    @property
    def remaining(self) -> int:
        """Return the queries left."""
        return self.budget.queries - self.queries

    def spent(self, account: Account = Account.QUERIES) -> Spent:
        """Return what `account` has been charged so far, earlier runs of the same study included."""
        count = self._count[account]
        return replace(self._spent[account], queries=count, repeated=max(0, self._ran[account] - count))

    def recall(self, batch: Matrix, *, split: str = "train", role: str = "") -> tuple[Record, ...] | None:
        """Return what an earlier run journaled for `batch` (B, d), or None where the journal ends.

        Raises:
            StudyError: the journal holds another candidate in this place.
        """
        account = _account(role)
        lines = self._journals[account].take(len(batch))
        if lines is None:
            return None
        records = tuple(_record(line, FILES[account]) for line in lines)
        expected = [candidate_hash(z) if role != "baseline" else "" for z in batch]
        for record, z in zip(records, expected, strict=True):
            if (record.candidate, record.split, record.role) != (z, split, role):
                raise StudyError(
                    f"{FILES[account]}: at query {record.query} the optimizer now proposes another candidate than was "
                    "journaled: it does not repeat itself, or a package or the machine changed; start again in a new folder"
                )
        self._note(account, records)
        return records

    def known(self, candidate: str) -> Record | None:
        """Return the outcome of an earlier query for the candidate with this hash, unless the objective failed."""
        return self._known.get(candidate)

    def reserve(self, count: int, account: Account = Account.QUERIES) -> None:
        """Set aside `count` evaluations, before they run.

        Raises:
            StudyError: the budget has fewer queries left.
        """
        if account is Account.QUERIES and count > self.remaining:
            raise StudyError(f"{count} queries asked for, {self.remaining} left of {self.budget.queries}")
        self._enter({"account": account, "reserved": count})

    def record(self, records: Sequence[Record], *, costs: Spent) -> tuple[Record, ...]:
        """Journal the outcome of reserved evaluations, and return it."""
        account = _account(records[0].role)
        self._journals[account].append([_line(record) for record in records])
        self._note(account, records)
        self._charge(account, len(records), costs)
        return tuple(records)

    def charge(self, costs: Spent) -> None:
        """Charge queries with costs that came after the last of them."""
        self._charge(Account.QUERIES, 0, costs)

    def _note(self, account: Account, records: Sequence[Record]) -> None:
        self._count[account] += len(records)
        if account is Account.QUERIES:
            self._known |= {record.candidate: record for record in records if not record.status.startswith("error")}

    def _charge(self, account: Account, done: int, costs: Spent) -> None:
        figures = {name: value for name, value in asdict(costs).items() if name not in ("queries", "repeated")}
        self._enter({"account": account, "done": done, **figures})

    def _enter(self, line: Line) -> None:
        self._costs.append([line])
        self._add(line)

    def _add(self, line: Line) -> None:
        account = Account(str(line["account"]))
        self._ran[account] += int(line.get("reserved", 0))  # type: ignore[arg-type]
        before = asdict(self._spent[account])
        self._spent[account] = Spent(**{name: value + line.get(name, 0) for name, value in before.items()})


def candidate_hash(candidate: Vector) -> str:
    """Return a short hash of the bytes of z (d,)."""
    return hashlib.sha256(np.ascontiguousarray(candidate, dtype="<f8").tobytes()).hexdigest()[:16]


def _account(role: str) -> Account:
    return Account.VALIDATION if role else Account.QUERIES


def _line(record: Record) -> Line:
    line = asdict(record)
    if not record.role:
        del line["split"], line["role"]
    return line


def read_records(folder: Path, account: Account = Account.QUERIES) -> list[Record]:
    """Return what the study in `folder` has journaled so far on `account`.

    Raises:
        StudyError: a journal is damaged.
    """
    return [_record(line, folder / FILES[account]) for line in read_lines(folder / FILES[account])]


def _record(line: Line, where: Path | str) -> Record:
    try:
        return Record(**line)  # type: ignore[arg-type]
    except TypeError as error:
        raise StudyError(
            f"{where} is damaged: {json.dumps(line)} is no record; move the folder away to start over"
        ) from error
