"""The paths among the keys of a study: of data, tasks, plugin, and of a learned projection and start.

In a file they are relative to it. Where they lie is no part of what a study is.
"""

from collections.abc import Callable, Mapping
from os.path import relpath
from pathlib import Path
from typing import Any

FILE = "file:"
"""Begins an initial prompt that is read from a file."""


def relative_to(folder: Path, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return `data`, as a STUDY.toml has it, with the paths in it, which are relative to `folder`, made absolute."""
    return _changed(data, lambda path: str((folder / path).resolve()))


def beside(folder: Path, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return `data` with the paths in it relative to `folder`, which a manifest there may show to anybody.

    Of the plugin there is the name alone: no reader of the manifest takes its file from where the manifest says.
    """
    found = _changed(data, lambda path: relpath(Path(path).resolve(), folder.resolve()))
    return {**found, "plugin": Path(found["plugin"]).name} if isinstance(found.get("plugin"), str) else found


def without_folders(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return `data` with the names alone of its files and folders, as they tell studies apart wherever these lie."""
    return _changed(data, lambda path: Path(path).name)


def _changed(data: Mapping[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    found, options = dict(data), data.get("objective_options")
    if isinstance(found.get("plugin"), str):
        found["plugin"] = change(found["plugin"])
    if isinstance(options, Mapping):
        paths: dict[str, Any] = {key: change(value) for key, value in options.items() if _is_path(key, value)}
        start, projection = options.get("initial_prompt"), options.get("projection_options")
        if isinstance(start, str) and start.startswith(FILE):
            paths["initial_prompt"] = f"{FILE}{change(start.removeprefix(FILE))}"
        if isinstance(projection, Mapping) and isinstance(projection.get("path"), str):
            paths["projection_options"] = {**projection, "path": change(projection["path"])}
        found["objective_options"] = {**options, **paths}
    method = data.get("method_options")
    if isinstance(method, Mapping) and isinstance(method.get("tasks"), list):
        tasks = [change(task) if _is_path("task", task) else task for task in method["tasks"]]
        found["method_options"] = {**method, "tasks": tasks}
    return found


def _is_path(key: str, value: object) -> bool:
    return isinstance(value, str) and (key == "data" or (key == "task" and value.endswith(".toml")))
