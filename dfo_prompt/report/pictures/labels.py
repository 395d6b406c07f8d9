"""Names as they are drawn: literal, in characters that the font has, short, and different from each other."""

from collections.abc import Iterable

from matplotlib.font_manager import FontProperties, findfont, get_font

from dfo_prompt.report.texts import printable, shortened

LONGEST = 36
"""Characters of a name in a picture; longer names lose their middle."""
NOTE = f" Names of more than {LONGEST} characters lose their middle; the tables have them whole."


def labels_of(names: Iterable[str]) -> dict[str, str]:
    """Return the label of each name; names that would look the same are numbered."""
    labels: dict[str, str] = {}
    taken: set[str] = set()
    for name in dict.fromkeys(names):
        label, number = first, _ = _label(name), 1
        while label in taken:
            number += 1
            label = f"{first} ({number})"
        taken.add(label)
        labels[name] = label
    return labels


def note_on(names: Iterable[str]) -> str:
    """Return a sentence on shortened names, if there are any."""
    return NOTE if any(len(_drawable(name)) > LONGEST for name in names) else ""


def _label(name: str) -> str:
    text = shortened(_drawable(name), LONGEST).replace("$", r"\$")  # not mathematics
    return f" {text}" if text.startswith("_") else text or "''"  # a legend leaves out what begins with an underscore


def _drawable(name: str) -> str:
    known = get_font(findfont(FontProperties())).get_charmap()
    return "".join(one if ord(one) in known else one.encode("unicode_escape").decode() for one in printable(name))
