"""Texts from what a decoder chose: the instruction, the demonstrations, and the example that is asked about."""

from collections.abc import Sequence
from functools import cached_property

from dfo_prompt.prompt.text.decoders import Choice
from dfo_prompt.tasks.examples import Example
from dfo_prompt.tasks.task import Task
from dfo_prompt.tasks.template import Template

SEPARATOR = "\n\n"


def demonstration(template: Template, texts: Sequence[str], word: str) -> str:
    """Return an example with its label word, and what separates it from the next."""
    cloze = template.render(texts)
    return f"{cloze.before}{template.gap}{word}{cloze.after}{SEPARATOR}"


class Rendering:
    """Renders prompts of a task by its template for models that go on with a text.

    Args:
        task: template and label words.
        examples: what demonstrations are chosen from.
    """

    def __init__(self, task: Task, examples: Sequence[Example]) -> None:
        self._template = Template(pieces=_without_prompt(task.causal))
        self._examples, self._words = examples, task.words

    @cached_property
    def demonstrations(self) -> tuple[str, ...]:
        """Return the examples as they are shown."""
        return tuple(demonstration(self._template, example.texts, self._words[example.label]) for example in self._examples)

    def ahead(self, choice: Choice, *, without: int | None = None) -> str:
        """Return what stands ahead of an example: instruction and demonstrations, but for the one at place `without`."""
        instruction = f"{choice.instruction}{SEPARATOR}" if choice.instruction else ""
        return instruction + "".join(self.demonstrations[i] for i in choice.shown if i != without)

    def asked(self, texts: Sequence[str]) -> str:
        """Return an example up to its answer."""
        return self._template.render(texts).before

    def whole(self, choice: Choice) -> str:
        """Return the prompt as a person reads it: in place of the example stand the marks of the task's template."""
        return self.ahead(choice) + self.asked([f"{{{name}}}" for name in self._template.fields])


def _without_prompt(template: Template) -> tuple[str, ...]:
    """Return the pieces of a template without the mark of a soft prompt."""
    pieces = template.pieces
    if "prompt" not in template.marks:
        return pieces
    at = 2 * template.marks.index("prompt") + 1
    return (*pieces[: at - 1], pieces[at - 1] + pieces[at + 1], *pieces[at + 2 :])
