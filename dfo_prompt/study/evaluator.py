"""Runs evaluations on the ledger's account: recalled from the journal, or reserved, run and recorded."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np

from dfo_prompt.contracts.objective import Evaluation
from dfo_prompt.errors import PluginError, StudyError
from dfo_prompt.study.ledger import Account, Ledger, Record, Spent, candidate_hash
from dfo_prompt.types import Matrix

Call = Callable[[Matrix], Evaluation]


@dataclass(frozen=True, kw_only=True)
class Meter:
    """Evaluates batches so that each is charged once and journaled before the next.

    A loss that is NaN or infinite is recorded as "nonfinite"; an objective that raises, as "error: ..." for its whole batch
    of queries.

    Attributes:
        ledger: charged for everything.
        take_optimizer_seconds: returns what the optimizer took since the last call.
    """

    ledger: Ledger
    take_optimizer_seconds: Callable[[], float]

    def evaluate(self, batch: Matrix, call: Call) -> tuple[Record, ...]:
        """Charge a query for each candidate in `batch` (B, d) and return the outcomes.

        A candidate that was scored before is charged again, and answered from the journal; a failed one is tried again.
        """
        self.ledger.reserve(len(batch))
        names = [candidate_hash(z) for z in batch]
        known = {name: past for name in names if (past := self.ledger.known(name))}
        fresh = {name: z for name, z in zip(names, batch, strict=True) if name not in known}
        scored, costs = _run(np.array(list(fresh.values())), call) if fresh else ([], Spent())
        known |= dict(zip(fresh, scored, strict=True))
        first = self.ledger.queries + 1
        records = [replace(known[name], query=first + i, candidate=name) for i, name in enumerate(names)]
        return self.ledger.record(records, costs=replace(costs, optimizer_seconds=self.take_optimizer_seconds()))

    def validate(self, candidate: Matrix, call: Call, *, split: str, role: str) -> Record:
        """Score one candidate (1, d) on the second account, or recall what an earlier run journaled.

        Raises:
            StudyError: the objective raised. Nothing is recorded: the study's answer would lack a figure for good.
        """
        past = self.ledger.recall(candidate, split=split, role=role)
        if past:
            return past[0]
        self.ledger.reserve(1, Account.VALIDATION)
        (scored,), costs = _run(candidate, call)
        if scored.status.startswith("error"):
            said = f"scoring the {role} candidate on {split} failed with {scored.status!r}"
            raise StudyError(f"{said}; mend it and run the same command again to go on")
        name = "" if role == "baseline" else candidate_hash(candidate[0])
        record = replace(scored, query=self.ledger.queries, candidate=name, split=split, role=role)
        return self.ledger.record([record], costs=costs)[0]


def costs_of(evaluation: Evaluation, seconds: float) -> Spent:
    """Return what an evaluation took that ran for so many seconds."""
    return Spent(
        rows=int(evaluation.rows),
        tokens=int(evaluation.tokens),
        uploaded=int(evaluation.uploaded),
        downloaded=int(evaluation.downloaded),
        objective_seconds=seconds,
    )


def _run(batch: Matrix, call: Call) -> tuple[list[Record], Spent]:
    """Return an outcome for each candidate (B, d), still without number and name, and what they took together."""
    started = perf_counter()
    evaluation, error = _attempt(batch, call)
    costs = costs_of(evaluation, perf_counter() - started)
    return [_outcome(evaluation, i, error) for i in range(len(batch))], costs


def _attempt(batch: Matrix, call: Call) -> tuple[Evaluation, str]:
    try:
        evaluation = call(batch.copy())
    except Exception as error:
        said = " ".join(f"error: {type(error).__name__}: {error}".split())
        return Evaluation(losses=np.full(len(batch), np.nan)), said
    if not isinstance(evaluation, Evaluation):
        raise PluginError(f"the objective gave a {type(evaluation).__name__}, not an Evaluation")
    for name in ("rows", "tokens", "uploaded", "downloaded"):
        if not isinstance(getattr(evaluation, name), int | np.integer):
            raise PluginError(f"the objective gave {getattr(evaluation, name)!r} for {name}, not a whole number")
    for name, values in (("losses", evaluation.losses), *evaluation.metrics.items()):
        if np.shape(values) != (len(batch),):
            raise PluginError(f"the objective gave {name} of shape {np.shape(values)}, not ({len(batch)},)")
        if np.asarray(values).dtype.kind not in "fiub":
            raise PluginError(f"the objective gave {name} of type {np.asarray(values).dtype}, not numbers")
    return evaluation, ""


def _outcome(evaluation: Evaluation, i: int, error: str) -> Record:
    loss = _finite(evaluation.losses[i])
    return Record(
        query=0,
        candidate="",
        status=error or ("nonfinite" if loss is None else "ok"),
        loss=loss,
        metrics={name: _finite(values[i]) for name, values in evaluation.metrics.items()},
    )


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
