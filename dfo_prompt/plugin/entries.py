"""Entries of the catalogue by kind and name: their targets, and the arguments that they are called with."""

from collections.abc import Callable, Mapping
from typing import Any

from dfo_prompt.contracts.spec import Spec
from dfo_prompt.plugin.catalogue import catalogue
from dfo_prompt.plugin.options import typed_options
from dfo_prompt.plugin.shelf import Shelf

PROVIDED: Mapping[str, frozenset[str]] = {
    "optimizer": frozenset({"dim", "seed", "budget", "popsize", "sigma", "x0", "bounds"}),
    "objective": frozenset({"dim", "seed"}),
    "projection": frozenset({"space", "rng"}),
    "method": frozenset({"setting"}),
}
"""By kind, the arguments that the study fills in: nobody's options."""
PLURALS = {"loss": "losses"}


def find(kind: str, name: str) -> Spec:
    """Return the spec of an "optimizer", "objective", "projection", "method", ... of this name.

    Raises:
        UnknownNameError, PluginError: see `Shelf.find`.
    """
    spec: Spec = shelf(kind).find(name)
    return spec


def shelf(kind: str) -> Shelf[Any]:
    """Return the specs of a kind."""
    found: Shelf[Any] = getattr(catalogue(), PLURALS.get(kind, f"{kind}s"))
    return found


def target_of(kind: str, name: str) -> Callable[..., Any]:
    """Import and return the target of an entry.

    Raises:
        InputError: the name is unknown, or the extra that brings the backend is not installed.
        PluginError: the target cannot be imported otherwise.
    """
    target: Callable[..., Any] = shelf(kind).load(name)
    return target


def options_of(kind: str, name: str, options: Mapping[str, object]) -> dict[str, object]:
    """Return a user's options of an entry as the types that its target declares.

    Raises:
        InputError: an option is unknown, missing, or of another type.
    """
    named = {"variant"} if ":" in name else set()  # set by the name, and by nothing else
    fixed = {key: value for key, value in find(kind, name).options.items() if key not in named}
    provided = PROVIDED[kind] | named
    typed = typed_options(f"{kind} {name!r}", target_of(kind, name), {**fixed, **options}, provided)
    return {key: typed[key] for key in options}


def arguments_of(kind: str, name: str, options: Mapping[str, object]) -> dict[str, object]:
    """Return the keyword arguments for the target of an entry: those of its spec, of its name, and the user's options.

    Raises:
        InputError: see `options_of`.
    """
    spec = find(kind, name)
    family = {"variant": name.partition(":")[2]} if spec.name.endswith(":*") else {}
    return {**spec.options, **family, **options_of(kind, name, options)}
