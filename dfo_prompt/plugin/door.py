"""Lets plugins in: whatever one does at import or in a hook is an error of its own, told in one line."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from difflib import get_close_matches
from inspect import isroutine
from types import UnionType
from typing import Any, get_args, get_origin

import pluggy

from dfo_prompt._util.contained import contained
from dfo_prompt.contracts.spec import Spec
from dfo_prompt.errors import PluginError, one_line
from dfo_prompt.plugin.hookspecs import HOOKS, PROJECT
from dfo_prompt.plugin.shelf import S

NAME = re.compile(r"[^\W_][\w.:*+@=-]{0,99}")
TARGET = re.compile(r"[^\s:]+:[^\s:]+")
LONGEST_TEXT = 500
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
    for part in fields(kind):
        value = getattr(spec, part.name)
        if not isinstance(value, _types(part.type)):
            return f"{spec.name!r} with {part.name} {value!r:.40}, which is no {getattr(part.type, '__name__', part.type)}"
        for text in (value,) if isinstance(value, str) else value if isinstance(value, tuple) else ():
            if not isinstance(text, str) or not text.isprintable() or len(text) > LONGEST_TEXT:
                return f"{spec.name!r} with {part.name} {text!r:.40}, which is no line of at most {LONGEST_TEXT} characters"
    return ""


def _types(hint: Any) -> tuple[type, ...]:
    """Return the classes of which one is that of a value with this annotation."""
    return get_args(hint) if isinstance(hint, UnionType) else (get_origin(hint) or hint,)
