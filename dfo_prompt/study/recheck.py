"""Checks on continuation that a plain objective still gives a journaled loss."""

from math import isclose
from pathlib import Path

from dfo_prompt.config.prices import Prices
from dfo_prompt.contracts.objective import Described, Numbered, Objective
from dfo_prompt.contracts.usage import Usage
from dfo_prompt.errors import InputError, StudyError
from dfo_prompt.study.best import journaled_candidate
from dfo_prompt.study.budget import Budget
from dfo_prompt.study.costs import Spent
from dfo_prompt.study.evaluator import run_charged
from dfo_prompt.study.failures import REMEDY
from dfo_prompt.study.ledger import Ledger
from dfo_prompt.study.records import Account
from dfo_prompt.study.tariff import Tariff

SAME = 1e-3
"""The largest relative difference of losses that is attributed to batch size and precision."""


def recheck(objective: Objective, folder: Path, budget: Budget, *, prices: Prices | None = None) -> None:
    """Score again the first candidate with a loss in the journal of `folder`, and compare the losses.

    The evaluation counts as repeated on the second account, which is charged if repetition costs something. Not checked are
    objectives with metadata, those with `deterministic = False`, and those that number their evaluations, since this one has
    no number. A failure is charged as that of any other evaluation; see `Evaluator`.

    Raises:
        InputError: the objective gives another loss.
        StudyError: the objective fails.
        OutageError: a service that the objective calls gives no usable answer.
    """
    if isinstance(objective, Described | Numbered) or not getattr(objective, "deterministic", True):
        return
    journaled = journaled_candidate(folder)
    if journaled is None:
        return
    candidate, record = journaled
    ledger, tariff = Ledger(budget, folder), Tariff(objective=objective, name=folder.name, prices=prices)
    unsettled = tariff.unsettled(1)
    ledger.reserve(1, Account.VALIDATION, unsettled=unsettled)
    unknown = Usage(**unsettled)
    (scored,), costs = run_charged(candidate[None], objective.evaluate, ledger, tariff, Account.VALIDATION, unknown=unknown)
    again = scored.record
    charged = Spent.of(tariff.priced(costs)) if again.raised else tariff.lost(costs)
    if tariff.again or charged != Spent():
        ledger.lose(Account.VALIDATION, charged)
    if again.raised:
        raise StudyError(f"asked again for query {record.query}, the objective failed with {again.status!r}; {REMEDY}")
    if again.loss is None or record.loss is None or not isclose(again.loss, record.loss, rel_tol=SAME, abs_tol=1e-12):
        raise InputError(
            f"{folder} holds another study: for the candidate of query {record.query} the objective gives {again.loss} now, "
            f"and gave {record.loss}; choose another --out, or set its attribute deterministic = False if its losses vary"
        )
