"""The catalogue: the entries that plugins offer, by kind and name, and the plugins that failed to load."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Generic

import pluggy

from dfo_prompt._util.reading import absolute
from dfo_prompt.contracts.method import MethodSpec
from dfo_prompt.contracts.spec import ExporterSpec, MetricSpec, OptimizerSpec, Spec
from dfo_prompt.errors import InputError, PluginError
from dfo_prompt.plugin import hookspecs
from dfo_prompt.plugin.door import admit, specs_from
from dfo_prompt.plugin.files import digest_of, importable, module_of
from dfo_prompt.plugin.installed import installed_points
from dfo_prompt.plugin.shelf import S, Shelf

ROOMS = (
    "optimizers",
    "wrappers",
    "methods",
    "objectives",
    "prompt",
    "service",
    "tasks",
    "lm",
    "endpoints",
    "config",
    "suite",
)
BUILT_IN = tuple(f"dfo_prompt.{room}" for room in (*ROOMS, "report", "commands"))
OWN = "dfo-prompt"
"""The distribution of the built-ins."""

_files: ContextVar[tuple[Path, ...]] = ContextVar("plugin_files", default=())


@dataclass(frozen=True, kw_only=True)
class PluginInfo:
    """A plugin and its status.

    Attributes:
        name: name of its entry point, module or file.
        origin: its distribution, "built in" or "file".
        version: version of its distribution.
        error: why it failed; "" if it did not.
        note: side effects of its import.
        gives: number of specs of each kind.
    """

    name: str
    origin: str
    version: str = ""
    error: str = ""
    note: str = ""
    gives: Mapping[str, int] = field(default_factory=dict)


class Kind(Generic[S]):
    """A kind of plugin entries: an attribute of the catalogue, collected on first access."""

    def __init__(self, spec: type[S], singular: str) -> None:
        self.spec, self.singular, self.plural = spec, singular, ""

    def __set_name__(self, owner: type[object], name: str) -> None:
        self.plural = name

    def __get__(self, instance: "Catalogue", owner: type[object]) -> Shelf[S]:
        return instance.shelf(self)


class Catalogue:
    """All entries that plugins offer."""

    optimizers = Kind(OptimizerSpec, "optimizer")
    methods = Kind(MethodSpec, "method")
    objectives = Kind(Spec, "objective")
    projections = Kind(Spec, "projection")
    losses = Kind(Spec, "loss")
    calibrations = Kind(Spec, "calibration")
    metrics = Kind(MetricSpec, "metric")
    tasks = Kind(Spec, "task")
    models = Kind(Spec, "model")
    endpoints = Kind(Spec, "endpoint")
    presets = Kind(Spec, "preset")
    exporters = Kind(ExporterSpec, "export format")
    sections = Kind(Spec, "report section")
    commands = Kind(Spec, "command")
    observers = Kind(Spec, "observer")
    executors = Kind(Spec, "executor")

    def __init__(self, manager: pluggy.PluginManager, plugins: list[PluginInfo], files: Collection[str]) -> None:
        self._manager, self._plugins, self._files = manager, plugins, files
        self._at = {info.name: i for i, info in enumerate(plugins) if not info.error}
        self._shelves: dict[str, Shelf[Any]] = {}

    @property
    def plugins(self) -> tuple[PluginInfo, ...]:
        """Return every plugin with its entries and errors."""
        self.collect()
        return tuple(self._plugins)

    def collect(self) -> None:
        """Call every hook now.

        Raises:
            InputError: a hook of a plugin file fails.
        """
        for kind in KINDS:
            getattr(self, kind)

    def shelf(self, kind: Kind[S]) -> Shelf[S]:
        """Return the specs of one kind."""
        if kind.plural not in self._shelves:
            self._shelves[kind.plural] = self._collect(kind)
        return self._shelves[kind.plural]

    def _collect(self, kind: Kind[S]) -> Shelf[S]:
        specs: dict[str, S] = {}
        providers: dict[str, tuple[str, ...]] = {}
        for implementation in getattr(self._manager.hook, f"{hookspecs.PROJECT}_{kind.plural}").get_hookimpls():
            provider = implementation.plugin_name
            try:
                offered = specs_from(implementation, kind.spec)
            except PluginError as error:
                if provider in self._files:  # the user named the file, so going on without it would surprise
                    raise InputError(f"plugin file {provider} cannot be used: {error}") from error
                self._fail(provider, str(error))
                continue
            info = self._plugins[self._at[provider]]
            self._plugins[self._at[provider]] = replace(info, gives={**info.gives, kind.plural: len(offered)})
            for name, spec in offered.items():
                specs.setdefault(name, spec)
                providers[name] = (*providers.get(name, ()), provider)
                if len(providers[name]) > 1:
                    self._fail(provider, f"{kind.singular} {name!r} is already offered by {providers[name][0]}")
        homes = {info.name: info.origin for info in self._plugins if info.version} | dict.fromkeys(BUILT_IN, OWN)
        return Shelf(kind=kind.singular, specs=specs, providers=providers, distributions=homes)

    def _fail(self, name: str, error: str) -> None:
        info = self._plugins[self._at[name]]
        self._plugins[self._at[name]] = replace(info, error="; ".join(filter(None, (info.error, error))))


KINDS = {name: kind.singular for name, kind in vars(Catalogue).items() if isinstance(kind, Kind)}
"""The kinds of plugin entries: plural to singular."""


def catalogue() -> Catalogue:
    """Return the catalogue of the built-ins, the installed plugins and the files given to `plugin_files`."""
    files = _files.get()
    return _catalogue(files, tuple(map(digest_of, files)))


@contextmanager
def plugin_files(*paths: Path) -> Iterator[None]:
    """Add the plugins in these Python files to the catalogue inside a `with` block, as they are when it begins.

    Raises:
        InputError: a file does not exist or cannot be imported.
    """
    files = tuple(dict.fromkeys((*_files.get(), *map(absolute, paths))))
    with ExitStack() as stack:
        for path in files:
            stack.enter_context(importable(path))
        token = _files.set(files)
        try:
            yield
        finally:
            _files.reset(token)


def given_files() -> tuple[Path, ...]:
    """Return the files that `plugin_files` added, so that another process can add them too."""
    return _files.get()


@cache
def _catalogue(files: tuple[Path, ...], _digests: tuple[str, ...]) -> Catalogue:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    infos = [*_register_built_ins(manager), *_register_installed(manager), *_register_files(manager, files)]
    collected = Catalogue(manager, infos, {*map(str, files)})
    if files:
        collected.collect()
    return collected


def _register_built_ins(manager: pluggy.PluginManager) -> Iterator[PluginInfo]:
    for name in BUILT_IN:
        manager.register(import_module(name), name=name)
        yield PluginInfo(name=name, origin="built in")


def _register_installed(manager: pluggy.PluginManager) -> Iterator[PluginInfo]:
    # pluggy's own loader has no try/except: a broken distribution would end discovery for all.
    for point in installed_points():
        error, remarks = point.error, []
        if not error:
            try:
                remarks = admit(manager, point.name, point.load)
            except PluginError as refusal:
                error = str(refusal)
        origin = point.distribution or "unknown distribution"
        yield PluginInfo(name=point.name, origin=origin, version=point.version, error=error, note=" and ".join(remarks))


def _register_files(manager: pluggy.PluginManager, files: tuple[Path, ...]) -> Iterator[PluginInfo]:
    for path in files:
        try:
            admit(manager, str(path), lambda path=path: module_of(path))  # type: ignore[misc]
        except PluginError as error:
            raise InputError(f"plugin file {path} cannot be used: {error}") from error
        yield PluginInfo(name=str(path), origin="file")
