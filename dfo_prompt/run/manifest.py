"""The manifest of a study: its definition and its environment."""

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from dfo_prompt.config.study import StudyConfig
from dfo_prompt.contracts.objective import Layered, Objective
from dfo_prompt.errors import DfoPromptError, InputError
from dfo_prompt.plugin.catalogue import catalogue
from dfo_prompt.plugin.entries import arguments_of, target_of
from dfo_prompt.plugin.installed import installed_points
from dfo_prompt.plugin.options import defaults_of
from dfo_prompt.run.built import optimizer_of
from dfo_prompt.run.code import code_of
from dfo_prompt.study.checked_objective import describe, outer_of
from dfo_prompt.study.checked_optimizer import CheckedOptimizer
from dfo_prompt.study.identity import CODE
from dfo_prompt.types import Json

CLOCK = "depends_on_the_clock"
"""The manifest key that names the time-dependent setting of a study; absent from other manifests."""
OPTIONS = "_options"
"""The end of the names of options that a wrapper passes on to the optimizers that it drives."""
PACKAGES = ("dfo-prompt", "numpy", "torch", "transformers", "cma", "nevergrad", "pymoo")


def manifest_of(config: StudyConfig, objective: Objective) -> dict[str, Any]:
    """Return the manifest of a study.

    Raises:
        InputError, PluginError: the optimizer cannot be built, or does not fit the objective.
    """
    outer = outer_of(objective, name=config.objective)
    optimizer = CheckedOptimizer(optimizer_of(config, outer), name=config.optimizer)
    effective = optimizer.describe()
    _check_blocks(config, effective, objective)
    about = describe(objective, name=config.objective)
    clock = {} if config.stop is None or config.stop.time_limit is None else {CLOCK: "stop.time_limit"}
    return describe_run(config.as_dict(), about, effective) | {CODE: code_of(config)} | clock


def describe_run(config: Mapping[str, Json], objective: Mapping[str, Json], optimizer: Mapping[str, Json]) -> dict[str, Any]:
    """Return the manifest: the definition of a study, package versions and machine."""
    return {
        "format": 1,
        "config": dict(config),
        "objective": dict(objective),
        "optimizer": dict(optimizer),
        "versions": {"python": platform.python_version(), **_versions(_import_folders())},
        "machine": {"platform": platform.platform(), "processor": _processor(), "cores": os.cpu_count()},
        "git_commit": _git_commit(),
    }


def _check_blocks(config: StudyConfig, effective: Mapping[str, Json], objective: Objective) -> None:
    """Refuse a number of blocks that does not divide the number of layers, as with a preset for another model."""
    layers = objective.prompt_layers if isinstance(objective, Layered) else 1
    if layers <= 1:
        return
    told = effective.get("blocks")  # of an optimizer that takes no such option
    counts = {**({"blocks": told} if isinstance(told, int) else {}), **_blocks(config.optimizer, config.optimizer_options)}
    for key, blocks in counts.items():
        if blocks > 0 and layers % blocks:
            fault = f"{blocks} blocks do not fit {layers} layers, each with a prompt of its own"
            raise InputError(f"optimizer {config.optimizer!r}: {fault}; set optimizer.{key} to {layers}, or to a part of it")


def _blocks(name: str, options: Mapping[str, Any]) -> dict[str, int]:
    """Return the number of blocks of an optimizer, and of those that it drives with options of their own, by option.

    An optimizer that takes no options from its wrapper is left out: it searches a block or a subspace, which has no layers.
    """
    given: dict[str, Any] = {**defaults_of(target_of("optimizer", name)), **arguments_of("optimizer", name, options)}
    counts: dict[str, int] = {"blocks": given["blocks"]} if isinstance(given.get("blocks"), int) else {}
    if catalogue().optimizers.find(name).wraps:
        for key in (key for key in given if key.endswith(OPTIONS)):
            inner = str(given.get(key.removesuffix(OPTIONS), given.get("variant")))  # such as `second` of `second_options`
            own = given[key] if isinstance(given[key], Mapping) else {}
            with suppress(DfoPromptError):  # a plugin's options with such a name need not be those of an optimizer
                counts |= {f"{key}.{option}": count for option, count in _blocks(inner, own).items()}
    return counts


def _processor() -> str:
    with suppress(OSError):
        names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
        if names:
            return names[0].partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _import_folders() -> tuple[tuple[str, int], ...]:
    """Return the folders of `sys.path` with their modification times, which change when a package is installed."""
    folders = []
    for folder in sys.path:
        with suppress(OSError):
            folders.append((folder, Path(folder).stat().st_mtime_ns))
    return tuple(folders)


@cache  # reading the metadata of some fifty packages takes longer than a short study
def _versions(_: tuple[tuple[str, int], ...]) -> dict[str, str]:
    """Return the versions of this package, its main dependencies, installed plugins and their dependencies."""
    plugins = {point.distribution for point in installed_points() if not point.error}
    needed = {requirement.name for plugin in plugins for requirement in _requirements(plugin) if requirement.marker is None}
    versions = {}
    for package in (*PACKAGES, *sorted({*plugins, *needed} - {*PACKAGES})):
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return versions


def _requirements(distribution: str) -> list[Requirement]:
    try:
        return [Requirement(requirement) for requirement in requires(distribution) or ()]
    except (PackageNotFoundError, InvalidRequirement):
        return []


@cache  # starting a subprocess swaps the warning filters, which is not thread-safe
def _git_commit() -> str | None:
    """Return the commit of the repository that tracks this package; None if no repository tracks it."""
    file = Path(__file__).resolve()
    if _git(file.parent, "ls-files", "--error-unmatch", file.name) is None:
        return None  # installed in an ignored folder of an unrelated repository, such as a virtual environment
    return _git(file.parent, "rev-parse", "HEAD")


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=5, check=False)  # noqa: S603, S607
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
