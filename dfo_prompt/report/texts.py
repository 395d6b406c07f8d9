"""Formats texts for the page, Markdown, pictures and terminals.

Names of suites, problems and entries, and error messages, are arbitrary input.
"""

import re
from collections.abc import Iterable, Sequence
from html import escape

from dfo_prompt.errors import visible

NAMED = 3
"""The most names that a sentence lists."""
ROUNDING = 1e-6
MARKDOWN = re.compile(
    r"""[\\`*$|~]                           # escapes, code, emphasis, mathematics, table cells, strikethrough
    | (?<![^\W_])_ | _(?![^\W_])            # emphasis; underscores inside words are plain
    | (?<=\])\(                             # the target of a link
    """,
    re.VERBOSE,
)


def printable(text: str) -> str:
    r"""Return the text with control, bidirectional and unassigned characters and surrogates as escapes such as \u202e."""
    return text if text.isprintable() else "".join(map(visible, text))


def truncated(text: str, most: int) -> str:
    """Return the text in at most `most` characters; a longer text keeps three fifths from its start, and its end."""
    head = most * 3 // 5
    return text if len(text) <= most else f"{text[:head]}…{text[len(text) - (most - head - 1) :]}"


def counted(number: int, noun: str) -> str:
    """Return "1 seed", "2 seeds" or "2 studies"."""
    plural = f"{noun.removesuffix('y')}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def are_shares(values: Iterable[float | None]) -> bool:
    """Tell whether all known values lie within 0 and 1, so that they can be shown in percent."""
    return all(-ROUNDING <= value <= 1 + ROUNDING for value in values if value is not None)


def named(names: Sequence[str]) -> Sequence[str]:
    """Return the names that a sentence lists: of a long list, the first."""
    return names[:NAMED] if len(names) > NAMED + 1 else names


def listed(names: Sequence[str]) -> str:
    """Return the names as text; of a long list, the first names and the number of the others."""
    first = named(names)
    *most, last = first if len(first) == len(names) else [*first, f"{len(names) - NAMED} more"]
    return f"{', '.join(most)} and {last}" if most else last


def markdown_text(text: str) -> str:
    """Return the text escaped for Markdown: no HTML, markup or table cells."""
    return MARKDOWN.sub(r"\\\g<0>", escape(printable(text), quote=False))
