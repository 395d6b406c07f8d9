"""Registers plugins and calls their hooks; any failure of a plugin becomes a one-line PluginError."""

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
SETTINGS = ("x0", "sigma", "bounds", "popsize")
"""The settings that an optimizer's spec may declare as ignored or adapted."""
LONGEST_TEXT = 500
"""The most characters of a text in a spec."""
MOST = 10_000
"""The most specs that a hook may return."""


def admit(manager: pluggy.PluginManager, name: str, load: Callable[[], object]) -> list[str]:
    """Import a plugin and register it; return remarks on the side effects of its import.

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
    """Call a hook and return its specs, by name.

    Raises:
        PluginError: the hook fails, or returns anything but specs of this kind.
    """
    hook = f"{implementation.function.__name__}()"
    with _errors_in_one_line(f"{hook} failed: "), contained():
        offered = implementation.function()
        if isinstance(offered, str | bytes | Mapping) or not isinstance(offered, Iterable):
            raise PluginError(f"{hook} returns {type(offered).__name__}, not a list of {kind.__name__}")
        specs: dict[str, S] = {}
        for spec in offered:
            if fault := _fault(spec, kind):
                raise PluginError(f"{hook} gives {fault}")
            if spec.name in specs:
                raise PluginError(f"{hook} gives {spec.name!r} twice")
            if len(specs) == MOST:
                raise PluginError(f"{hook} gives more than {MOST:,} specs")
            specs[spec.name] = spec
    return specs


@contextmanager
def _errors_in_one_line(prefix: str = "") -> Iterator[None]:
    try:
        yield
    except (PluginError, KeyboardInterrupt):
        raise
    except BaseException as error:  # including sys.exit: a plugin must not end the program
        raise PluginError(f"{prefix}{one_line(error)}") from error


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
    """Return why the spec is invalid; "" if it is valid."""
    if not isinstance(spec, kind):
        return f"{type(spec).__name__}, not {kind.__name__}"
    if not isinstance(spec.name, str) or not NAME.fullmatch(spec.name):
        rule = "a name is at most 100 letters, digits and any of _.:*+@=-, a letter or digit first"
        return f"a spec named {spec.name!r:.40}; {rule}"
    if not isinstance(spec.target, str) or not TARGET.fullmatch(spec.target):
        return f"{spec.name!r} the target {spec.target!r:.40}; write 'package.module:attribute'"
    faults = (_fault_of_field(part.name, getattr(spec, part.name), part.type) for part in fields(kind))
    fault = next(filter(None, faults), "")
    return f"{spec.name!r} with {fault}" if fault else ""


def _fault_of_field(field: str, value: Any, hint: Any) -> str:
    if not isinstance(value, _types(hint)):
        return f"{field} {value!r:.40}, which is no {getattr(hint, '__name__', hint)}"
    if field in ("ignores", "adapts") and (foreign := [key for key in value if key not in SETTINGS]):
        return f"{field} {foreign[0]!r:.40}, which is none of {', '.join(SETTINGS)}"
    texts = (value,) if isinstance(value, str) else value if isinstance(value, tuple) else ()
    for text in value.values() if field == "adapts" else texts:
        if not isinstance(text, str) or not text.isprintable() or len(text) > LONGEST_TEXT:
            return f"{field} {text!r:.40}, which is no line of at most {LONGEST_TEXT} characters"
    return ""


def _types(hint: Any) -> tuple[type[Any], ...]:
    """Return the classes that a value with this annotation can have, for isinstance."""
    return get_args(hint) if isinstance(hint, UnionType) else (get_origin(hint) or hint,)
