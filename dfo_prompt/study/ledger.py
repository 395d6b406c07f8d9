"""The ledger: the only place that counts queries.

Queries are reserved before they run, so that nothing can overspend, and journaled before the next reservation, so that
nothing is lost. A study folder holds these files:

- `journal.jsonl`, a line per query. It has no times: the same study gives the same bytes.
- `validation.jsonl`, a line per evaluation on the second account (dev, test, clean re-evaluation), also without times.
- `candidates.f64` and `validation.f64`, the candidate of each line; see `candidates`.
- `outputs.f64`, the outputs of each query, if the optimizer learns from them; see `outputs`.
- `ledger.jsonl`, reservations and charges: rows, tokens, bytes, seconds; see `costs`. A reservation without an outcome was
  cut off; its queries ran again and count as `repeated`, and are charged if repetition costs something.

When a study continues, the lines of earlier runs are recalled in order and compared with the candidates of the rebuilt
optimizer. A candidate that differs from the journaled one only by rounding (`ROUNDING`), as on another processor, is
replaced by the journaled one. `journal` documents durability under kills and power cuts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic

import numpy as np

from dfo_prompt._util.durable import OwnFile, sync_folder
from dfo_prompt.contracts.usage import Usage, check_currency
from dfo_prompt.errors import InputError, StudyError
from dfo_prompt.study.candidates import Candidates, candidate_hash
from dfo_prompt.study.costs import COSTS, Charge, Costs, Spent
from dfo_prompt.study.journal import Journal, checksum, encode
from dfo_prompt.study.outputs import Outputs
from dfo_prompt.study.records import CANDIDATES, FILES, OUTPUTS, Account, Outcome, Record, Scored, line_of, record_of
from dfo_prompt.types import Matrix, Vector

ROUNDING = 1e-6
"""The largest distance of two candidates, relative to their norm, that is attributed to rounding."""
SYNC_SECONDS = 1.0
"""The shortest time between two flushes to the disk."""
LOCK = ".lock"


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The budget of a study's search; the first limit reached ends it.

    Attributes:
        queries: number of queries.
        limits: limits in other currencies of `Usage`, by name.
        earlier: earlier query budgets of the study, at which batches may have been cut.

    Raises:
        InputError: an amount is below 1, or a currency is unknown.
    """

    queries: int
    limits: Mapping[str, int] = field(default_factory=dict)
    earlier: Sequence[int] = ()

    @property
    def splits(self) -> bool:
        """Tell whether a batch may be journaled in parts."""
        return bool(self.limits or self.earlier)

    def __post_init__(self) -> None:
        if self.queries < 1:
            raise InputError(f"the budget must be at least 1 query, not {self.queries}")
        for name, limit in self.limits.items():
            check_currency(name)
            if limit < 1:
                raise InputError(f"limits.{name} must be at least 1, not {limit}")

    def binding(self, spent: Usage, more: Usage | None = None) -> str:
        """Return the first currency in which `spent` plus `more` exceeds its limit; "" for none."""
        more = more or Usage()
        over = (name for name, limit in self.limits.items() if getattr(spent, name) + getattr(more, name) > limit)
        return next(over, "")


