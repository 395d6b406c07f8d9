"""Runs evaluations on the ledger's account: recalled from the journal, or reserved, run and recorded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np

from dfo_prompt.contracts.objective import Evaluation
from dfo_prompt.contracts.usage import Usage
from dfo_prompt.errors import OutageError, StudyError
from dfo_prompt.study.alike import Alike
from dfo_prompt.study.answers import checked_evaluation
from dfo_prompt.study.candidates import candidate_hash
from dfo_prompt.study.costs import Spent
from dfo_prompt.study.ledger import Ledger
from dfo_prompt.study.records import Account, Outcome, Record, Scored
from dfo_prompt.types import Matrix

Call = Callable[[Matrix], Evaluation]
LONGEST_STATUS = 300
"""Characters that a journal keeps of an error."""


@dataclass(frozen=True, kw_only=True)
class Meter:
    """Evaluates batches so that each is charged once and journaled before the next.

    A loss that is NaN or infinite is recorded as "nonfinite"; an objective that raises, as "error: ..." for its whole batch
    of queries. An OutageError passes through and leaves the reservation open, as a kill does.

    Attributes:
        ledger: charged for everything.
        take_optimizer_seconds: returns what the optimizer took since the last call.
        validated: told of every outcome on the second account, recalled or not.
        expect: told the account and the number of the evaluation that an objective is asked for next.
        alike: what is known of candidates that stand for the same.
    """

    ledger: Ledger
    alike: Alike
    take_optimizer_seconds: Callable[[], float]
    validated: Callable[[Record], object] = lambda _: None
    expect: Callable[[Account, int], object] = lambda *_: None

    def evaluate(self, batch: Matrix, call: Call) -> Outcome:
        """Charge a query for each candidate in `batch` (B, d) and return the outcome.

        A candidate that was scored before is charged again, and answered from the journal; a failed one is tried again.
        """
        self.ledger.reserve(len(batch), candidates=batch)
        names, keys = [candidate_hash(z) for z in batch], self.alike.keys(batch)
        first = self.ledger.queries + 1
        self.expect(Account.QUERIES, first)
        pairs = [*zip(keys, names, strict=True)]
        known = {key: past for key, name in pairs if (past := self.ledger.known(name) or self.alike.find(key, "train"))}
        fresh = {key: z for key, z in zip(keys, batch, strict=True) if key not in known}
        size = self.ledger.outputs
        scored, costs = evaluate_batch(np.array(list(fresh.values())), call, size) if fresh else ([], Spent())
        known |= dict(zip(fresh, scored, strict=True))
        records = [replace(known[key].record, query=first + i, candidate=name) for i, (key, name) in enumerate(pairs)]
        outputs = np.array([known[key].outputs for key in keys]) if size is not None else None
        costs = replace(costs, optimizer_seconds=self.take_optimizer_seconds())
        journaled = self.ledger.record(records, costs=costs, outputs=outputs)
        return self.noted(Outcome(candidates=batch, records=journaled, outputs=outputs), keys)

    def noted(self, outcome: Outcome, keys: Sequence[str] | None = None) -> Outcome:
        """Return the outcome of a batch, new or recalled, for whose texts no later one pays."""
        self.alike.note(keys or self.alike.keys(outcome.candidates), outcome)
        return outcome

    def validate(self, candidate: Matrix, call: Call, *, split: str, role: str) -> Outcome:
        """Score one candidate (1, d) on the second account, or recall what an earlier run journaled.

        Raises:
            StudyError: the objective raised. Nothing is recorded: the study's answer would lack a figure for good.
        """
        found = self.ledger.recall(candidate, split=split, role=role) or self._validate(candidate, call, split, role)
        self.noted(found)
        self.validated(found.records[0])
        return found

    def _validate(self, candidate: Matrix, call: Call, split: str, role: str) -> Outcome:
        self.ledger.reserve(1, Account.VALIDATION, candidates=candidate)
        self.expect(Account.VALIDATION, self.ledger.spent(Account.VALIDATION).queries + 1)
        past = None if role == "baseline" else self.alike.find(self.alike.keys(candidate)[0], split)
        (scored,), costs = ([past], Spent()) if past else evaluate_batch(candidate, call)
        if (status := scored.record.status).startswith("error"):
            said = f"scoring the {role} candidate on {split} failed with {status!r}"
            raise StudyError(f"{said}; mend it and run the same command again to go on")
        name = "" if role == "baseline" else candidate_hash(candidate[0])
        record = replace(scored.record, query=self.ledger.queries, candidate=name, split=split, role=role, outputs="")
        return Outcome(candidates=candidate, records=self.ledger.record([record], costs=costs))


def evaluate_batch(batch: Matrix, call: Call, outputs: int | None = None) -> tuple[list[Scored], Spent]:
    """Return what came of each candidate (B, d), still without number and name, and what they took together.

    With `outputs`, M, the call gives as many outputs of each.

    Raises:
        OutageError: of a service that the objective calls.
    """
    started = perf_counter()
    evaluation, error = _attempt(batch, call, outputs)
    costs = Spent.of(evaluation.usage, objective_seconds=perf_counter() - started)
    return [_scored(evaluation, i, error) for i in range(len(batch))], costs


def _attempt(batch: Matrix, call: Call, outputs: int | None) -> tuple[Evaluation, str]:
    failed = Evaluation(losses=np.full(len(batch), np.nan), outputs=np.full((len(batch), outputs or 0), np.nan))
    try:
        given = call(batch.copy())
    except OutageError:
        raise
    except Exception as error:
        usage = getattr(error, "usage", None)
        known = replace(failed, usage=usage) if isinstance(usage, Usage) else failed
        return checked_evaluation(known, len(batch), outputs), _status(error)
    return checked_evaluation(given, len(batch), outputs), ""


def _status(error: Exception) -> str:
    try:
        said = " ".join(f"error: {type(error).__name__}: {error}".split())
    except Exception:
        said = f"error: {type(error).__name__}, whose text cannot be had"
    return said if len(said) <= LONGEST_STATUS else f"{said[: LONGEST_STATUS - 4]} ..."


def _scored(evaluation: Evaluation, i: int, error: str) -> Scored:
    loss = _finite(evaluation.losses[i])
    outputs = None if evaluation.outputs is None else evaluation.outputs[i]
    record = Record(
        query=0,
        candidate="",
        status=error or ("nonfinite" if loss is None else "ok"),
        loss=loss,
        metrics={name: _finite(values[i]) for name, values in evaluation.metrics.items()},
        outputs="" if outputs is None or not np.isfinite(outputs).all() else candidate_hash(outputs),
    )
    return Scored(record=record, outputs=outputs)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
