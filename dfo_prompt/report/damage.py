"""Turns errors from damaged or foreign files into one-line errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dfo_prompt.errors import InputError, one_line
from dfo_prompt.report.texts import printable, truncated

LONGEST = 200


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Report errors caused by unexpected file contents as damage of `path`.

    Raises:
        InputError: the block raised such an error.
    """
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, OSError, RecursionError, TypeError, ValueError) as error:
        raise InputError(f"{path} is damaged: {truncated(printable(one_line(error)), LONGEST)}") from error
