"""The plugin manager and the catalogue: what is installed, by name, and what failed to load."""

import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Generic, TypeVar

import pluggy

from dfo_prompt._util.reading import absolute
from dfo_prompt.contracts.method import MethodSpec
from dfo_prompt.contracts.optimizer import OptimizerSpec
from dfo_prompt.contracts.spec import Spec
from dfo_prompt.errors import InputError, PluginError, UnknownNameError, one_line
from dfo_prompt.plugin import hookspecs

BUILT_IN = tuple(
    f"dfo_prompt.{room}" for room in ("optimizers", "wrappers", "methods", "objectives", "prompt", "tasks", "lm", "commands")
)
KINDS = ("optimizers", "methods", "objectives", "projections", "tasks", "models", "commands", "observers")

_files: ContextVar[tuple[Path, ...]] = ContextVar("plugin_files", default=())
_modules: dict[Path, ModuleType] = {}
"""Files that were imported, whether their names lead to them now or not."""


@dataclass(frozen=True, kw_only=True)
class PluginInfo:
    """One plugin: its entry point name, where it comes from, and why it failed, if it did."""

    name: str
    origin: str
    version: str = ""
    error: str = ""


S = TypeVar("S", bound=Spec)


@dataclass(frozen=True, kw_only=True)
class Shelf(Generic[S]):
    """The specs of one kind by name, and who gave them."""

    kind: str
    specs: Mapping[str, S]
    givers: Mapping[str, tuple[str, ...]]

    def __iter__(self) -> Iterator[S]:
        return iter(self.specs[name] for name in sorted(self.specs))

    def find(self, name: str) -> S:
        """Return the spec called `name`, or the registry "family:*" that it falls under.

        Raises:
            UnknownNameError: nothing installed answers to the name.
            PluginError: two plugins offer the name.
        """
        key = name if name in self.specs else f"{name.partition(':')[0]}:*"
        if key not in self.specs or (key != name and ":" not in name):
            raise UnknownNameError.among(self.kind, name, self.specs)
        givers = self.givers[key]
        if len(givers) > 1:
            raise PluginError(f"{self.kind} {key!r} is offered by {' and by '.join(givers)}; uninstall one of them")
        return self.specs[key]


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """Everything that plugins offer."""

    optimizers: Shelf[OptimizerSpec]
    methods: Shelf[MethodSpec]
    objectives: Shelf[Spec]
    projections: Shelf[Spec]
    tasks: Shelf[Spec]
    models: Shelf[Spec]
    commands: Shelf[Spec]
    observers: Shelf[Spec]
    plugins: tuple[PluginInfo, ...]


def catalogue() -> Catalogue:
    """Return what the installed plugins, and the files given to `plugin_files`, offer."""
    return _catalogue(_files.get())


@contextmanager
def plugin_files(*paths: Path) -> Iterator[None]:
    """Take the plugins in these Python files into the catalogue, inside a `with` block.

    Raises:
        InputError: there is no such file, or it cannot be imported.
    """
    files = tuple(dict.fromkeys((*_files.get(), *map(absolute, paths))))
    with ExitStack() as stack:
        for path in files:
            stack.enter_context(_importable(path))
        token = _files.set(files)
        try:
            yield
        finally:
            _files.reset(token)


def given_files() -> tuple[Path, ...]:
    """Return the files that `plugin_files` has taken in, for another process to do the same."""
    return _files.get()


@cache
def _catalogue(files: tuple[Path, ...]) -> Catalogue:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    infos = [*_register_built_ins(manager), *_register_installed(manager)]
    infos += [_register_file(manager, path) for path in files]
    failures: dict[str, str] = {}
    shelves = {kind: _collect(manager, kind, failures, files) for kind in KINDS}
    plugins = tuple(
        info if info.name not in failures else PluginInfo(**{**vars(info), "error": failures[info.name]}) for info in infos
    )
    return Catalogue(plugins=plugins, **shelves)  # type: ignore[arg-type]


