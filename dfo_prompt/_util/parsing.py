"""Strict parsing of TOML files and plain data into frozen dataclasses, with one-line errors."""

import json
import re
import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

import numpy as np
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from dfo_prompt._util.reading import read_bytes
from dfo_prompt.errors import InputError, UnknownNameError

T = TypeVar("T")

FILE = "file:"
"""The prefix of a path in plain data."""

_adapter: Callable[[Any], TypeAdapter[Any]] = cache(TypeAdapter)  # building one takes a millisecond

MOST_BYTES = 2**20
"""The largest TOML file: enough for any x0, while a weights file given by mistake is refused at once."""
SURROGATE = re.compile("[\ud800-\udfff]")
"""A lone surrogate, which stands for bytes that are not valid text."""
Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
"""The type of options that are a positive finite number."""
Seconds = Positive
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
STRICT = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True)
"""The `__pydantic_config__` of parsed dataclasses: unknown keys and "0" for a number are errors."""
OPEN = ConfigDict(extra="ignore", strict=True)
"""The `__pydantic_config__` of messages from servers: unknown keys, which other versions may have, are ignored."""


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        InputError: the file is missing, unreadable, larger than a megabyte or not TOML.
    """
    data = read_bytes(path, most=MOST_BYTES)
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:  # integers may be too long, and arrays too deep
        raise InputError(f"{path} is not valid TOML: {error}") from error


def parse(kind: type[T], data: Mapping[str, Any], *, where: str = "") -> T:
    """Build the dataclass `kind` from plain data; `where`, if given, prefixes errors.

    Raises:
        InputError: the data are invalid; the message gives the first invalid key, with a suggestion for an unknown one.
    """
    try:
        # Strict mode on JSON accepts a list for a tuple and an int for a float, but no "0" for a number.
        text = SURROGATE.sub(lambda match: f"\\\\u{ord(match[0]):04x}", json.dumps(data, default=plain, ensure_ascii=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{_prefix(where)}{error}") from error
    try:
        parsed: T = _adapter(kind).validate_json(text)
        return parsed
    except ValidationError as error:
        raise _input_error(error, kind, json.loads(text), where) from error


def tables(value: object) -> dict[str, Any]:
    """Return a parsed dataclass as nested tables, in a tenth of the time of `dataclasses.asdict`."""
    data: dict[str, Any] = _adapter(type(value)).dump_python(value, warnings=False)
    return data


def plain(value: object) -> object:
    """Convert objects that JSON does not support: arrays to lists, paths to marked text, dataclasses to tables.

    Raises:
        TypeError: the object is of another type.
    """
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return f"{FILE}{value}"
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{value!r} is no plain data")


def plain_copy(value: object) -> Any:
    """Return a deep copy of `value` as it is read back from JSON, with lists for tuples; see `plain` for other objects.

    Raises:
        TypeError, ValueError: JSON cannot hold the value.
    """
    return json.loads(json.dumps(value, default=plain))


def _input_error(error: ValidationError, kind: type[object], data: Any, where: str) -> InputError:
    # Report a misspelt key first: if the key is required, "field required" would hide the misspelling.
    first = min(error.errors(include_url=False), key=lambda problem: problem["type"] != "unexpected_keyword_argument")
    path = _keys(first["loc"], data, is_missing=first["type"] == "missing")
    if first["type"] == "unexpected_keyword_argument":
        *table, key = path
        place = f" of {'.'.join(table)}" if table else ""
        known = _fields_at(kind, table)
        return UnknownNameError.among(f"key{place}{f' in {where}' if where else ''}:", key, known)
    key = ".".join(path)
    value = "" if isinstance(first["input"], dict) else f", not {first['input']!r}"
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] in {"tuple_type", "list_type"} and isinstance(first["input"], dict):
        message = f"this is one table, and a list is needed; in TOML, [[{key}]] begins each of its tables"
    return InputError(f"{_prefix(where)}{_prefix(key)}{message}{value if key else ''}")


def _keys(location: Sequence[int | str], data: Any, *, is_missing: bool) -> list[str]:
    """Return the keys and indexes of a location in `data`, without the names of types that pydantic adds for unions."""
    keys = []
    for place, part in enumerate(location, start=1):
        is_index = isinstance(data, list) and part in range(len(data))
        is_key = isinstance(data, dict) and part in data
        if is_index or is_key:
            data = data[part]
        if is_index or is_key or (is_missing and place == len(location)):
            keys.append(str(part))
    return keys


def _fields_at(kind: Any, keys: Iterable[str]) -> Collection[str]:
    """Return the names of the fields of the dataclass at `keys` inside the dataclass `kind`."""
    for key in keys:
        hints = get_type_hints(kind)
        kind = next(_dataclasses_in(hints[key]), kind) if key in hints else kind  # other keys are indexes, or keys of a dict
    return tuple(getattr(kind, "__dataclass_fields__", ()))


def _dataclasses_in(hint: Any) -> Iterator[Any]:
    if isinstance(hint, type) and is_dataclass(hint):
        yield hint
    for part in get_args(hint):
        yield from _dataclasses_in(part)


def _prefix(place: str) -> str:
    return f"{place}: " if place else ""
