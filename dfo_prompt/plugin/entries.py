"""Catalogue entries by kind and name: their targets and call arguments."""

from collections.abc import Callable, Mapping
from typing import Any

from dfo_prompt.contracts.spec import Spec
from dfo_prompt.errors import InputError
from dfo_prompt.plugin.catalogue import KINDS, catalogue
from dfo_prompt.plugin.options import parameters, typed_options
from dfo_prompt.plugin.shelf import Shelf

PROVIDED: Mapping[str, frozenset[str]] = {
    "optimizer": frozenset({"dim", "seed", "budget", "popsize", "sigma", "x0", "bounds", "outer"}),
    "objective": frozenset({"dim", "seed"}),
    "projection": frozenset({"space", "rng"}),
    "method": frozenset({"setting"}),
    "endpoint": frozenset({"url", "model", "key", "timeout", "patience", "concurrency"}),
    "observer": frozenset(),
    "executor": frozenset({"jobs", "threads", "folder"}),
}
"""The arguments that the study supplies, by kind; users cannot set them as options."""
PLURALS = {singular: plural for plural, singular in KINDS.items()}
CONFIG_TABLES = frozenset({"problem", "prompt", "endpoint"})
"""The tables of a study that objectives of language models take as arguments."""
UNSET = object()
"""A sentinel that is no option's value."""


def find(kind: str, name: str) -> Spec:
    """Return the spec of the "optimizer", "objective", "projection", "method", ... with this name.

    Raises:
        UnknownNameError, PluginError: see `Shelf.find`.
    """
    spec: Spec = shelf(kind).find(name)
    return spec


def shelf(kind: str) -> Shelf[Any]:
    """Return the specs of a kind."""
    specs: Shelf[Any] = getattr(catalogue(), PLURALS[kind])
    return specs


def target_of(kind: str, name: str) -> Callable[..., Any]:
    """Import and return the target of an entry.

    Raises:
        InputError: the name is unknown, or the extra that installs the backend is missing.
        PluginError: the target cannot be imported for another reason.
    """
    target: Callable[..., Any] = shelf(kind).load(name)
    return target


def takes_problem(objective: str) -> bool:
    """Tell whether an objective scores a language model on a task.

    Raises:
        InputError, PluginError: see `target_of`.
    """
    return "problem" in parameters(target_of("objective", objective)).hints


def options_of(kind: str, name: str, options: Mapping[str, object]) -> dict[str, object]:
    """Return a user's options for an entry, converted to the types that its target declares.

    Raises:
        InputError: an option is unknown, missing, fixed by the entry, or of the wrong type.
    """
    spec, owner = find(kind, name), f"{kind} {name!r}"
    for option, value in options.items():
        if option in spec.options and spec.options[option] != value:  # NaN differs from itself
            instead = _instead(kind, name, option, value)
            raise InputError(f"{owner} fixes {option} to {spec.options[option]!r}; {instead}")
    named = set_by_name(name)
    settled = {key: value for key, value in {**spec.defaults, **spec.options}.items() if key not in named}
    typed = typed_options(owner, target_of(kind, name), {**settled, **options}, PROVIDED[kind] | named)
    return {key: typed[key] for key in options}


def set_by_name(name: str) -> frozenset[str]:
    """Return the arguments that the name of an entry sets, so that users cannot: `variant`, if the name has a colon."""
    return frozenset({"variant"}) if ":" in name else frozenset()


def arguments_of(kind: str, name: str, options: Mapping[str, object]) -> dict[str, object]:
    """Return the keyword arguments for an entry's target: from its spec, its name and the user's options.

    Raises:
        InputError: see `options_of`.
    """
    spec = find(kind, name)
    family = {"variant": name.partition(":")[2]} if spec.name.endswith(":*") else {}
    return {**spec.defaults, **spec.options, **family, **options_of(kind, name, options)}


def _instead(kind: str, name: str, option: str, value: object) -> str:
    """Advise an entry with the same target that fixes the option to this value, or leaves it to the user."""
    spec = find(kind, name)
    kept = {key: fixed for key, fixed in spec.options.items() if key != option}
    candidates = []
    for entry in shelf(kind):
        fixes = entry.options.get(option, UNSET)
        if entry.target == spec.target and ("*" in entry.name) == ("*" in spec.name) and fixes in (UNSET, value):
            lost = sum(entry.options.get(key, UNSET) != fixed for key, fixed in kept.items())
            candidates.append((lost + len(entry.options.keys() - {option, *kept}), fixes is UNSET, entry.name))
    if not candidates:
        return "leave it out"
    _, free, best = min(candidates)
    best = best.replace("*", name.partition(":")[2])
    return f"use {best!r} with {option}={value!r}" if free else f"use {best!r}"
