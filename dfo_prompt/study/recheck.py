"""Finds out whether a plain objective is still the one whose losses are journaled: it is asked again for one candidate."""

from math import isclose
from pathlib import Path

from dfo_prompt.config.prices import Prices
from dfo_prompt.contracts.objective import Described, Objective
from dfo_prompt.errors import InputError, StudyError
from dfo_prompt.study.best import journaled_candidate
from dfo_prompt.study.evaluator import evaluate_batch
from dfo_prompt.study.ledger import Budget, Ledger
from dfo_prompt.study.records import Account
from dfo_prompt.study.tariff import Tariff

SAME = 1e-3
"""Relative difference of losses that is put down to the size of the batch and the precision."""


def recheck(objective: Objective, folder: Path, budget: Budget, *, prices: Prices | None = None) -> None:
    """Ask `objective` again for the first candidate in the journal of `folder` that has a loss.

    The second account shows it as repeated, and is charged where that costs something. One that describes itself, or has
    `deterministic = False`, is not asked.

    Raises:
        InputError: it gives another loss.
        StudyError: it fails.
    """
    if isinstance(objective, Described) or not getattr(objective, "deterministic", True):
        return
    found = journaled_candidate(folder)
    if found is None:
        return
    candidate, record = found
    ledger, tariff = Ledger(budget, folder), Tariff(objective=objective, name=folder.name, prices=prices)
    ledger.reserve(1, Account.VALIDATION, unsettled=tariff.unsettled(1))
    (scored,), costs = evaluate_batch(candidate[None], objective.evaluate)
    if tariff.again:
        ledger.lose(Account.VALIDATION, tariff.lost(costs))
    again = scored.record
    if again.status.startswith("error"):
        said = f"asked again for query {record.query}, the objective failed with {again.status!r}"
        raise StudyError(f"{said}; mend it and run the same command again to go on")
    if again.loss is None or record.loss is None or not isclose(again.loss, record.loss, rel_tol=SAME, abs_tol=1e-12):
        raise InputError(
            f"{folder} holds another study: for the candidate of query {record.query} the objective gives {again.loss} now, "
            f"and gave {record.loss}; choose another --out, or set deterministic = False on an objective whose losses vary"
        )