def _register_built_ins(manager: pluggy.PluginManager) -> Iterator[PluginInfo]:
    for name in BUILT_IN:
        manager.register(import_module(name), name=name)
        yield PluginInfo(name=name, origin="built in")


def _register_installed(manager: pluggy.PluginManager) -> Iterator[PluginInfo]:
    # pluggy's own loader has no try/except: one broken distribution would end discovery for all.
    for point in sorted(entry_points(group=hookspecs.PROJECT), key=lambda point: point.name):
        origin = point.dist.name if point.dist else point.value
        version = point.dist.version if point.dist else ""
        try:
            _register(manager, point.load(), point.name)
        except Exception as error:
            yield PluginInfo(name=point.name, origin=origin, version=version, error=one_line(error))
        else:
            yield PluginInfo(name=point.name, origin=origin, version=version)


def _register_file(manager: pluggy.PluginManager, path: Path) -> PluginInfo:
    try:
        _register(manager, _module_of(path), str(path))
    except PluginError as error:
        raise InputError(f"plugin file {path} cannot be used: {error}") from error
    return PluginInfo(name=str(path), origin="file")


def _register(manager: pluggy.PluginManager, plugin: object, name: str) -> None:
    try:
        manager.register(plugin, name=name)
    except pluggy.PluginValidationError as error:
        raise PluginError(str(error).strip().splitlines()[-1]) from error
    for hook in manager.get_hookcallers(plugin) or ():
        if not hook.has_spec():
            manager.unregister(plugin)
            known = ", ".join(f"{hookspecs.PROJECT}_{kind}" for kind in KINDS)
            raise PluginError(f"there is no hook {hook.name}(); known: {known}")


@contextmanager
def _importable(path: Path) -> Iterator[None]:
    """Let `import STEM` give the module in this file inside a `with` block, as spec targets in it expect.

    Outside, another file of the same name may have that place.
    """
    before = sys.modules.get(path.stem)
    if before is not None and before not in _modules.values():
        raise InputError(f"plugin file {path} has the name of another module, {path.stem!r}; rename it")
    try:
        sys.modules[path.stem] = _module_of(path)
        yield
    finally:
        sys.modules.pop(path.stem, None)
        if before is not None:
            sys.modules[path.stem] = before


def _module_of(path: Path) -> ModuleType:
    if path not in _modules:
        spec = spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None or not path.is_file():
            raise InputError(f"plugin file {path} cannot be used: there is no such Python file")
        module = sys.modules[path.stem] = module_from_spec(spec)  # where code that runs in it looks for it
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            # Asked for by path, so nobody wants the rest to go on without it.
            raise InputError(f"plugin file {path} cannot be used: {one_line(error)}") from error
        _modules[path] = module
    return _modules[path]


def _collect(manager: pluggy.PluginManager, kind: str, failures: dict[str, str], files: Collection[Path]) -> Shelf[Spec]:
    specs: dict[str, Spec] = {}
    givers: dict[str, tuple[str, ...]] = {}
    for implementation in getattr(manager.hook, f"{hookspecs.PROJECT}_{kind}").get_hookimpls():
        giver = implementation.plugin_name
        try:
            offered = {spec.name: spec for spec in implementation.function()}
        except Exception as error:
            failures[giver] = f"{implementation.function.__name__}() failed: {one_line(error)}"
            if giver in map(str, files):  # asked for by path, so nobody wants the rest to go on without it
                raise InputError(f"plugin file {giver} cannot be used: {failures[giver]}") from error
            continue
        for name, spec in offered.items():
            specs.setdefault(name, spec)
            givers[name] = (*givers.get(name, ()), giver)
            if len(givers[name]) > 1:
                failures[giver] = f"{kind[:-1]} {name!r} is already offered by {givers[name][0]}"
    return Shelf(kind=kind[:-1], specs=specs, givers=givers)
