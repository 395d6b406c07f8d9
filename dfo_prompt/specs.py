"""Specs: what a plugin hands over so that a thing can be listed without being imported."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from dfo_prompt.errors import InputError, PluginError, UnknownNameError


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A named thing of some kind, and where its code lies.

    `target` is "package.module:attribute"; it is imported when the thing is first used. `options` are keyword arguments
    fixed by this entry, so that one class can stand behind several names.
    """

    name: str
    target: str
    summary: str
    options: Mapping[str, object] = field(default_factory=dict)

    def load(self) -> Any:
        """Import and return the target.

        Raises:
            PluginError: the module or the attribute cannot be imported.
        """
        module, _, attribute = self.target.partition(":")
        try:
            return getattr(import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise PluginError(f"{self.name!r} needs {self.target!r}, which failed to import: {error}") from error


def check_options(owner: str, target: Callable[..., object], options: Mapping[str, object], given: set[str]) -> None:
    """Check that `options` are keyword arguments of `target`, leaving out those in `given` (filled in by the caller).

    Raises:
        UnknownNameError: `target` has no such option.
        InputError: `target` needs an option that is missing.
    """
    parameters = inspect.signature(target).parameters.values()
    named = {p.name: p for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD) and p.name != "self"}
    free = any(p.kind is p.VAR_KEYWORD for p in parameters)
    for name in options:
        if name in given or (name not in named and not free):
            raise UnknownNameError.among(f"option of {owner}", name, set(named) - given)
    missing = [p for p, parameter in named.items() if parameter.default is parameter.empty and p not in {*given, *options}]
    if missing:
        raise InputError(f"{owner} needs the option {missing[0]!r}")
