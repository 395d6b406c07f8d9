"""Lets a study go on with a larger budget, if its optimizer would have begun with the same queries under that."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from dfo_prompt.config.study import STUDY, StudyConfig, usual_looks
from dfo_prompt.contracts.objective import Objective
from dfo_prompt.contracts.optimizer import Optimizer
from dfo_prompt.errors import InputError, StudyError
from dfo_prompt.run.factory import is_deterministic
from dfo_prompt.study.checked_optimizer import GuardedOptimizer
from dfo_prompt.study.folder import read_manifest
from dfo_prompt.study.growth import enlarge, has_grown
from dfo_prompt.study.ledger import Ledger
from dfo_prompt.study.recheck import recheck
from dfo_prompt.study.standing import Standing

Fresh = Callable[[StudyConfig, Objective, Path], tuple[Optimizer, Ledger]]
"""Returns an optimizer, and a ledger that is opened on a folder."""


def as_begun(config: StudyConfig, out: Path | None) -> StudyConfig:
    """Return the study `config` with the looks at dev of the one in `out`, where a larger budget alone would change them."""
    if out is None or config.method != STUDY:
        return config
    with suppress(InputError):  # there is none yet, or it is damaged, which is said when the folder is opened
        there = read_manifest(out)["config"]
        old, every = there.get("budget"), there.get("validate_every")
        usual = usual_looks(config.popsize or 1, config.budget)
        if isinstance(old, int) and isinstance(every, int) and old < config.budget and config.validate_every == usual:
            return replace(config, validate_every=every)
    return config


def grow(config: StudyConfig, objective: Objective, manifest: Mapping[str, Any], out: Path, *, fresh: Fresh) -> None:
    """Give the study in `out` the budget of `config`, if it has a smaller one and is the same otherwise.

    Args:
        config: of the study with the larger budget.
        objective: of the study.
        manifest: of the study with the larger budget.
        out: its folder, locked.
        fresh: gives the optimizer for the larger budget.

    Raises:
        InputError: the optimizer depends on the budget, or cannot repeat its queries; or the objective is another.
    """
    if config.method != STUDY or not has_grown(out, manifest):
        return
    if not is_deterministic(config.optimizer):
        said = f"optimizer {config.optimizer!r} cannot repeat its queries, so a larger budget is another study"
        raise InputError(f"{said}; choose another --out, and start from its answer: --start-from {out}")
    optimizer, ledger = fresh(config, objective, out)
    recheck(objective, out, ledger.budget, prices=config.prices)  # another objective leaves the folder as it is
    try:
        _replay(optimizer, ledger, config.optimizer)
    except StudyError as error:
        said = f"optimizer {config.optimizer!r} depends on the budget: with {config.budget:,} queries it asks others"
        raise InputError(
            f"{said} from query {ledger.queries + 1:,} on; choose another --out, and --start-from {out}"
        ) from error
    enlarge(out, manifest)


def _replay(optimizer: Optimizer, ledger: Ledger, name: str) -> None:
    """Lead an optimizer through the journal.

    Raises:
        StudyError: it proposes another candidate than was journaled.
    """
    guarded, standing = GuardedOptimizer(optimizer, name=name), Standing(optimizer.x0)
    while ledger.left:
        batch = guarded.ask()
        outcome = ledger.recall(batch[: ledger.left])
        if outcome is None:
            return
        standing.learn(outcome.candidates, outcome.records)
        if len(outcome.records) == len(batch):
            guarded.tell(outcome.candidates, standing.told(outcome.records), outcome.outputs)
