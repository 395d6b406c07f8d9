"""Options: the keyword arguments by which a user tunes what a plugin gives."""

import inspect
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from dfo_prompt.errors import InputError, UnknownNameError


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
    for name, value in options.items():
        if name in given or (name not in known and not free):
            raise UnknownNameError.among(f"option of {owner}:", name, known.keys() - {*given, "self"})
        _check(f"{owner}: {name}", hints.get(name), value)
    needed = [name for name, one in known.items() if one.default is one.empty and name not in {"self", *given, *options}]
    if needed:
        raise InputError(f"{owner} needs the option {needed[0]!r}")


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
