"""Runs evaluations and charges them to the ledger: each is recalled from the journal, or reserved, run and recorded."""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dfo_prompt.contracts.usage import Usage
from dfo_prompt.errors import OutageError, StudyError
from dfo_prompt.study.attempt import Call, evaluate_batch
from dfo_prompt.study.audit import Audit
from dfo_prompt.study.candidates import candidate_hash
from dfo_prompt.study.checked_objective import checked_usage
from dfo_prompt.study.costs import Spent
from dfo_prompt.study.failures import REMEDY
from dfo_prompt.study.ledger import Ledger
from dfo_prompt.study.outcome_cache import OutcomeCache
from dfo_prompt.study.records import Account, Outcome, Record, Scored
from dfo_prompt.study.tariff import Tariff
from dfo_prompt.types import Matrix


@dataclass(frozen=True, kw_only=True)
class Evaluator:
    """Evaluates batches so that each is charged once and journaled before the next.

    A NaN or infinite loss is recorded as "nonfinite". If the objective raises, the whole batch is recorded as "error: ..."
    and charged the usage that the exception reports, or else its estimate, as it is not repeated. An OutageError propagates:
    its usage is charged, but no query; without a usage the reservation stays open, as after a kill.

    Attributes:
        ledger: charged for all evaluations.
        cache: outcomes that answer an evaluation without a call of the objective.
        tariff: costs of evaluations.
        audit: checks the reported usage.
        take_optimizer_seconds: returns the optimizer's seconds since the last call.
        validated: called with every record on the second account, recalled or not.
        expect: called with the account and the number of the next evaluation.
    """

    ledger: Ledger
    cache: OutcomeCache
    tariff: Tariff
    audit: Audit
    take_optimizer_seconds: Callable[[], float]
    validated: Callable[[Record], object] = lambda _: None
    expect: Callable[[Account, int], object] = lambda *_: None

    def evaluate(self, batch: Matrix, call: Call) -> Outcome | None:
        """Charge a query for each candidate in `batch` (B, d) that fits in the limits, and return their outcome.

        A candidate that was scored before is charged as a query and answered from the journal; a failed one runs again.
        Return None if the first candidate does not fit.
        """
        keys, limits = self.cache.keys(batch), self.ledger.budget.limits
        known = {key: past for key in keys if (past := self.cache.find(key, "train"))}
        if limits:
            keys = keys[: self._fitting(keys, known)]
            batch = batch[: len(keys)]
        if not keys:
            return None
        first = self.ledger.queries + 1
        fresh = {key: z for key, z in zip(keys, batch, strict=True) if key not in known}
        most = self.tariff.most(len(fresh)) if limits else Usage()
        self.ledger.reserve(len(batch), candidates=batch, most=most, unsettled=self.tariff.unsettled(len(fresh)))
        self.expect(Account.QUERIES, first)
        size, costs = self.ledger.outputs, Spent()
        scored: list[Scored] = []
        if fresh:
            unknown = self.tariff.failed(len(fresh))
            scored, costs = self._run(Account.QUERIES, np.array(list(fresh.values())), call, unknown, size)
        known |= dict(zip(fresh, scored, strict=True))
        records = [
            replace(known[key].record, query=first + i, candidate=candidate_hash(z))
            for i, (key, z) in enumerate(zip(keys, batch, strict=True))
        ]
        outputs = np.array([known[key].outputs for key in keys]) if size is not None else None
        costs = replace(costs, optimizer_seconds=self.take_optimizer_seconds())
        journaled = self.ledger.record(records, costs=costs, outputs=outputs)
        self.audit.check(costs, most, limits)
        return self.noted(Outcome(candidates=batch, records=journaled, outputs=outputs), keys)

    def noted(self, outcome: Outcome, keys: Sequence[str] | None = None) -> Outcome:
        """Cache the outcome of a batch, new or recalled, and return it."""
        self.cache.note(keys or self.cache.keys(outcome.candidates), outcome)
        return outcome

    def validate(self, candidate: Matrix, call: Call, *, split: str, role: str) -> Outcome:
        """Score one candidate (1, d) on the second account, or recall what an earlier run journaled.

        Raises:
            StudyError: the objective raised. Nothing is recorded, so that a continued study scores the candidate again.
        """
        outcome = self.ledger.recall(candidate, split=split, role=role) or self._validate(candidate, call, split, role)
        self.noted(outcome)
        self.validated(outcome.records[0])
        return outcome

    def _validate(self, candidate: Matrix, call: Call, split: str, role: str) -> Outcome:
        past = self.cache.find(self.cache.keys(candidate)[0], split, role)
        unsettled = {} if past else self.tariff.unsettled(1, split)
        self.ledger.reserve(1, Account.VALIDATION, candidates=candidate, unsettled=unsettled)
        self.expect(Account.VALIDATION, self.ledger.spent(Account.VALIDATION).queries + 1)
        scored, costs = ([past], Spent()) if past else self._run(Account.VALIDATION, candidate, call, Usage(**unsettled))
        if (record := scored[0].record).raised:
            self.ledger.lose(Account.VALIDATION, Spent.of(costs))
            raise StudyError(f"scoring the {role} candidate on {split} failed with {record.status!r}; {REMEDY}")
        name = "" if role == "baseline" else candidate_hash(candidate[0])
        record = replace(record, query=self.ledger.queries, candidate=name, split=split, role=role, outputs="")
        return Outcome(candidates=candidate, records=self.ledger.record([record], costs=costs))

    def _fitting(self, keys: Sequence[str], known: Mapping[str, Scored]) -> int:
        """Return how many candidates fit in the limits, given the upper bound for those that are new."""
        new: set[str] = set()
        counts = []
        for key in keys:
            if key not in known:
                new.add(key)
            counts.append(len(new))
        return bisect_left(counts, True, key=self._exceeds) if self._exceeds(counts[-1]) else len(counts)

    def _exceeds(self, count: int) -> bool:
        return bool(self.ledger.binding(self.tariff.most(count)))

    def _run(
        self, account: Account, batch: Matrix, call: Call, unknown: Usage, outputs: int | None = None
    ) -> tuple[list[Scored], Spent]:
        scored, costs = run_charged(batch, call, self.ledger, self.tariff, account, unknown=unknown, outputs=outputs)
        return scored, self.tariff.priced(costs)


def run_charged(
    batch: Matrix,
    call: Call,
    ledger: Ledger,
    tariff: Tariff,
    account: Account,
    *,
    unknown: Usage,
    outputs: int | None = None,
) -> tuple[list[Scored], Spent]:
    """Return the outcome of each candidate (B, d), and their costs without a price; see `evaluate_batch`.

    A failure that reports no usage is charged `unknown`.

    Raises:
        OutageError: a service gives no usable answer; the usage that the error reports is charged to `account`.
    """
    try:
        return evaluate_batch(batch, call, outputs, unknown=unknown)
    except OutageError as error:
        if (usage := getattr(error, "usage", None)) is not None:
            ledger.lose(account, Spent.of(tariff.priced(checked_usage(usage))))
        raise
