"""Runs a study from its configuration: opens the folder, runs the loop, saves the result."""

from collections.abc import Mapping, Sequence
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
from dfo_prompt.errors import InputError
from dfo_prompt.plugin.catalogue import catalogue, given_files, plugin_files
from dfo_prompt.plugin.entries import target_of
from dfo_prompt.plugin.options import parameters
from dfo_prompt.run.code import code_of
from dfo_prompt.run.factory import create_objective, create_optimizer, is_deterministic
from dfo_prompt.run.larger import as_begun, grow
from dfo_prompt.run.manifest import describe_run
from dfo_prompt.run.observers import observers_of
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
from dfo_prompt.study.growth import budgets_of
from dfo_prompt.study.ledger import Budget, Ledger
from dfo_prompt.study.loop import Study
from dfo_prompt.study.recheck import recheck
from dfo_prompt.study.result import Observer, StudyInfo, StudyResult
from dfo_prompt.types import Vector

CLOCK = "depends_on_the_clock"
"""The manifest key that names the time-dependent setting of a study; absent from other manifests."""


def run_study(
    config: StudyConfig,
    objective: Objective,
    *,
    out: Path | None = None,
    start_from: Path | None = None,
    observers: Sequence[Observer] = (),
    lock_seconds: float = 0.0,
) -> StudyResult:
    """Run or continue the study `config` of `objective` in the folder `out` (in memory only without a folder).

    The answer of the study in `start_from` becomes the initial point. Wait up to `lock_seconds` for a folder that another
    process has locked.

    Raises:
        InputError, StudyError, PluginError: see `minimize`.
    """
    out = out.absolute() if out else None  # stays valid if the working directory changes
    start = start_at(as_begun(config, out), start_from, out)
    manifest = {**manifest_of(start.config, objective), **start.manifest}
    larger = lambda path: grow(start.config, objective, manifest, path, fresh=opened)  # noqa: E731
    with study_folder(out, manifest, lock_seconds=lock_seconds, ahead=larger):
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
    clock = {} if config.stop is None or config.stop.time_limit is None else {CLOCK: "stop.time_limit"}
    return describe_run(config.as_dict(), about, optimizer.describe()) | {CODE: code_of(config)} | clock


def conduct(
    config: StudyConfig, objective: Objective, *, out: Path | None = None, observers: Sequence[Observer] = ()
) -> StudyResult:
    """Run or continue a study in its open folder, and return the result without saving it.

    Raises:
        StudyError, PluginError: see `Study.run`.
    """
    if out:
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
    result = _with_memory(result, config, objective)
    if out and (before := _finished(out)):  # a replay allocates less, so keep the original peak
        result = replace(result, peak_bytes=before.peak_bytes, user_bytes=before.user_bytes)
    return result


def opened(config: StudyConfig, objective: Objective, out: Path | None) -> tuple[Optimizer, Ledger]:
    """Return a new optimizer for the study, and its ledger, opened on the folder `out` (in memory only without a folder)."""
    outer = outer_of(objective, name=config.objective)
    optimizer = optimizer_of(config, outer)
    outputs = outer.size if outer and isinstance(optimizer, StructuredOptimizer) else None
    earlier = budgets_of(read_manifest(out)) if out else ()
    return optimizer, Ledger(replace(budget_of(config), earlier=earlier), out, outputs=outputs)


def reopen(folder: Path, overrides: Mapping[str, Any] | None = None) -> tuple[Objective, Vector]:
    """Rebuild the objective of the study in `folder`, with keys of `overrides` winning, and read its answer (d,).

    The answer is the chosen candidate of a finished study, otherwise the best so far.

    A plugin file that the folder names is not run, as the folder may be untrusted: pass the file to `plugin_files` first.

    Raises:
        InputError: the folder holds no study, or the result of a method without candidates; or model, task or data have
            changed since.
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
        InputError: the folder holds no study, or names a plugin file that is not in use.
    """
    recorded = dict(read_manifest(folder)["config"])
    plugin, _ = Path(str(recorded.pop("plugin", None) or "")).name, recorded.pop("preset", None)
    if plugin and plugin not in {file.name for file in given_files()}:
        remedy = f"if you trust that file, begin the command with dfo-prompt --plugin PATH/{plugin}"
        raise InputError(f"the study in {folder} used the plugin file {plugin}; {remedy}")
    return combined(recorded, folder, overrides or {}, where=str(folder / "manifest.json"))


def objective_of(config: StudyConfig) -> Objective:
    """Build the objective that `config` names; see `create_objective`."""
    accepted = parameters(target_of("objective", config.objective)).hints
    # Tables at their defaults are not passed to an objective that does not take them; others are, and fail.
    tables: Mapping[str, tuple[object, object]] = {
        "problem": (config.problem, ProblemConfig()),
        "prompt": (config.prompt, PromptConfig()),
        "endpoint": (config.endpoint, None),
    }
    passed = {key: value for key, (value, default) in tables.items() if key in accepted or value != default}
    return create_objective(config.objective, dim=config.dim, seed=config.seed, **passed, **config.objective_options)


def plugin_of(config: StudyConfig) -> AbstractContextManager[None]:
    """Return a context with the plugin file that `config` names, if any, in the catalogue."""
    return plugin_files(*([config.plugin] if config.plugin else []))


def budget_of(config: StudyConfig) -> Budget:
    """Return the budget of a study's search."""
    return Budget(queries=config.budget, limits=config.limits or {})


def optimizer_of(config: StudyConfig, outer: Outer | None) -> Optimizer:
    """Build the optimizer that `config` names; see `create_optimizer`."""
    return create_optimizer(
        config.optimizer,
        dim=config.dim,
        budget=config.budget,
        seed=config.seed,
        popsize=config.popsize,
        sigma=config.sigma,
        x0=None if config.x0 is None else np.array(config.x0),
        bounds=config.box,
        outer=outer,
        **config.optimizer_options,
    )


def _check_blocks(config: StudyConfig, objective: Objective) -> None:
    """Refuse a number of blocks that does not divide the number of layers, as with a preset for another model."""
    blocks = max(1, int(config.optimizer_options.get("blocks", 1)))  # type: ignore[call-overload]
    layers = objective.prompt_layers if isinstance(objective, Layered) else 1
    if layers > 1 and layers % blocks:
        fault = f"{blocks} blocks do not fit {layers} layers, each with a prompt of its own"
        raise InputError(f"optimizer {config.optimizer!r}: {fault}; set optimizer.blocks to {layers}, or to a part of it")


def _finished(folder: Path) -> StudyResult | None:
    try:
        return load_result(folder)
    except InputError:
        return None  # a damaged result is about to be replaced


def _with_memory(result: StudyResult, config: StudyConfig, objective: Objective) -> StudyResult:
    """Return the result with the memory of both sides: two processes if the objective is remote, else parts of this one."""
    if isinstance(objective, Remote):
        return replace(result, user_bytes=peak_resident(), peak_bytes=objective.server_bytes())
    outer = outer_of(objective, name=config.objective)
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
        return None  # the study is finished: a failure here must not lose its result


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
