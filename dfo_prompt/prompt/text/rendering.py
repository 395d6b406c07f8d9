"""Renders text prompts: the instruction, the demonstrations, and the example to answer."""

from collections.abc import Sequence
from functools import cached_property

from dfo_prompt.prompt.text.decoders import Choice
from dfo_prompt.tasks.examples import Example
from dfo_prompt.tasks.task import Task
from dfo_prompt.tasks.template import Template

SEPARATOR = "\n\n"


def demonstration(template: Template, texts: Sequence[str], word: str) -> str:
    """Return an example with its label word and the separator."""
    cloze = template.render(texts)
    return f"{cloze.before}{template.gap}{word}{cloze.after}{SEPARATOR}"


class Rendering:
    """Renders the text prompts of a task for decoder-only models.

    Args:
        task: task with template and label words.
        examples: training examples, which can be demonstrations.
    """

    def __init__(self, task: Task, examples: Sequence[Example]) -> None:
        self._template = task.without_prompt.causal
        self._examples, self._words = examples, task.words

    @cached_property
    def demonstrations(self) -> tuple[str, ...]:
        """Return each example as a demonstration."""
        return tuple(demonstration(self._template, example.texts, self._words[example.label]) for example in self._examples)

    def ahead(self, choice: Choice, *, without: int | None = None) -> str:
        """Return instruction and demonstrations, except for the training example with index `without`."""
        instruction = f"{choice.instruction}{SEPARATOR}" if choice.instruction else ""
        return instruction + "".join(self.demonstrations[i] for i in choice.shown if i != without)

    def before_answer(self, texts: Sequence[str]) -> str:
        """Return an example up to its answer slot."""
        return self._template.render(texts).before

    def whole(self, choice: Choice) -> str:
        """Return the prompt for display, with the marks of the template in place of an example."""
        return self.ahead(choice) + self.before_answer([f"{{{name}}}" for name in self._template.fields])
