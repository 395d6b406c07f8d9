"""Reads files and paths that a user names; every fault becomes an InputError."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from dfo_prompt.errors import InputError


def read_bytes(path: Path, *, most: int | None = None, kind: type[InputError] = InputError) -> bytes:
    """Read a file of at most `most` bytes.

    Raises:
        InputError: the file is missing, unreadable or too large; the class is `kind`.
    """
    try:
        with path.open("rb") as file:
            data = file.read(-1 if most is None else most + 1)
    except OSError as error:
        raise kind(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:  # a NUL in the name
        raise kind(f"cannot read {path}: {error}") from error
    if most is not None and len(data) > most:
        raise kind(f"cannot read {path}: it has more than {most:,} bytes, so it is another kind of file")
    return data


def exists(path: Path) -> bool:
    """Tell whether a file or folder exists; False for an inaccessible or invalid path."""
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that is too long, a folder without permission
        return False


def from_home(path: Path | str) -> Path:
    """Return the path with a leading "~" replaced by the home folder, if it exists."""
    with suppress(RuntimeError):  # an unknown user
        return Path(path).expanduser()
    return Path(path)


def absolute(path: Path) -> Path:
    """Return the absolute path, keeping the file's own name if it is a link, as the link's target may lack the suffix.

    Raises:
        InputError: the path holds a NUL, or its folders are a cycle of links.
    """
    try:
        if "\0" in str(path):
            raise ValueError("embedded null byte")  # noqa: TRY301 - the wording of the system
        return path.parent.resolve() / path.name if path.name not in ("", "..") else path.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"there can be no path {path}: {error}") from error


def refuse_constant(name: str) -> float:
    """Refuse NaN and Infinity, which are no JSON; for `parse_constant`.

    Raises:
        ValueError: always.
    """
    raise ValueError(f"{name} is no value of JSON")


def unique_keys(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return the pairs as a dictionary; a hook for `json.loads`, which would accept repeated keys.

    Raises:
        ValueError: a key occurs twice.
    """
    values = dict(pairs)
    if len(values) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for i, key in enumerate(keys) if key in keys[:i])!r} occurs twice")
    return values
