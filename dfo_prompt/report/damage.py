"""Errors of one line from files that are damaged, or that something else wrote."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dfo_prompt.errors import InputError, one_line
from dfo_prompt.report.texts import printable, shortened

LONGEST = 200


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Name `path` in whatever is raised because a file below it has other content than this package writes.

    Raises:
        InputError: instead.
    """
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, OSError, RecursionError, TypeError, ValueError) as error:
        raise InputError(f"{path} is damaged: {shortened(printable(one_line(error)), LONGEST)}") from error
