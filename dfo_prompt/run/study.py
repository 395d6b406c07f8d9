"""Runs a study from its configuration: opens the folder, runs the loop, saves the result."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dfo_prompt._util.memory import allocated_by, forget_peak, peak_resident
from dfo_prompt.config.problem import ProblemConfig
from dfo_prompt.config.prompt import PromptConfig
from dfo_prompt.config.reading import combined
from dfo_prompt.config.study import StudyConfig
from dfo_prompt.contracts.objective import Described, Layered, Objective, Outer, Remote, Textual
from dfo_prompt.contracts.optimizer import Optimizer, StructuredOptimizer
from dfo_prompt.contracts.spec import TEXT_FILE
from dfo_prompt.errors import InputError, one_line
from dfo_prompt.plugin.catalogue import catalogue, given_files, plugin_files
from dfo_prompt.plugin.entries import target_of
from dfo_prompt.plugin.options import parameters
from dfo_prompt.run.code import code_of
from dfo_prompt.run.factory import create_objective, create_optimizer, is_deterministic
from dfo_prompt.run.manifest import describe_run
from dfo_prompt.run.start import start_at
from dfo_prompt.study.answers import describe, outer_of
from dfo_prompt.study.best import answer_of
from dfo_prompt.study.checked_optimizer import GuardedOptimizer
from dfo_prompt.study.folder import (
    CODE,
    check_objective,
    load_result,
    read_manifest,
    save_result,
    save_text,
    start_over,
    study_folder,
)
from dfo_prompt.study.ledger import Budget, Ledger
from dfo_prompt.study.loop import Study
from dfo_prompt.study.recheck import recheck
from dfo_prompt.study.result import Observer, StudyInfo, StudyResult
from dfo_prompt.types import Vector


def run_study(
    config: StudyConfig,
    objective: Objective,
    *,
    out: Path | None = None,
    start_from: Path | None = None,
    observers: Sequence[Observer] = (),
    lock_seconds: float = 0.0,
) -> StudyResult:
    """Run, or continue, the study `config` of `objective` in the folder `out` (in memory only, without one).

    The answer of the study in `start_from` becomes the initial point. A folder that another process has locked is waited for
    up to `lock_seconds`.

    Raises:
        InputError, StudyError, PluginError: see `minimize`.
    """
    out = out.absolute() if out else None  # whatever changes the working directory later
    start = start_at(config, start_from, out)
    manifest = {**manifest_of(start.config, objective), **start.manifest}
    with study_folder(out, manifest, lock_seconds=lock_seconds):
        result = conduct(start.config, objective, out=out, observers=observers)
        if out:
            save_result(out, result)
    return result


def manifest_of(config: StudyConfig, objective: Objective) -> dict[str, Any]:
    """Return the manifest of a study.

    Raises:
        InputError, PluginError: the optimizer cannot be built, or does not fit the objective.
    """
    outer = outer_of(objective, name=config.objective)
    optimizer = GuardedOptimizer(optimizer_of(config, outer), name=config.optimizer)
    _check_blocks(config, objective)
    about = describe(objective, name=config.objective)
    return describe_run(config.as_dict(), about, optimizer.describe()) | {CODE: code_of(config)}


def conduct(
    config: StudyConfig, objective: Objective, *, out: Path | None = None, observers: Sequence[Observer] = ()
) -> StudyResult:
    """Run, or continue, a study in its open folder, and return the result, which is not saved yet.

    Raises:
        StudyError, PluginError: see `Study.run`.
    """
    if out:
        recheck(objective, out, budget_of(config), prices=config.prices)
        if not is_deterministic(config.optimizer):
            if (found := load_result(out)) is not None:
                return found
            start_over(out)
    outer = outer_of(objective, name=config.objective)
    optimizer = optimizer_of(config, outer)
    outputs = outer.size if outer and isinstance(optimizer, StructuredOptimizer) else None
    study = Study(
        optimizer=optimizer,
        objective=objective,
        ledger=Ledger(budget_of(config), out, outputs=outputs),
        info=_info(config, out),
        validate_every=config.validate_every,
        observers=[*observers, *_installed_observers()],
        prices=config.prices,
    )
    forget_peak()
    result = study.run()
    if out and isinstance(objective, Textual):  # ahead of the result, which says that the study is finished
        save_text(out / TEXT_FILE, objective.text(result.chosen))
    result = _with_memory(result, config, objective, outer)
    if out and (before := _finished(out)):  # a replay allocates less
        result = replace(result, peak_bytes=before.peak_bytes, user_bytes=before.user_bytes)
    return result


def reopen(folder: Path, overrides: Mapping[str, Any] | None = None) -> tuple[Objective, Vector]:
    """Build the objective of the study in `folder` anew, with keys of `overrides` winning, and read its answer (d,).

    That is the chosen candidate of a finished study, and the best so far of any other.

    A plugin file that the folder names is not run: the folder may come from anywhere. Give it to `plugin_files` first.

    Raises:
        InputError: it holds no study, or what another method found, which is no candidate; or model, task or data are not
            those of the study any more.
    """
    config = config_of(folder, overrides)
    if not catalogue().methods.find(config.method).tunes:
        raise InputError(f"{folder} holds what method {config.method!r} found, and no candidate of a study")
    candidate = answer_of(folder).candidate
    objective = objective_of(config)
    if isinstance(objective, Described):
        check_objective(folder, describe(objective, name=config.objective))
    return objective, candidate


def config_of(folder: Path, overrides: Mapping[str, Any] | None = None) -> StudyConfig:
    """Return the configuration of the study in `folder`, with keys of `overrides` winning; see `reopen`.

    Raises:
        InputError: it holds no study, or names a plugin file that was not given.
    """
    recorded = dict(read_manifest(folder)["config"])
    plugin, _ = Path(str(recorded.pop("plugin", None) or "")).name, recorded.pop("preset", None)
    if plugin and plugin not in {file.name for file in given_files()}:
        asked = f"if you trust that file, begin the command with dfo-prompt --plugin PATH/{plugin}"
        raise InputError(f"the study in {folder} used the plugin file {plugin}; {asked}")
    return combined(recorded, folder, overrides or {}, where=str(folder / "manifest.json"))


def objective_of(config: StudyConfig) -> Objective:
    """Build the objective that `config` names; see `create_objective`."""
    takes = parameters(target_of("objective", config.objective)).hints
    # Those that stand as they are by default are no mistake of anyone who compares objectives of several kinds.
    tables: Mapping[str, tuple[object, object]] = {
        "problem": (config.problem, ProblemConfig()),
        "prompt": (config.prompt, PromptConfig()),
        "endpoint": (config.endpoint, None),
    }
    given = {key: value for key, (value, usual) in tables.items() if key in takes or value != usual}
    return create_objective(config.objective, dim=config.dim, seed=config.seed, **given, **config.objective_options)


def plugin_of(config: StudyConfig) -> AbstractContextManager[None]:
    """Return the context in which the plugin that `config` names is in the catalogue."""
    return plugin_files(*([config.plugin] if config.plugin else []))


def budget_of(config: StudyConfig) -> Budget:
    """Return what the search of a study may spend."""
    return Budget(queries=config.budget, limits=config.limits or {})


def optimizer_of(config: StudyConfig, outer: Outer | None) -> Optimizer:
    """Build the optimizer that `config` names, for an objective with the function `outer`; see `create_optimizer`."""
    return create_optimizer(
        config.optimizer,
        dim=config.dim,
        budget=config.budget,
        seed=config.seed,
        popsize=config.popsize,
        sigma=config.sigma,
        x0=None if config.x0 is None else np.array(config.x0),
        bounds=config.bounds,
        outer=outer,
        **config.optimizer_options,
    )


def _check_blocks(config: StudyConfig, objective: Objective) -> None:
    """Refuse blocks that are neither layers with a prompt each nor groups of them: a preset for another model, as a rule."""
    blocks = max(1, int(config.optimizer_options.get("blocks", 1)))  # type: ignore[call-overload]
    layers = objective.prompt_layers if isinstance(objective, Layered) else 1
    if layers > 1 and layers % blocks:
        said = f"{blocks} blocks do not fit {layers} layers, each with a prompt of its own"
        raise InputError(f"optimizer {config.optimizer!r}: {said}; set optimizer.blocks to {layers}, or to a part of it")


def _installed_observers() -> Iterator[Observer]:
    for spec in catalogue().observers:
        try:
            yield spec.load()(**spec.options)
        except (Exception, SystemExit) as error:
            warnings.warn(f"observer {spec.name!r} failed and is left out: {one_line(error)}", RuntimeWarning, stacklevel=2)


def _finished(folder: Path) -> StudyResult | None:
    try:
        return load_result(folder)
    except InputError:
        return None  # damaged: it is about to be written again


def _with_memory(result: StudyResult, config: StudyConfig, objective: Objective, outer: Outer | None) -> StudyResult:
    """Return the result with what both sides held: two processes where the objective is remote, else parts of this one."""
    if isinstance(objective, Remote):
        return replace(result, user_bytes=peak_resident(), peak_bytes=objective.server_bytes())
    return replace(result, peak_bytes=peak_resident(), user_bytes=_user_bytes(config, outer))


def _user_bytes(config: StudyConfig, outer: Outer | None) -> int | None:
    def one_batch() -> None:
        optimizer = GuardedOptimizer(optimizer_of(config, outer), name=config.optimizer)
        candidates = optimizer.ask()
        outputs = np.zeros((len(candidates), outer.size)) if outer else None
        optimizer.tell(candidates, np.arange(len(candidates), dtype=np.float64), outputs)

    try:
        return allocated_by(one_batch)
    except Exception:
        return None  # the budget is spent, and the result there: not for a figure beside it


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
