"""The manifest of a study: what it is, and what it ran on."""

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
    """Return the manifest: everything that defines a study, and what it ran on."""
    return {
        "format": 1,
        "config": dict(config),
        "objective": dict(objective),
        "optimizer": dict(optimizer),
        "versions": {"python": platform.python_version(), **_versions(_places())},
        "machine": {"platform": platform.platform(), "processor": _processor(), "cores": os.cpu_count()},
        "git_commit": _git_commit(),
    }


def _processor() -> str:
    with suppress(OSError):
        names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
        if names:
            return names[0].partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _places() -> tuple[tuple[str, int], ...]:
    """Return the folders that packages are found in, each with its time of change: installing a package changes it."""
    found = []
    for place in sys.path:
        with suppress(OSError):
            found.append((place, Path(place).stat().st_mtime_ns))
    return tuple(found)


@cache  # reading the metadata of some fifty packages takes longer than a short study
def _versions(_: tuple[tuple[str, int], ...]) -> dict[str, str]:
    """Return the versions of what is ours, of installed plugins, and of what these need."""
    plugins = {point.distribution for point in installed_points() if not point.error}
    needed = {requirement.name for plugin in plugins for requirement in _requirements(plugin) if requirement.marker is None}
    found = {}
    for package in (*PACKAGES, *sorted({*plugins, *needed} - {*PACKAGES})):
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def _requirements(distribution: str) -> list[Requirement]:
    try:
        return [Requirement(requirement) for requirement in requires(distribution) or ()]
    except (PackageNotFoundError, InvalidRequirement):
        return []


@cache  # a subprocess exchanges the warning filters while it starts, which threads must not do at once
def _git_commit() -> str | None:
    """Return the commit of the repository that holds this package among its files; None where a user's own holds it."""
    here = Path(__file__).resolve()
    if _git(here.parent, "ls-files", "--error-unmatch", here.name) is None:
        return None  # installed inside somebody's repository, below a folder that this ignores
    return _git(here.parent, "rev-parse", "HEAD")


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=5, check=False)  # noqa: S603, S607
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
