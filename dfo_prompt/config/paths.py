"""Paths in configuration: text that names a file becomes a path relative to the file that contains the text.

Plain data marks a path as "file:PATH". Parsing makes paths absolute; stored files hold them relative to their own folder, so
that a project can be moved and no manifest reveals a user's folders.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, is_dataclass
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

from pydantic import AfterValidator

from dfo_prompt._util.parsing import FILE
from dfo_prompt._util.reading import absolute as from_root
from dfo_prompt._util.reading import exists, from_home


@dataclass(frozen=True, kw_only=True)
class NamesFile:
    """Marks an annotation for text that is a path if `rule(text, base)` holds, and a name otherwise.

    An annotation `pathlib.Path` needs no mark: its text is always a path.
    """

    rule: Callable[[str, Path], bool]


def _unmarked(value: str | Path | None) -> str | Path | None:
    text = str(value)
    return Path(text.removeprefix(FILE)) if text.startswith(FILE) else value


def _is_model(text: str, base: Path) -> bool:
    return text.startswith((".", "~")) or text.endswith(".gguf") or exists(base / text / "config.json")


FilePath = Annotated[Path, AfterValidator(_unmarked)]
"""The path of a file or folder."""
TaskName = Annotated[str | Path, NamesFile(rule=lambda text, _: text.endswith(".toml")), AfterValidator(_unmarked)]
"""The name of a task, or the path of a task file, which ends in ".toml"."""
ModelName = Annotated[str | Path, NamesFile(rule=_is_model), AfterValidator(_unmarked)]
"""The name of a model, or the path of its folder or GGUF file: text that begins with "." or "~", ends in ".gguf", or names a
model folder relative to the file that contains the text."""
Start = Annotated[str | Path, NamesFile(rule=lambda *_: False), AfterValidator(_unmarked)]
"""A kind of initial prompt, or "file:PATH"."""


def located(hint: Any, value: Any, base: Path) -> Any:
    """Return plain data in which every path is marked and absolute.

    Args:
        hint: annotation of `value`: a dataclass, a sequence, `Path`, or an alias of this module; it decides what is a path.
        value: plain data.
        base: folder that relative paths are resolved against.
    """
    if isinstance(value, str):
        return _absolute(value, base) if value.startswith(FILE) or _names_file(hint, value, base) else value
    if isinstance(value, list | tuple):
        return [located(next(iter(get_args(bare(hint))), None), item, base) for item in value]
    if isinstance(value, Mapping):
        hints = _fields(bare(hint))
        return {key: located(hints.get(key), item, base) for key, item in value.items()}
    return value


def portable(data: Any, folder: Path) -> Any:
    """Return plain data with paths relative to `folder`, for storage in it."""
    return _paths(data, lambda path: FILE + Path(os.path.relpath(path, folder.absolute())).as_posix())


def absolute(data: Any, folder: Path) -> Any:
    """Return plain data with paths made absolute again; the inverse of `portable`."""
    return _paths(data, lambda path: _absolute(path, folder))


def by_name(data: Any) -> Any:
    """Return plain data with files reduced to their names and URLs to their paths.

    The location of a file or server is not part of a study's identity.
    """
    return _paths(_urls(data), lambda path: Path(path).name)


def _paths(data: Any, change: Callable[[str], str]) -> Any:
    if isinstance(data, str):
        return change(data.removeprefix(FILE)) if data.startswith(FILE) else data
    if isinstance(data, Mapping):
        return {key: _paths(value, change) for key, value in data.items()}
    return [_paths(item, change) for item in data] if isinstance(data, list | tuple) else data


def _urls(data: Any) -> Any:
    if isinstance(data, str):
        return urlsplit(data).path if data.startswith(("http://", "https://")) else data
    if isinstance(data, Mapping):
        return {key: _urls(value) for key, value in data.items()}
    return [_urls(item) for item in data] if isinstance(data, list | tuple) else data


def _absolute(text: str, base: Path) -> str:
    return f"{FILE}{from_root(base / from_home(text.removeprefix(FILE)))}"


def _names_file(hint: Any, text: str, base: Path) -> bool:
    if get_origin(hint) is Annotated:
        rules = [mark.rule for mark in hint.__metadata__ if isinstance(mark, NamesFile)]
        return rules[0](text, base) if rules else _names_file(hint.__origin__, text, base)
    if get_origin(hint) in (Union, UnionType):
        return str not in get_args(hint) and any(_names_file(part, text, base) for part in get_args(hint))
    return hint is Path


@cache
def _fields(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True) if is_dataclass(kind) else {}


def bare(hint: Any) -> Any:
    """Return the annotation without `Annotated` and `None`."""
    if get_origin(hint) is Annotated:
        return bare(hint.__origin__)
    if get_origin(hint) in (Union, UnionType):
        return next((bare(part) for part in get_args(hint) if part is not type(None)), None)
    return hint
