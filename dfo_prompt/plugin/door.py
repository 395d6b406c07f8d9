"""Lets plugins in: whatever one does at import or in a hook is an error of its own, told in one line."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from inspect import isroutine

import pluggy

from dfo_prompt._util.contained import contained
from dfo_prompt.contracts.spec import Spec
from dfo_prompt.errors import PluginError, one_line
from dfo_prompt.plugin.hookspecs import HOOKS, PROJECT
from dfo_prompt.plugin.shelf import S

NAME = re.compile(r"[^\W_][\w.:*+@=-]{0,99}")
TARGET = re.compile(r"[^\s:]+:[^\s:]+")
LONGEST_SUMMARY = 500
MOST = 10_000
"""Specs that a hook may give."""


def admit(manager: pluggy.PluginManager, name: str, load: Callable[[], object]) -> list[str]:
    """Import a plugin and register it; return remarks on what its import did besides.

    Raises:
        PluginError: it cannot be imported, or is no plugin.
    """
    if manager.has_plugin(name):
        raise PluginError(f"another plugin has the name {name!r}; uninstall one of them")
    try:
        with _errors_in_one_line(), contained() as remarks:
            _register(manager, load(), name)
    except BaseException:
        if manager.has_plugin(name):
            manager.unregister(name=name)
        raise
    return remarks


def specs_from(implementation: pluggy.HookImpl, kind: type[S]) -> dict[str, S]:
    """Call a hook and return the specs that it gives, by name.

    Raises:
        PluginError: it fails, or gives anything but specs of this kind.
    """
    hook = f"{implementation.function.__name__}()"
    with _errors_in_one_line(f"{hook} failed: "), contained():
        offered = implementation.function()
        if isinstance(offered, str | bytes | Mapping) or not isinstance(offered, Iterable):
            raise PluginError(f"{hook} returns {type(offered).__name__}, not a list of {kind.__name__}")
        found: dict[str, S] = {}
        for spec in offered:
            if fault := _fault(spec, kind):
                raise PluginError(f"{hook} gives {fault}")
            if spec.name in found:
                raise PluginError(f"{hook} gives {spec.name!r} twice")
            if len(found) == MOST:
                raise PluginError(f"{hook} gives more than {MOST:,} specs")
            found[spec.name] = spec
    return found


@contextmanager
def _errors_in_one_line(ahead: str = "") -> Iterator[None]:
    try:
        yield
    except (PluginError, KeyboardInterrupt):
        raise
    except BaseException as error:  # sys.exit too: a plugin does not end the program
        raise PluginError(f"{ahead}{one_line(error)}") from error


def _register(manager: pluggy.PluginManager, plugin: object, name: str) -> None:
    if manager.is_registered(plugin):
        raise PluginError(f"it is the same as plugin {manager.get_name(plugin)!r}")
    for attribute in dir(plugin):
        hook = getattr(plugin, attribute, None) if attribute.startswith(f"{PROJECT}_") else None
        if isroutine(hook) and not hasattr(hook, f"{PROJECT}_impl"):
            raise PluginError(f"{attribute}() lacks its mark; write @dfo_prompt.hookimpl above it")
    try:
        manager.register(plugin, name=name)
    except pluggy.PluginValidationError as error:
        raise PluginError(str(error).strip().splitlines()[-1]) from error
    for caller in manager.get_hookcallers(plugin) or ():
        if not caller.has_spec():
            close = get_close_matches(caller.name, HOOKS, n=1, cutoff=0.0)
            raise PluginError(f"there is no hook {caller.name}(); did you mean {close[0]}()?")


def _fault(spec: object, kind: type[Spec]) -> str:
    if not isinstance(spec, kind):
        return f"{type(spec).__name__}, not {kind.__name__}"
    if not isinstance(spec.name, str) or not NAME.fullmatch(spec.name):
        rule = "a name is at most 100 letters, digits and any of _.:*+@=-, a letter or digit first"
        return f"a spec named {spec.name!r:.40}; {rule}"
    if not isinstance(spec.target, str) or not TARGET.fullmatch(spec.target):
        return f"{spec.name!r} the target {spec.target!r:.40}; write 'package.module:attribute'"
    if not isinstance(spec.summary, str) or not spec.summary.isprintable() or len(spec.summary) > LONGEST_SUMMARY:
        return f"{spec.name!r} a summary that is no line of at most {LONGEST_SUMMARY} characters"
    if not isinstance(spec.options, Mapping):
        return f"{spec.name!r} options that are {type(spec.options).__name__}, not a table"
    return ""
