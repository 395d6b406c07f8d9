"""Specs: what a plugin hands over so that a thing can be listed without being imported."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from dfo_prompt.errors import PluginError, one_line


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A named thing of some kind, and where its code lies.

    `target` is "package.module:attribute"; it is imported when the thing is first used. `options` are keyword arguments
    fixed by this entry, so that one class can stand behind several names: a user cannot change them. `defaults` are those
    that it sets unless a user does.
    """

    name: str
    target: str
    summary: str
    options: Mapping[str, object] = field(default_factory=dict)
    defaults: Mapping[str, object] = field(default_factory=dict)

    def load(self) -> Any:
        """Import and return the target.

        Raises:
            PluginError: the module or the attribute cannot be imported.
        """
        return load_target(self.target, needed_by=self.name)


def load_target(target: str, *, needed_by: str) -> Any:
    """Import and return "package.module:attribute".

    Raises:
        PluginError: the module or the attribute cannot be imported.
    """
    module, _, attribute = target.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except Exception as error:  # a backend built for another NumPy raises whatever it likes
        raise PluginError(f"{needed_by!r} needs {target!r}, which failed to import: {one_line(error)}") from error
