"""Calls the objective on a batch, and turns its answer or its exception into an outcome of each candidate."""

from collections.abc import Callable
from dataclasses import replace
from time import perf_counter

import numpy as np

from dfo_prompt.contracts.objective import Composite, Evaluation, Objective
from dfo_prompt.contracts.optimizer import Optimizer, StructuredOptimizer
from dfo_prompt.contracts.usage import Usage
from dfo_prompt.errors import InputError, OutageError
from dfo_prompt.study.candidates import candidate_hash
from dfo_prompt.study.checked_objective import checked_evaluation, outer_of, without_outputs
from dfo_prompt.study.costs import Spent
from dfo_prompt.study.records import Record, Scored
from dfo_prompt.study.result import StudyInfo
from dfo_prompt.types import Matrix

Call = Callable[[Matrix], Evaluation]
LONGEST_STATUS = 300
"""The most characters of an error in a journal."""


def call_of(optimizer: Optimizer, objective: Objective, info: StudyInfo, outputs: int | None) -> Call:
    """Return the method that scores candidates, with outputs only if the optimizer learns from them.

    Args:
        optimizer: optimizer of the study.
        objective: objective of the study.
        info: their names.
        outputs: M, the number of outputs that the ledger stores; None if it stores none.

    Raises:
        InputError: the optimizer learns from outputs that the objective does not give, or the ledger does not store.
    """
    if not isinstance(optimizer, StructuredOptimizer):
        return objective.evaluate
    outer = outer_of(objective, name=info.objective)
    if not isinstance(objective, Composite) or outer is None:
        raise InputError(without_outputs(info.optimizer, info.objective))
    if outputs != outer.size:
        raise InputError(
            f"optimizer {info.optimizer!r} learns from {outer.size} outputs; open the Ledger with outputs={outer.size}"
        )
    return objective.evaluate_outputs


def evaluate_batch(
    batch: Matrix, call: Call, outputs: int | None = None, *, unknown: Usage | None = None
) -> tuple[list[Scored], Spent]:
    """Return the outcome of each candidate (B, d), without query number and hash, and their total costs.

    With `outputs`, M, the call returns M outputs per candidate. A failure that reports no usage is charged `unknown`.

    Raises:
        OutageError: a service that the objective calls gives no usable answer.
    """
    started = perf_counter()
    evaluation, error = _attempt(batch, call, outputs, unknown or Usage())
    costs = Spent.of(evaluation.usage, objective_seconds=perf_counter() - started)
    return [_scored(evaluation, i, error) for i in range(len(batch))], costs


def _attempt(batch: Matrix, call: Call, outputs: int | None, unknown: Usage) -> tuple[Evaluation, str]:
    nothing = np.full((len(batch), outputs or 0), np.nan)
    failed = Evaluation(losses=np.full(len(batch), np.nan), outputs=nothing, usage=unknown)
    try:
        evaluation = call(batch.copy())
    except OutageError:
        raise
    except Exception as error:
        usage = getattr(error, "usage", None)
        known = replace(failed, usage=usage) if isinstance(usage, Usage) else failed
        return checked_evaluation(known, len(batch), outputs), _status(error)
    return checked_evaluation(evaluation, len(batch), outputs), ""


def _status(error: Exception) -> str:
    try:
        status = " ".join(f"error: {type(error).__name__}: {error}".split())
    except Exception:
        status = f"error: {type(error).__name__}, whose text cannot be had"
    return status if len(status) <= LONGEST_STATUS else f"{status[: LONGEST_STATUS - 4]} ..."


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
