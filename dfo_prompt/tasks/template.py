"""Templates, which turn an example into a text with an answer slot."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

FIELDS = {1: ("text",), 2: ("text_a", "text_b")}
"""Field names of examples with one text and with two."""
MARKS = ("text", "text_a", "text_b", "answer", "prompt")
_MARK = re.compile(r"\{(\w+)\}")


def marks_in(text: str) -> list[str]:
    """Return the names in braces, known or not."""
    return _MARK.findall(text)


@dataclass(frozen=True, kw_only=True)
class Cloze:
    """An example rendered as the text around the answer slot.

    Attributes:
        before: text ahead of the slot, without the template's `gap`.
        after: text behind the slot; "" if the slot is last.
        prompt_at: position of the soft prompt, as a number of characters of `before`; 0 without a {prompt} mark.
    """

    before: str
    after: str
    prompt_at: int = 0


@dataclass(frozen=True, kw_only=True)
class Template:
    """A parsed template.

    Attributes:
        pieces: literals at even indices and marks at odd ones; the first and the last piece are literals.
    """

    pieces: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a template with {text}, or {text_a} and {text_b}; one {answer}; and optionally {prompt} ahead of it.

        Other braces are literal text.

        Raises:
            ValueError: a mark is unknown, missing, repeated or out of place.
        """
        template = cls(pieces=tuple(_MARK.split(text)))
        marks = template.marks
        if unknown := [mark for mark in marks if mark not in MARKS]:
            raise ValueError(f"unknown mark {{{unknown[0]}}}; known: {', '.join(f'{{{mark}}}' for mark in MARKS)}")
        if marks.count("answer") != 1:
            raise ValueError(f"it needs one {{answer}} slot, not {marks.count('answer')}")
        if marks.count("prompt") > 1 or "prompt" in marks[marks.index("answer") :]:
            raise ValueError("it can have one {prompt}, ahead of {answer}")
        if set(marks) - {"answer", "prompt"} not in map(set, FIELDS.values()):
            raise ValueError("it needs {text}, or {text_a} and {text_b}")
        return template

    @property
    def marks(self) -> tuple[str, ...]:
        """Return the marks in order."""
        return self.pieces[1::2]

    @property
    def fields(self) -> tuple[str, ...]:
        """Return the names of an example's texts: ("text",) or ("text_a", "text_b")."""
        return FIELDS[2 if "text_a" in self.marks else 1]

    @property
    def gap(self) -> str:
        """Return the spaces right ahead of the slot, which belong to the label word: " word" and "word" are two tokens."""
        literal = self.pieces[self._index("answer") - 1]
        return literal[len(literal.rstrip(" ")) :]

    @property
    def around(self) -> tuple[str, str]:
        """Return the template ahead of the slot, without `gap` and {prompt}, and behind it; text marks are kept."""
        slot = self._index("answer")
        marks = {mark: f"{{{mark}}}" for mark in self.fields}
        before = self._fill(0, slot, marks).removesuffix(self.gap)
        return before, self._fill(slot + 1, len(self.pieces), marks)

    @property
    def slot_is_last(self) -> bool:
        """Tell whether nothing follows the slot, which decoder-only models require."""
        return self.pieces[self._index("answer") + 1 :] == ("",)

    def render(self, texts: Sequence[str]) -> Cloze:
        """Fill in the texts of an example, in the order of `fields`; braces in them are literal text."""
        values = dict(zip(self.fields, texts, strict=True))
        slot = self._index("answer")
        return Cloze(
            before=self._fill(0, slot, values).removesuffix(self.gap),
            after=self._fill(slot + 1, len(self.pieces), values),
            prompt_at=len(self._fill(0, self._index("prompt"), values)) if "prompt" in self.marks else 0,
        )

    @property
    def with_prompt_behind(self) -> str:
        """Return the template with {prompt} right behind the last text ahead of the slot, or without it if there is none."""
        ahead = self.pieces[: self._index("answer")]
        last = max((index for index in range(1, len(ahead), 2) if ahead[index].startswith("text")), default=0)
        marks = {0: ""} | {index: f"{{{mark}}}" for index, mark in enumerate(self.pieces) if index % 2 and mark != "prompt"}
        marks[last] += "{prompt}" if last else ""
        return "".join(marks.get(index, "") if index % 2 else piece for index, piece in enumerate(self.pieces))

    def words(self, labels: Sequence[str]) -> tuple[str, ...]:
        """Return the label words with the gap, as they follow `Cloze.before`: " Business"."""
        return tuple(self.gap + label for label in labels)

    def _index(self, mark: str) -> int:
        return 2 * self.marks.index(mark) + 1

    def _fill(self, start: int, stop: int, values: dict[str, str]) -> str:
        return "".join(values.get(self.pieces[i], "") if i % 2 else self.pieces[i] for i in range(start, stop))
