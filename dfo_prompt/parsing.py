"""Strict parsing of TOML files and plain data into frozen dataclasses, with errors of one line."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import ConfigDict, TypeAdapter, ValidationError

from dfo_prompt.errors import InputError, UnknownNameError

T = TypeVar("T")

STRICT = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True)
"""For `__pydantic_config__` of a dataclass that is parsed: unknown keys and "0" for a number are errors."""


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        InputError: it is missing, unreadable or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid TOML: {error}") from error


def parse(kind: type[T], data: Mapping[str, Any], *, where: str) -> T:
    """Build the dataclass `kind` from plain data; `where` is named in errors.

    Raises:
        InputError: the first thing that is wrong, by its key; a misspelt key gets a suggestion.
    """
    try:
        # Through JSON, because strict mode takes a list for a tuple there, and an int for a float, but no "0" for a number.
        parsed: T = TypeAdapter(kind).validate_json(json.dumps(data, default=_plain))
        return parsed
    except ValidationError as error:
        raise _one_line(error, kind, where) from error


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else str(value)


def _one_line(error: ValidationError, kind: type[object], where: str) -> InputError:
    # A misspelt key first: where it is a needed one, "field required" would point away from it.
    first = min(error.errors(include_url=False), key=lambda one: one["type"] != "unexpected_keyword_argument")
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "unexpected_keyword_argument" and len(first["loc"]) == 1:
        return UnknownNameError.among(f"key in {where}:", key, getattr(kind, "__dataclass_fields__", {}))
    given = "" if isinstance(first["input"], dict) else f", not {first['input']!r}"
    message = first["msg"].removeprefix("Value error, ")
    return InputError(f"{where}: {key}: {message}{given}" if key else f"{where}: {message}")
