"""Continues a study with a raised budget, if its optimizer makes the same queries under it."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from dfo_prompt.config.study import STUDY, StudyConfig, default_validate_every
from dfo_prompt.contracts.objective import Objective
from dfo_prompt.contracts.optimizer import Optimizer
from dfo_prompt.errors import InputError, StudyError
from dfo_prompt.run.factory import is_deterministic
from dfo_prompt.study.checked_optimizer import CheckedOptimizer
from dfo_prompt.study.identity import check_parts, is_study, read_manifest
from dfo_prompt.study.ledger import Ledger
from dfo_prompt.study.raised_budget import earlier_budgets, raises_budget, write_raised_budget
from dfo_prompt.study.recheck import recheck
from dfo_prompt.study.search_state import SearchState

Fresh = Callable[[StudyConfig, Objective, Path], tuple[Optimizer, Ledger]]
"""Returns a new optimizer, and a ledger opened on a folder."""


def as_begun(config: StudyConfig, out: Path | None, *, searches: bool = True) -> StudyConfig:
    """Return `config` with the validate_every of the study in `out`, if only the default for a larger budget differs.

    A method that does not search keeps the budget of its folder, which it does not spend.
    """
    if out is None:
        return config
    with suppress(InputError):  # no manifest yet, or a damaged one, which opening the folder reports
        return _as_begun(config, read_manifest(out), searches=searches)
    return config


def check_begun(config: StudyConfig, out: Path, *, searches: bool = True) -> None:
    """Refuse a folder that holds another study. No study, or one that differs only by a smaller budget, is accepted.

    So is that of a method that does not search, with any budget.

    Raises:
        InputError: the configurations differ; the message names the difference.
    """
    if not is_study(out):
        return
    manifest = read_manifest(out)
    begun = _as_begun(config, manifest, searches=searches)
    budget = smaller_budget(config, manifest) or begun.budget
    check_parts(out, manifest, {"config": {**begun.as_dict(), "budget": budget}})


def smaller_budget(config: StudyConfig, manifest: Mapping[str, Any]) -> int | None:
    """Return the budget of the study with this manifest if it is smaller than that of `config`, else None."""
    budget = manifest["config"].get("budget")
    return budget if config.method == STUDY and isinstance(budget, int) and budget < config.budget else None


def _as_begun(config: StudyConfig, manifest: Mapping[str, Any], *, searches: bool) -> StudyConfig:
    every, budget = (manifest["config"].get(key) for key in ("validate_every", "budget"))
    if not searches:
        known = isinstance(every, int) and isinstance(budget, int)  # else opening the folder reports the damage
        return replace(config, validate_every=every, budget=budget) if known else config
    is_default = config.validate_every == default_validate_every(config.popsize or 1, config.budget)
    if config.method == STUDY and isinstance(every, int) and is_default and _had_less(manifest, config.budget):
        return replace(config, validate_every=every)
    return config


def _had_less(manifest: Mapping[str, Any], budget: int) -> bool:
    """Tell whether a study began with a smaller budget, which it may have left behind since."""
    first, *_ = *earlier_budgets(manifest), manifest["config"].get("budget")
    return isinstance(first, int) and first < budget


def raise_budget(config: StudyConfig, objective: Objective, manifest: Mapping[str, Any], out: Path, *, fresh: Fresh) -> bool:
    """Raise the budget of the study in `out` to that of `config`, if it has a smaller one and is the same otherwise.

    Return whether it did so, which includes the check of the objective by `recheck`.

    Args:
        config: configuration with the raised budget.
        objective: objective of the study.
        manifest: manifest with the raised budget.
        out: study folder, locked.
        fresh: builds the optimizer for the raised budget, and opens the ledger.

    Raises:
        InputError: the optimizer depends on the budget or is not deterministic, or the objective differs.
    """
    if config.method != STUDY or not raises_budget(out, manifest):
        return False
    if not is_deterministic(config.optimizer):
        fault = f"optimizer {config.optimizer!r} cannot repeat its queries, so a larger budget is another study"
        raise InputError(f"{fault}; choose another --out, and start from its answer: --start-from {out}")
    optimizer, ledger = fresh(config, objective, out)
    recheck(objective, out, ledger.budget, prices=config.prices)  # before the folder changes
    try:
        cut = _replay(optimizer, ledger, config.optimizer)
    except StudyError as error:
        fault = f"optimizer {config.optimizer!r} depends on the budget: with {config.budget:,} queries it asks others"
        raise InputError(
            f"{fault} from query {ledger.queries + 1:,} on; choose another --out, and --start-from {out}"
        ) from error
    write_raised_budget(out, manifest, cut=cut)
    return True


def _replay(optimizer: Optimizer, ledger: Ledger, name: str) -> bool:
    """Replay the journal with a new optimizer; return whether it ends within a batch, cut by the smaller budget.

    Raises:
        StudyError: the optimizer proposes another candidate than the journaled one.
    """
    guarded, search, cut = CheckedOptimizer(optimizer, name=name), SearchState(optimizer.x0), False
    while ledger.unrecalled:
        batch = guarded.ask()
        outcome = ledger.recall(batch[: ledger.unrecalled])
        if outcome is None:
            break
        search.learn(outcome.candidates, outcome.records)
        cut = len(outcome.records) < len(batch)
        if not cut:
            guarded.tell(outcome.candidates, search.told(outcome.records), outcome.outputs)
    return cut
