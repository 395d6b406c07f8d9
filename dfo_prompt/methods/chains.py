"""Chains: one row in which a text is followed by several questions of its task, for decoders that read each."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dfo_prompt.lm.layout import lay_out
from dfo_prompt.lm.load import LanguageModel
from dfo_prompt.methods.slots import tasks_of
from dfo_prompt.tasks.examples import Texts
from dfo_prompt.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class Chain:
    """A template that shows a text and asks several questions, one after the other.

    A causal model sees only what stands ahead of a place. So one query gives as much as one a template, and the state at the
    end of the text besides, for little more than the tokens of one.

    Attributes:
        task: with the chain as its template.
        ends: the template up to the end of the text, of its line, and of each question.
    """

    task: Task
    ends: tuple[str, ...]

    def back(self, lm: LanguageModel, texts: Texts) -> tuple[int, ...]:
        """Return how many tokens ahead of the slot each of the ends is, told by the shortest of some texts."""
        shortest = min(texts, key=lambda fields: sum(map(len, fields)))  # which no model has to cut
        lengths = [_tokens(lm, self.task, end, shortest) for end in self.ends]
        return tuple(lengths[-1] - length for length in lengths)


def chain_of(task: Task, templates: Sequence[str], *, copies: int) -> Chain:
    """Return a task's own chain; that of some templates, where there are any; else that of its patterns.

    Raises:
        InputError: see `chained` and `tasks_of`.
    """
    if templates or task.chain is None:
        return chained(tasks_of(task, templates), copies=copies)
    return _chain(task, task.chain.text, task.chain.questions, copies)


def chained(tasks: Sequence[Task], *, copies: int) -> Chain:
    """Return the chain of the questions of some tasks, behind the text as the task shows it that says most around it.

    Raises:
        InputError: a task has no template for causal models.
    """
    bodies, questions = zip(*map(_parts, tasks), strict=True)
    return _chain(tasks[0], max(bodies, key=len), list(dict.fromkeys(filter(None, questions))), copies)


def _chain(task: Task, text: str, asked: Sequence[str], copies: int) -> Chain:
    """Return the chain of some questions, a line each, behind a text, which is shown `copies` times.

    Where there is more than one copy, each token of the last has seen the whole text (Springer et al., 2024).
    """
    shown = "\n".join([text] * copies)
    lines = ["\n".join([shown, *asked[:number]]) for number in range(1, len(asked) + 1)]
    ends = [f"{end}{{answer}}" for end in [shown, *([f"{shown}\n"] if asked else []), *lines]]
    return Chain(task=replace(task, template=ends[-1], causal_template="", patterns=()), ends=tuple(ends))


def _parts(task: Task) -> tuple[str, str]:
    """Return the causal template up to its last text, and what is asked between that and the answer."""
    pieces = task.causal.pieces
    written = [f"{{{piece}}}" if place % 2 else piece for place, piece in enumerate(pieces)]
    last = max(place for place in range(1, len(pieces), 2) if pieces[place] in task.fields)
    body, question = ("".join(part).replace("{prompt}", "") for part in (written[: last + 1], written[last + 1 : -2]))
    return body, question.lstrip(" \n.|").rstrip(" ")


def _tokens(lm: LanguageModel, task: Task, template: str, texts: tuple[str, ...]) -> int:
    return len(lay_out(lm, replace(task, template=template), texts, prompt_tokens=0).right)
