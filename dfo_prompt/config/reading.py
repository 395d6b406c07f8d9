"""Builds configurations from plain data: files, presets and the command line."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from dfo_prompt._util.parsing import FILE, parse, read_toml
from dfo_prompt._util.reading import from_home
from dfo_prompt.config.paths import located
from dfo_prompt.config.presets import read_preset
from dfo_prompt.config.problem import ProblemConfig
from dfo_prompt.config.prompt import PromptConfig
from dfo_prompt.config.study import WITH_OPTIONS, StudyConfig
from dfo_prompt.contracts.spec import ObjectiveSpec, load_target
from dfo_prompt.errors import DfoPromptError, InputError
from dfo_prompt.plugin.catalogue import plugin_files
from dfo_prompt.plugin.entries import CONFIG_TABLES, PROVIDED, arguments_of, find, options_of, target_of
from dfo_prompt.plugin.options import parameters

TABLES: Mapping[str, type[Any]] = {"prompt.": PromptConfig, "problem.": ProblemConfig, "": StudyConfig}


def parse_config(data: Mapping[str, Any], *, where: str = "configuration", base: Path | None = None) -> StudyConfig:
    """Check plain data and fill in defaults; the key "preset" names published settings that the other keys override.

    Args:
        data: keys of a study, as in a STUDY.toml.
        where: source of the data, for errors.
        base: folder that relative paths are resolved against; the working directory by default.

    Raises:
        InputError: a key is misspelt, a name is unknown, or a value is invalid.
    """
    return combined(data, base or Path.cwd(), {}, where=where)


def read_config(path: Path, overrides: Mapping[str, Any]) -> StudyConfig:
    """Read a STUDY.toml, whose paths are relative to it; keys in `overrides` (from the command line) win.

    A preset in `overrides` replaces that of the file; the file's keys override either.

    Raises:
        InputError: the file cannot be read, or its data is invalid; see `parse_config`.
    """
    return combined(read_toml(path), path.parent, overrides, where=str(path))


def combined(written: Mapping[str, Any], base: Path, overrides: Mapping[str, Any], *, where: str) -> StudyConfig:
    """Build a configuration from the keys of a file and overriding keys.

    Args:
        written: keys of a study; paths are relative to `base`.
        base: folder that relative paths in `written` are resolved against.
        overrides: keys that win; paths are relative to the working directory. A preset here replaces that of `written`, and
            the other keys of both override it.
        where: source of `written`, for errors.

    Raises:
        InputError: see `parse_config`.
    """
    with _named(where), _using_plugin(written, base), _using_plugin(overrides, Path.cwd()):
        preset = overrides.get("preset", written.get("preset"))
        written, overrides = _without_preset(written), _without_preset(overrides)
        written = written if preset is None else merge(read_preset(str(preset)), written)
        whole = merge(written, overrides)
        _check_places(whole)
        data = merge(_with_paths(written, base, whole), _with_paths(overrides, Path.cwd(), whole))
        config = parse(StudyConfig, data)
        _check_names(config)
        return (config if "dim" in data else _with_own_dim(config)).resolved()


@contextmanager
def _named(where: str) -> Iterator[None]:
    try:
        yield
    except DfoPromptError as error:
        raise type(error)(f"{where}: {error}") from error
    except RecursionError as error:
        raise InputError(f"{where}: tables or lists are nested too deeply") from error


def _without_preset(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key != "preset"}


def _using_plugin(data: Mapping[str, Any], base: Path) -> AbstractContextManager[None]:
    """Return a context with the plugin file that `data` names, if any, in the catalogue."""
    file = data.get("plugin")
    return plugin_files(*([base / from_home(file.removeprefix(FILE))] if isinstance(file, str) else []))


def _with_paths(data: Mapping[str, Any], base: Path, whole: Mapping[str, Any]) -> dict[str, Any]:
    """Return `data` with its paths absolute and marked; see `dfo_prompt.config.paths`.

    Args:
        data: some or all keys of a study.
        base: folder that relative paths are resolved against.
        whole: all keys of the study, which name the targets of the options in `data`.

    Raises:
        InputError, PluginError: the target of options is unknown or cannot be imported.
    """
    marked: dict[str, Any] = located(StudyConfig, data, base)
    for kind in WITH_OPTIONS:
        if isinstance(options := data.get(f"{kind}_options"), Mapping) and options:
            marked[f"{kind}_options"] = _located_options(kind, whole.get(kind, getattr(StudyConfig, kind)), options, base)
    if isinstance(trackers := data.get("trackers"), Mapping):
        marked["trackers"] = {
            name: _located_options("observer", name, options, base) if isinstance(options, Mapping) and options else options
            for name, options in trackers.items()
        }
    endpoint = data.get("endpoint")
    if isinstance(endpoint, Mapping) and isinstance(options := endpoint.get("options"), Mapping) and options:
        kind = merge({"endpoint": {"kind": None}}, whole)["endpoint"]["kind"]
        marked["endpoint"]["options"] = _located_options("endpoint", kind, options, base)
    prompt = data.get("prompt")
    if isinstance(prompt, Mapping) and isinstance(options := prompt.get("projection_options"), Mapping) and options:
        name = merge({"prompt": {"projection": PromptConfig.projection}}, whole)["prompt"]["projection"]
        marked["prompt"]["projection_options"] = _located_options("projection", name, options, base)
    return marked


def _check_names(config: StudyConfig) -> None:
    """Refuse unknown names, and options that do not match their target's signature."""
    named = {"task": config.problem.task, "loss": config.prompt.loss, "calibration": config.prompt.calibration}
    for kind, reference in named.items():
        if isinstance(reference, str):
            find(kind, reference)
    entries = [(kind, getattr(config, kind), getattr(config, f"{kind}_options")) for kind in WITH_OPTIONS]
    entries.append(("projection", config.prompt.projection, config.prompt.projection_options))
    if config.endpoint:
        entries.append(("endpoint", config.endpoint.kind, config.endpoint.options))
    for name, options in config.trackers.items():
        options_of("observer", name, options)  # imports the tracker, so that a missing package fails before the study starts
    for kind, name, options in entries:
        find(kind, name)
        if options:  # without options there is no need to import the target
            options_of(kind, name, options)


