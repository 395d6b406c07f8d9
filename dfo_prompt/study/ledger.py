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
optimizer; see `matching`. `journal` documents durability under kills and power cuts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic

from dfo_prompt._util.durable import OwnFile, sync_folder
from dfo_prompt.contracts.usage import Usage
from dfo_prompt.errors import StudyError
from dfo_prompt.study.budget import Budget
from dfo_prompt.study.candidates import Candidates
from dfo_prompt.study.costs import COSTS, Charge, Costs, Spent
from dfo_prompt.study.journal import Journal, checksum, encode
from dfo_prompt.study.matching import Matching
from dfo_prompt.study.outputs import Outputs
from dfo_prompt.study.records import CANDIDATES, FILES, OUTPUTS, Account, Outcome, Record, line_of, record_of
from dfo_prompt.types import Matrix, Vector

SYNC_SECONDS = 1.0
"""The shortest time between two flushes to the disk."""
LOCK = ".lock"


class Ledger:
    """Counts the spending of a study and writes its journals to `folder` (in memory only without a folder).

    Args:
        budget: budget of the search.
        folder: study folder.
        outputs: M, the number of outputs per query, if the study stores them.
    """

    def __init__(self, budget: Budget, folder: Path | None = None, *, outputs: int | None = None) -> None:
        self.budget = budget
        self.outputs = outputs
        self._folder = folder
        self._matching = Matching(folder)
        self._lock = OwnFile(folder / LOCK) if folder else None
        self._journals = {account: Journal(folder and folder / name) for account, name in FILES.items()}
        self._outputs = Outputs(folder and folder / OUTPUTS) if outputs is not None else None
        journal = self._journals[Account.QUERIES]
        if self._outputs and outputs:
            journal.keep(self._outputs.whole(journal.lines, outputs))
        self._candidates = {account: Candidates(folder and folder / name) for account, name in CANDIDATES.items()}
        self._costs = Costs(folder and folder / COSTS)
        if budget.splits:  # only the costs distinguish a journaled part of a batch from a torn batch
            unpriced = 0 if budget.limits else max(budget.earlier)  # a raised budget loses no query, a limit no cost
            journal.keep(self._costs.settled(Account.QUERIES, journal, unpriced=unpriced))
        # Costs are flushed first: a journal ahead of them would have queries without costs.
        kept = [*self._candidates.values(), *([self._outputs] if self._outputs else [])]
        files = [self._costs.journal.file, *(journal.file for journal in kept)]
        self._files = [file for file in (*files, *(journal.file for journal in self._journals.values())) if file]
        self._count = dict.fromkeys(Account, 0)
        self._synced = monotonic()
        self._charged = {account: self._costs.charged(account, journal) for account, journal in self._journals.items()}

    @property
    def queries(self) -> int:
        """Return the number of queries with an outcome."""
        return self._count[Account.QUERIES]

    @property
    def remaining(self) -> int:
        """Return the number of queries left in the budget."""
        return self.budget.queries - self.queries

    @property
    def unrecalled(self) -> int:
        """Return the number of queries of earlier runs that have not been recalled."""
        return self._journals[Account.QUERIES].unrecalled

    @property
    def rounded(self) -> int:
        """Return the number of candidates replaced by journaled ones that differ only by rounding."""
        return self._matching.rounded

    def binding(self, most: Usage) -> str:
        """Return the first currency in which the budget has less left than `most`; "" for none."""
        return self.budget.binding(self._charged[Account.QUERIES], most)

    def spent(self, account: Account = Account.QUERIES) -> Spent:
        """Return the total charged to `account` so far, including earlier runs of the study."""
        return self._costs.counted(self._charged[account], account, self._count[account])

    def recall(self, batch: Matrix, *, split: str = "train", role: str = "") -> Outcome | None:
        """Return the outcome that an earlier run journaled for `batch` (B, d), or None at the end of the journal.

        Its candidates are the journaled ones, which may differ from `batch` by rounding. If batches may be split, the
        outcome may cover only the first part of the batch.

        Raises:
            StudyError: the journal holds another candidate at this position.
        """
        account = Account.VALIDATION if role else Account.QUERIES
        if self.budget.splits and not role:
            batch = batch[: self._journals[account].unrecalled or len(batch)]
        lines = self._journals[account].take(len(batch))
        if lines is None:
            return None
        where, first = self._journals[account].path or Path(), self._count[account] + 1
        records = tuple(record_of(line, where, number) for number, line in enumerate(lines, start=first))
        candidates = self._matching.match(batch, records, self._candidates[account], first - 1, split=split, role=role)
        outputs = None
        if self._outputs and self.outputs and not role:
            outputs = self._outputs.get(first - 1, (len(batch), self.outputs))
        self._count[account] += len(records)
        return Outcome(candidates=candidates, records=records, outputs=outputs)

    def as_journaled(self, candidate: Vector) -> Vector:
        """Return the journaled candidate (d,) that replaced `candidate` in `recall`, or `candidate` itself."""
        return self._matching.as_journaled(candidate)

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
            left = self.budget.limits[name] - getattr(self._charged[account], name)
            raise StudyError(f"{getattr(most, name)} {name} asked for, {left} left of {self.budget.limits[name]}")
        self._check_lock()
        self._costs.reserve(account, count, unsettled or {})
        if candidates is not None:
            self._candidates[account].put(self._count[account], candidates)

    def record(self, records: Sequence[Record], *, costs: Spent, outputs: Matrix | None = None) -> tuple[Record, ...]:
        """Journal the outcome of reserved evaluations, including outputs (B, M), and return its records.

        Raises:
            StudyError: the budget has too few queries left, or a file cannot be written.
        """
        account = records[0].account
        if account is Account.QUERIES and len(records) > self.remaining:
            raise StudyError(f"{len(records)} queries to record, {self.remaining} left of {self.budget.queries}")
        if self._outputs and outputs is not None:
            self._outputs.put(self._count[account], outputs)  # before the journal, whose lines hold their hashes
        lines = encode([line_of(record) for record in records])
        self._charge(account, len(records), costs, checksum(lines))  # before the journal; see `costs`
        self._journals[account].write(lines)
        self._count[account] += len(records)
        if monotonic() - self._synced >= SYNC_SECONDS:
            self.sync()
        return tuple(records)

    def lose(self, account: Account, costs: Spent) -> None:
        """Charge the costs of reserved evaluations that have no outcome and so do not count as queries.

        Raises:
            StudyError: a file cannot be written.
        """
        costs = replace(costs, queries=0)
        self._check_lock()
        self._costs.lose(account, costs)  # even zero costs: the line closes the reservation
        self._charged[account] += costs

    def charge(self, costs: Spent) -> None:
        """Charge costs that arose after the last query.

        Raises:
            StudyError: a file cannot be written.
        """
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

    def _charge(self, account: Account, done: int, costs: Spent, journal: str) -> None:
        self._check_lock()
        costs = replace(costs, queries=done)
        self._costs.charge(account, Charge(first=self._count[account] + 1, done=done, journal=journal, spent=costs))
        self._charged[account] += costs

    def _check_lock(self) -> None:
        if self._lock:
            self._lock.check()
