"""Runs a study from its configuration: opens the folder, runs the loop, saves the result."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dfo_prompt._util.memory import forget_peak
from dfo_prompt.config.study import StudyConfig
from dfo_prompt.contracts.objective import Objective, Textual
from dfo_prompt.contracts.optimizer import Optimizer, StructuredOptimizer
from dfo_prompt.contracts.spec import TEXT_FILE
from dfo_prompt.run.built import budget_of, optimizer_of
from dfo_prompt.run.factory import is_deterministic
from dfo_prompt.run.manifest import manifest_of
from dfo_prompt.run.observers import observers_of
from dfo_prompt.run.peak import with_memory
from dfo_prompt.run.raised_budget import as_begun, raise_budget
from dfo_prompt.run.start import start_at
from dfo_prompt.study.checked_objective import outer_of
from dfo_prompt.study.folder import start_over, study_folder
from dfo_prompt.study.identity import read_manifest
from dfo_prompt.study.ledger import Ledger
from dfo_prompt.study.loop import Study
from dfo_prompt.study.raised_budget import earlier_budgets
from dfo_prompt.study.recheck import recheck
from dfo_prompt.study.result import Observer, StudyInfo, StudyResult
from dfo_prompt.study.saved import load_result, save_result, save_text


def run_study(
    config: StudyConfig,
    objective: Objective,
    *,
    out: Path | None = None,
    start_from: Path | None = None,
    observers: Sequence[Observer] = (),
) -> StudyResult:
    """Run or continue the study `config` of `objective` in the folder `out` (in memory only without a folder).

    The answer of the study in `start_from` becomes the initial point.

    Raises:
        InputError, StudyError, PluginError: see `minimize`.
    """
    out = out.absolute() if out else None  # stays valid if the working directory changes
    start = start_at(as_begun(config, out), start_from, out)
    manifest = {**manifest_of(start.config, objective), **start.manifest}
    raised = False

    def raising(path: Path) -> None:
        nonlocal raised
        raised = raise_budget(start.config, objective, manifest, path, fresh=opened)

    with study_folder(out, manifest, ahead=raising):
        result = conduct(start.config, objective, out=out, observers=observers, checked=raised)
        if out:
            save_result(out, result)
    return result


def conduct(
    config: StudyConfig,
    objective: Objective,
    *,
    out: Path | None = None,
    observers: Sequence[Observer] = (),
    checked: bool = False,
) -> StudyResult:
    """Run or continue a study in its open folder, and return the result without saving it.

    The objective is asked again for a journaled loss, unless it was `checked` already.

    Raises:
        StudyError, PluginError: see `Study.run`.
    """
    if out:
        if not checked:
            recheck(objective, out, budget_of(config), prices=config.prices)
        if not is_deterministic(config.optimizer):
            if (finished := load_result(out)) is not None:
                return finished
            start_over(out)
    optimizer, ledger = opened(config, objective, out)
    study = Study(
        optimizer=optimizer,
        objective=objective,
        ledger=ledger,
        info=_info(config, out),
        validate_every=config.validate_every,
        observers=[*observers, *observers_of(config.trackers)],
        prices=config.prices,
        stop=config.stop,
    )
    forget_peak()
    result = study.run()
    if out and isinstance(objective, Textual):  # before the result, which marks the study as finished
        save_text(out / TEXT_FILE, objective.text(result.chosen))
    return with_memory(result, config, objective, out)


def opened(config: StudyConfig, objective: Objective, out: Path | None) -> tuple[Optimizer, Ledger]:
    """Return a new optimizer for the study, and its ledger, opened on the folder `out` (in memory only without a folder)."""
    outer = outer_of(objective, name=config.objective)
    optimizer = optimizer_of(config, outer)
    outputs = outer.size if outer and isinstance(optimizer, StructuredOptimizer) else None
    earlier = earlier_budgets(read_manifest(out)) if out else ()
    return optimizer, Ledger(replace(budget_of(config), earlier=earlier), out, outputs=outputs)


def _info(config: StudyConfig, folder: Path | None) -> StudyInfo:
    return StudyInfo(
        optimizer=config.optimizer,
        objective=config.objective,
        budget=config.budget,
        dim=config.dim,
        seed=config.seed,
        folder=folder,
        config=config.as_dict(),
    )
