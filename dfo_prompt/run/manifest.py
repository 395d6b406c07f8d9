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

from dfo_prompt.plugin.installed import installed_points
from dfo_prompt.types import Json

PACKAGES = ("dfo-prompt", "numpy", "torch", "transformers", "cma", "nevergrad", "pymoo")


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