class Ledger:
    """Counts the spending of a study and writes its journals to `folder` (in memory only without a folder).

    Args:
        budget: budget of the search.
        folder: study folder.
        outputs: M, the number of outputs per query, if the study stores them.

    Attributes:
        rounded: number of candidates replaced by journaled ones that differ only by rounding.
    """

    def __init__(self, budget: Budget, folder: Path | None = None, *, outputs: int | None = None) -> None:
        self.budget = budget
        self.outputs = outputs
        self.rounded = 0
        self._folder = folder
        self._lock = OwnFile(folder / LOCK) if folder else None
        self._journals = {account: Journal(folder and folder / name) for account, name in FILES.items()}
        self._outputs = Outputs(folder and folder / OUTPUTS) if outputs is not None else None
        journal = self._journals[Account.QUERIES]
        if self._outputs and outputs:
            journal.keep(self._outputs.whole(journal.lines, outputs))
        self._candidates = {account: Candidates(folder and folder / name) for account, name in CANDIDATES.items()}
        self._costs = Costs(folder and folder / COSTS)
        if budget.splits:  # only the costs distinguish a journaled part of a batch from a torn batch
            journal.keep(self._costs.settled(Account.QUERIES, journal))
        # Costs are flushed first: a journal ahead of them would have queries without costs.
        kept = [*self._candidates.values(), *([self._outputs] if self._outputs else [])]
        files = [self._costs.journal.file, *(journal.file for journal in kept)]
        self._files = [file for file in (*files, *(journal.file for journal in self._journals.values())) if file]
        self._count = dict.fromkeys(Account, 0)
        self._known: dict[str, Scored] = {}
        self._journaled: dict[str, Vector] = {}
        self._synced = monotonic()
        self._priced = {account: self._costs.priced(account, journal) for account, journal in self._journals.items()}

    @property
    def queries(self) -> int:
        """Return the number of queries with an outcome."""
        return self._count[Account.QUERIES]

    @property
    def remaining(self) -> int:
        """Return the number of queries left in the budget."""
        return self.budget.queries - self.queries

    @property
    def left(self) -> int:
        """Return the number of queries of earlier runs that have not been recalled."""
        return self._journals[Account.QUERIES].left

    def binding(self, most: Usage) -> str:
        """Return the first currency in which the budget has less left than `most`; "" for none."""
        return self.budget.binding(self._priced[Account.QUERIES], most)

    def spent(self, account: Account = Account.QUERIES) -> Spent:
        """Return the total charged to `account` so far, including earlier runs of the study."""
        return self._costs.counted(self._priced[account], account, self._count[account])

    def recall(self, batch: Matrix, *, split: str = "train", role: str = "") -> Outcome | None:
        """Return the outcome that an earlier run journaled for `batch` (B, d), or None at the end of the journal.

        Its candidates are the journaled ones, which may differ from `batch` by rounding. If batches may be split, the
        outcome may cover only the first part of the batch.

        Raises:
            StudyError: the journal holds another candidate at this position.
        """
        account = Account.VALIDATION if role else Account.QUERIES
        if self.budget.splits and not role:
            batch = batch[: self._journals[account].left or len(batch)]
        lines = self._journals[account].take(len(batch))
        if lines is None:
            return None
        where, first = self._journals[account].path or Path(), self._count[account] + 1
        records = tuple(record_of(line, where, number) for number, line in enumerate(lines, start=first))
        candidates = self._recalled(account, batch, records, split=split, role=role)
        outputs = None
        if self._outputs and self.outputs and not role:
            outputs = self._outputs.get(first - 1, (len(batch), self.outputs))
        self._note(account, records, outputs)
        return Outcome(candidates=candidates, records=records, outputs=outputs)

    def known(self, candidate: str) -> Scored | None:
        """Return the outcome of an earlier query of the candidate with this hash; None if there is none, or it failed."""
        return self._known.get(candidate)

    def as_journaled(self, candidate: Vector) -> Vector:
        """Return the journaled candidate (d,) that replaced `candidate` in `recall`, or `candidate` itself."""
        return self._journaled.get(candidate_hash(candidate), candidate) if self._journaled else candidate

    def reserve(
        self,
        count: int,
        account: Account = Account.QUERIES,
        *,
        candidates: Matrix | None = None,
        most: Usage | None = None,
        unsettled: Mapping[str, int] | None = None,
    ) -> None:
        """Reserve evaluations before they run, and store their candidates.

        Args:
            count: number of evaluations.
            account: account to charge.
            candidates: (count, d) their candidates.
            most: upper bound of their consumption.
            unsettled: amounts to charge, by currency, if they are cut off.

        Raises:
            StudyError: the budget has too few queries left, or too little of another currency, or a file cannot be written.
        """
        if account is Account.QUERIES and count > self.remaining:
            raise StudyError(f"{count} queries asked for, {self.remaining} left of {self.budget.queries}")
        if account is Account.QUERIES and most and (name := self.binding(most)):
            left = self.budget.limits[name] - getattr(self._priced[account], name)
            raise StudyError(f"{getattr(most, name)} {name} asked for, {left} left of {self.budget.limits[name]}")
        self._check_lock()
        self._costs.reserve(account, count, unsettled or {})
        if candidates is not None:
            self._candidates[account].put(self._count[account], candidates)

    def record(self, records: Sequence[Record], *, costs: Spent, outputs: Matrix | None = None) -> tuple[Record, ...]:
        """Journal the outcome of reserved evaluations, including outputs (B, M), and return its records."""
        account = records[0].account
        if self._outputs and outputs is not None:
            self._outputs.put(self._count[account], outputs)  # before the journal, whose lines hold their hashes
        lines = encode([line_of(record) for record in records])
        self._charge(account, len(records), costs, checksum(lines))  # before the journal; see `costs`
        self._journals[account].write(lines)
        self._note(account, records, outputs)
        if monotonic() - self._synced >= SYNC_SECONDS:
            self.sync()
        return tuple(records)

    def lose(self, account: Account, costs: Spent) -> None:
        """Charge the costs of reserved evaluations that have no outcome and so do not count as queries."""
        costs = replace(costs, queries=0)
        self._check_lock()
        self._costs.lose(account, costs)  # even zero costs: the line closes the reservation
        self._priced[account] += costs

    def charge(self, costs: Spent) -> None:
        """Charge costs that arose after the last query."""
        self._charge(Account.QUERIES, 0, costs, "")

    def sync(self) -> None:
        """Flush all files to the disk.

        Raises:
            StudyError: the flush fails.
        """
        if self._folder is None:
            return
        for file in self._files:
            file.sync()
        sync_folder(self._folder)
        self._synced = monotonic()

    def _recalled(self, account: Account, batch: Matrix, records: Sequence[Record], *, split: str, role: str) -> Matrix:
        """Return the journaled candidates of `batch` (B, d), checking that they are equal up to rounding."""
        first, names = self._count[account], [candidate_hash(z) if role != "baseline" else "" for z in batch]
        if any((record.split, record.role) != (split, role) for record in records):
            raise self._changed(account, records[0])
        different = [i for i, (record, name) in enumerate(zip(records, names, strict=True)) if record.candidate != name]
        if not different:
            self._candidates[account].restore(first, batch)
            return batch
        stored, recalled = self._candidates[account].get(first, batch.shape), batch.copy()
        for i in different:
            if stored is None or candidate_hash(stored[i]) != records[i].candidate or not _close(stored[i], batch[i]):
                raise self._changed(account, records[i])
            self._journaled[names[i]] = recalled[i] = stored[i]
        self.rounded += len(different)
        return recalled

    def _changed(self, account: Account, record: Record) -> StudyError:
        return StudyError(
            f"{FILES[account]}: at query {record.query} the optimizer now proposes another candidate than was journaled: it "
            "does not repeat itself, or a package or the machine changed; start a new study from its answer: --start-from "
            f"{self._folder} and another --out"
        )

    def _note(self, account: Account, records: Sequence[Record], outputs: Matrix | None) -> None:
        self._count[account] += len(records)
        if account is Account.VALIDATION:
            return
        for i, record in enumerate(records):
            if not record.status.startswith("error"):
                self._known[record.candidate] = Scored(record=record, outputs=None if outputs is None else outputs[i])

    def _charge(self, account: Account, done: int, costs: Spent, journal: str) -> None:
        self._check_lock()
        costs = replace(costs, queries=done)
        self._costs.charge(account, Charge(first=self._count[account] + 1, done=done, journal=journal, spent=costs))
        self._priced[account] += costs

    def _check_lock(self) -> None:
        if self._lock:
            self._lock.check()


def _close(stored: Vector, proposed: Vector) -> bool:
    return float(np.linalg.norm(stored - proposed)) <= ROUNDING * float(np.linalg.norm(stored))
