"""Makes labels for names in pictures and terminals: printable, short and distinct."""

from collections.abc import Iterable

from dfo_prompt.report.texts import printable, truncated

LONGEST = 36
"""The most characters of a label; longer names lose their middle."""
NOTE = f" Names of more than {LONGEST} characters lose their middle; the tables have them whole."


def labels_of(names: Iterable[str], longest: int = LONGEST) -> dict[str, str]:
    """Return the label of each name, of at most `longest` characters; equal labels are numbered."""
    labels: dict[str, str] = {}
    taken: set[str] = set()
    for name in dict.fromkeys(names):
        text, number = printable(name) or "''", 1
        label = truncated(text, longest)
        while label in taken:
            number += 1
            mark = f" ({number})"
            label = truncated(text, longest - len(mark)) + mark
        taken.add(label)
        labels[name] = label
    return labels


def note_on(names: Iterable[str]) -> str:
    """Return a sentence on truncated names, or "" if there are none."""
    return NOTE if any(len(printable(name)) > LONGEST for name in names) else ""
