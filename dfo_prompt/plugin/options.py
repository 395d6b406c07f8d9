"""Options: the keyword arguments by which a user tunes what a plugin gives."""

import inspect
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from dfo_prompt.errors import InputError, UnknownNameError
from dfo_prompt.plugin.catalogue import Shelf

UNSET = object()
"""No option has this value."""


def settle(shelf: Shelf[Any], name: str, options: Mapping[str, object]) -> dict[str, object]:
    """Return the options in effect of the entry `name`: the user's, and those that the entry fixes.

    Raises:
        InputError: the user changes what the entry fixes; the error says which entry to use.
    """
    spec = shelf.find(name)
    for option, value in options.items():
        if spec.options.get(option, value) != value:
            said = f"{shelf.kind} {name!r} fixes {option} to {spec.options[option]!r}"
            raise InputError(f"{said}; {_instead(shelf, name, option, value)}")
    return {**spec.defaults, **spec.options, **options}


def _instead(shelf: Shelf[Any], name: str, option: str, value: object) -> str:
    """Return advice: an entry of the same target that fixes the option to this value, or leaves it free."""
    spec = shelf.find(name)
    kept = {key: fixed for key, fixed in spec.options.items() if key != option}
    found = []
    for other in shelf:
        fixes = other.options.get(option, UNSET)
        if other.target == spec.target and ("*" in other.name) == ("*" in spec.name) and fixes in (UNSET, value):
            lost = sum(other.options.get(key, UNSET) != fixed for key, fixed in kept.items())
            found.append((lost + len(other.options.keys() - {option, *kept}), fixes is UNSET, other.name))
    if not found:
        return "leave it out"
    _, free, best = min(found)
    best = best.replace("*", name.partition(":")[2])
    return f"use {best!r} with {option}={value!r}" if free else f"use {best!r}"


def check_options(owner: str, target: Callable[..., object], options: Mapping[str, object], given: Collection[str]) -> None:
    """Check that `options` are keyword arguments of `target`, and of the type that it declares.

    Args:
        owner: whose options these are, for errors.
        target: a function, or a class; one that passes `**kwargs` on to its base class has the options of both.
        options: by name.
        given: arguments that the caller fills in, which are nobody's options.

    Raises:
        UnknownNameError: `target` has no such option.
        InputError: `target` needs an option that is missing, or a value is not of the declared type.
    """
    known: dict[str, inspect.Parameter] = {}
    hints: dict[str, Any] = {}
    free = True  # takes any name whatever
    for signed in _signatures(target):
        parameters = inspect.signature(signed).parameters.values()
        known = {p.name: p for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)} | known
        hints = _hints(signed) | hints
        free = any(p.kind is p.VAR_KEYWORD for p in parameters)
        if not free:
            break
    own = known.keys() - {*given, "self"}
    for name, value in options.items():
        if name in given or (name not in known and not free):
            raise _unknown(owner, name, own, given)
        _check(f"{owner}: {name}", hints.get(name), value)
    needed = [name for name, one in known.items() if one.default is one.empty and name not in {"self", *given, *options}]
    if needed:
        raise InputError(f"{owner} needs the option {needed[0]!r}")


def _unknown(owner: str, name: str, own: Collection[str], given: Collection[str]) -> UnknownNameError:
    if close := get_close_matches(name, set(given) - {name}, n=1, cutoff=0.8):
        return UnknownNameError(f"{owner} has no option {name!r}; did you mean {close[0]!r}, which the study sets?")
    if not own:
        return UnknownNameError(f"{owner} takes no options, so {name!r} means nothing to it")
    return UnknownNameError.among(f"option of {owner}:", name, own)


def _signatures(target: Callable[..., object]) -> Iterator[Callable[..., object]]:
    if not isinstance(target, type):
        yield target
        return
    for cls in target.__mro__:
        if "__init__" in vars(cls) and cls is not object:
            yield vars(cls)["__init__"]


def _hints(signed: Callable[..., object]) -> dict[str, Any]:
    try:
        return get_type_hints(signed, include_extras=True)
    except (NameError, TypeError):  # names imported for type checkers only
        return {}


def _check(where: str, hint: Any, value: object) -> None:
    if hint is None or not isinstance(value, str | int | float | bool | list | dict | None):
        return
    try:
        TypeAdapter(hint).validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise InputError(f"{where}: {first['msg']}, not {first['input']!r}") from error
    except (PydanticUserError, TypeError):  # a type, or a value, that has no plain form
        return