def _with_own_dim(config: StudyConfig) -> StudyConfig:
    """Return the study with the dimension that its objective derives from the settings, if it does."""
    spec = find("objective", config.objective)
    if not isinstance(spec, ObjectiveSpec):
        return config
    options = arguments_of("objective", config.objective, config.objective_options)
    dim = load_target(spec.dimension, needed_by=spec.name)(problem=config.problem, **options)
    try:
        return replace(config, dim=dim)
    except ValueError as error:
        raise InputError(str(error)) from error


def _located_options(kind: str, name: Any, options: Mapping[str, Any], base: Path) -> dict[str, Any]:
    hints = parameters(target_of(kind, name)).hints if isinstance(name, str) else {}
    return {key: located(hints.get(key), value, base) for key, value in options.items()}


def _check_places(data: Mapping[str, Any]) -> None:
    """Refuse options that belong among the keys of the study, [problem] or [prompt]."""
    places = {field.name: f"{place}{field.name}" for place, table in TABLES.items() for field in fields(table)}
    for kind in WITH_OPTIONS:
        options = data.get(f"{kind}_options")
        for option in options if isinstance(options, Mapping) else ():
            misplaced = option in PROVIDED[kind] or kind == "objective"
            if misplaced and option in places and not (kind == "objective" and _is_own(data, option)):
                raise InputError(f"{option} is no option of the {kind}; write {places[option]}")


def _is_own(data: Mapping[str, Any], option: str) -> bool:
    """Tell whether the objective itself has an option with the name of another key."""
    name = data.get("objective", StudyConfig.objective)
    supplied = PROVIDED["objective"] | CONFIG_TABLES
    return isinstance(name, str) and option not in supplied and option in parameters(target_of("objective", name)).hints


def merge(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` updated with `overrides`; tables are merged recursively."""
    merged = dict(base)
    for key, value in overrides.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def nested(key: str, value: Any) -> dict[str, Any]:
    """Return the nested tables of a dotted key: "a.b" gives {"a": {"b": value}}."""
    first, _, rest = key.partition(".")
    return {first: nested(rest, value) if rest else value}
