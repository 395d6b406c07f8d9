"""Strict parsing of TOML files and plain data into frozen dataclasses, with errors of one line."""

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import ConfigDict, TypeAdapter, ValidationError

from dfo_prompt._util.reading import read_bytes
from dfo_prompt.errors import InputError, UnknownNameError

T = TypeVar("T")

FILE = "file:"
"""Begins a text that is a path, in plain data."""

_adapter: Callable[[Any], TypeAdapter[Any]] = cache(TypeAdapter)  # building one takes a millisecond

MOST_BYTES = 2**20
"""Limit of a TOML file: room for any start x0, and a file of weights is refused at once."""
SURROGATE = re.compile("[\ud800-\udfff]")
"""Half a character, of a file name that is no text: it becomes readable text."""
STRICT = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True)
"""For `__pydantic_config__` of a dataclass that is parsed: unknown keys and "0" for a number are errors."""


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        InputError: it is missing, unreadable, larger than a megabyte or not TOML.
    """
    data = read_bytes(path, most=MOST_BYTES)
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:  # integers may be too long, and arrays too deep
        raise InputError(f"{path} is not valid TOML: {error}") from error


def parse(kind: type[T], data: Mapping[str, Any], *, where: str = "") -> T:
    """Build the dataclass `kind` from plain data; `where`, if given, is named in errors.

    Raises:
        InputError: the first thing that is wrong, by its key; a misspelt key gets a suggestion.
    """
    try:
        # Through JSON, because strict mode takes a list for a tuple there, and an int for a float, but no "0" for a number.
        text = SURROGATE.sub(lambda found: f"\\\\u{ord(found[0]):04x}", json.dumps(data, default=plain, ensure_ascii=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{_at(where)}{error}") from error
    try:
        parsed: T = _adapter(kind).validate_json(text)
        return parsed
    except ValidationError as error:
        raise _input_error(error, kind, where) from error


def plain(value: object) -> object:
    """Return plain data for what JSON does not know: lists for arrays, marked text for paths, tables for dataclasses.

    Raises:
        TypeError: it is anything else.
    """
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return f"{FILE}{value}"
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{value!r} is no plain data")


def _input_error(error: ValidationError, kind: type[object], where: str) -> InputError:
    # A misspelt key first: where it is a needed one, "field required" would point away from it.
    first = min(error.errors(include_url=False), key=lambda problem: problem["type"] != "unexpected_keyword_argument")
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "unexpected_keyword_argument" and len(first["loc"]) == 1:
        return UnknownNameError.among(
            f"key{f' in {where}' if where else ''}:", key, getattr(kind, "__dataclass_fields__", {})
        )
    given = "" if isinstance(first["input"], dict) else f", not {first['input']!r}"
    message = first["msg"].removeprefix("Value error, ")
    return InputError(f"{_at(where)}{_at(key)}{message}{given if key else ''}")


def _at(place: str) -> str:
    return f"{place}: " if place else ""
