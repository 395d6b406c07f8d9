"""Makes names and error messages safe to show: on the page, in Markdown and in pictures.

Names of suites, problems, entries and error messages come from whoever wrote the suite, and may hold anything.
"""

import re
from html import escape

MARKDOWN = re.compile(
    r"""[\\`*$|~]                           # escapes, code, emphasis, mathematics, table cells, strikethrough
    | (?<![^\W_])_ | _(?![^\W_])            # emphasis; underscores inside words are plain
    | (?<=\])\(                             # the target of a link
    """,
    re.VERBOSE,
)


def printable(text: str) -> str:
    r"""Return the text with control, bidirectional and unassigned characters and surrogates as escapes such as \u202e."""
    return text if text.isprintable() else "".join(map(_visible, text))


def shortened(text: str, most: int) -> str:
    """Return the text in at most `most` characters; a longer one keeps three fifths from its start, and its end."""
    head = most * 3 // 5
    return text if len(text) <= most else f"{text[:head]}…{text[len(text) - (most - head - 1) :]}"


def markdown_text(text: str) -> str:
    """Return the text for Markdown: neither HTML, nor markup, nor the end of a table cell."""
    return MARKDOWN.sub(r"\\\g<0>", escape(printable(text), quote=False))


def _visible(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()
