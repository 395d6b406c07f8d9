"""Options: a user's keyword arguments for a plugin's target, validated against the target's signature."""

import inspect
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticUserError

from dfo_prompt._util.parsing import FILE, plain
from dfo_prompt.errors import InputError, UnknownNameError

Target = Callable[..., object]


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """The keyword parameters of a target.

    Attributes:
        hints: annotation of each parameter, by name; `Any` where no annotation can be checked.
        needed: parameters without a default.
        free: True if the target also accepts any other keyword.
    """

    hints: Mapping[str, Any]
    needed: frozenset[str]
    free: bool


@cache
def parameters(target: Target) -> Parameters:
    """Return the parameters of a function or class; if a class passes `**kwargs` to its base, those of both."""
    known: dict[str, inspect.Parameter] = {}
    hints: dict[str, Any] = {}
    free = True
    for signed in _signatures(target):
        declared = inspect.signature(signed).parameters.values()
        known = {p.name: p for p in declared if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)} | known
        hints = _hints(signed) | hints
        free = any(p.kind is p.VAR_KEYWORD for p in declared)
        if not free:
            break
    known.pop("self", None)
    needed = frozenset(name for name, parameter in known.items() if parameter.default is parameter.empty)
    return Parameters(hints={name: _checkable(hints.get(name, Any)) for name in known}, needed=needed, free=free)


def defaults_of(target: Target) -> Mapping[str, object]:
    """Return the defaults of a function's parameters, or of a class and its bases, by name."""
    defaults: dict[str, object] = {}
    for signed in _signatures(target):
        declared = inspect.signature(signed).parameters.values()
        defaults = {p.name: p.default for p in declared if p.default is not p.empty} | defaults
    return defaults


def typed_options(owner: str, target: Target, options: Mapping[str, object], provided: Collection[str]) -> dict[str, object]:
    """Return `options` converted to the types that `target` declares.

    Args:
        owner: owner of the options, named in errors.
        target: function or class that takes the options.
        options: plain data, which is validated, or Python objects, which are passed through.
        provided: arguments that the study supplies.

    Raises:
        UnknownNameError: `target` has no such option.
        InputError: a required option is missing, or a value does not have the declared type.
    """
    accepted = parameters(target)
    own = accepted.hints.keys() - {*provided}
    for name in options:
        if name in provided or (name not in own and not accepted.free):
            raise _unknown(owner, name, own, provided)
    if needed := sorted(accepted.needed - {*provided, *options}):
        raise InputError(f"{owner} needs the option {needed[0]!r}")
    return {**options, **_validated(owner, target, {name: options[name] for name in options if name in own})}


def _unknown(owner: str, name: str, own: Collection[str], provided: Collection[str]) -> UnknownNameError:
    if close := get_close_matches(name, {*provided} - {name}, n=1, cutoff=0.8):
        return UnknownNameError(f"{owner} has no option {name!r}; did you mean {close[0]!r}, which the study sets?")
    if not own:
        return UnknownNameError(f"{owner} takes no options, so {name!r} means nothing to it")
    return UnknownNameError.among(f"option of {owner}:", name, own)


def _validated(owner: str, target: Target, options: Mapping[str, object]) -> dict[str, object]:
    data = {name: value for name, value in options.items() if _is_plain(value)}
    try:
        # Strict mode on JSON accepts a list for a tuple and an int for a float, but no "0" for a number.
        model = _model(target).model_validate_json(json.dumps(data, default=plain))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{owner}: {where}: {first['msg']}, not {first['input']!r}") from error
    return {
        name: _unmarked(value)
        for name, value in zip(parameters(target).hints, vars(model).values(), strict=True)
        if name in data
    }


def _unmarked(value: Any) -> Any:
    """Return the value with the marks removed from its paths; see `dfo_prompt.config.paths`."""
    if isinstance(value, Path):
        return Path(str(value).removeprefix(FILE))
    if isinstance(value, list | tuple):
        return type(value)(_unmarked(item) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: _unmarked(getattr(value, field.name)) for field in fields(value) if field.init})
    return value


def _is_plain(value: object) -> bool:
    try:
        json.dumps(value, default=plain)
    except (TypeError, ValueError):  # a Python object that has no plain form
        return False
    return True


@cache
def _model(target: Target) -> type[BaseModel]:
    # An option may have a name that pydantic gives a meaning, such as "copy" or "_x".
    hints = enumerate(parameters(target).hints.items())
    declared: dict[str, Any] = {f"option{i}": (hint, Field(None, alias=name)) for i, (name, hint) in hints}
    config = ConfigDict(strict=True, frozen=True, arbitrary_types_allowed=True, protected_namespaces=())
    return create_model("Options", __config__=config, **declared)


def _signatures(target: Target) -> Iterator[Target]:
    if not isinstance(target, type):
        yield target
        return
    for cls in target.__mro__:
        if "__init__" in vars(cls) and cls is not object:
            yield vars(cls)["__init__"]


def _hints(signed: Target) -> dict[str, Any]:
    try:
        return get_type_hints(signed, include_extras=True)
    except (NameError, TypeError):  # the annotations use names that are imported only for type checkers
        return {}


def _checkable(hint: Any) -> Any:
    try:
        TypeAdapter(hint)
    except PydanticUserError:
        return Any
    return hint
