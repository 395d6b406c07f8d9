"""Builds chains: rows with a text and several questions of its task, whose answer slots decoders read."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dfo_prompt.lm.load import LanguageModel
from dfo_prompt.methods.slots import tasks_of
from dfo_prompt.tasks.examples import Texts
from dfo_prompt.tasks.task import Task
from dfo_prompt.tasks.template import Template


@dataclass(frozen=True, kw_only=True)
class Chain:
    """A template with a text followed by several questions.

    In a causal model a position attends only to earlier positions. A single query therefore yields the answers to all
    questions and the state at the end of the text, for little more than the tokens of one template.

    Attributes:
        task: the task with the chain as its template.
        ends: the template's prefixes up to the end of the text, of its line and of each question.
    """

    task: Task
    ends: tuple[str, ...]

    def back(self, lm: LanguageModel, texts: Texts) -> Tensor:
        """Return how many tokens before the slot each end is, (N, ends), for N texts as they are laid out.

        The distances depend on the text: some vocabularies have one token for its last character and the line break.
        """
        templates = [replace(self.task, template=end).causal for end in self.ends]
        lengths = torch.tensor([[_tokens(lm, template, text) for template in templates] for text in texts], device=lm.device)
        return lengths[:, -1:] - lengths


def chain_of(task: Task, templates: Sequence[str], *, copies: int) -> Chain:
    """Return the chain of `templates`, if any; otherwise the task's own chain, or that of its patterns.

    Raises:
        InputError: see `chained` and `tasks_of`.
    """
    if templates or task.chain is None:
        return chained(tasks_of(task, templates), copies=copies)
    return _chain(task, task.chain.text, task.chain.questions, copies)


def chained(tasks: Sequence[Task], *, copies: int) -> Chain:
    """Return the chain of the tasks' questions after the text, which is shown with the longest of their text templates.

    Raises:
        InputError: a task has no template for causal models.
    """
    bodies, questions = zip(*map(_parts, tasks), strict=True)
    return _chain(tasks[0], max(bodies, key=len), list(dict.fromkeys(filter(None, questions))), copies)


def _chain(task: Task, text: str, questions: Sequence[str], copies: int) -> Chain:
    """Return the chain of questions, one per line, after `copies` copies of a text.

    With several copies, each token of the last copy attends to the whole text (Springer et al., 2024).
    """
    shown = "\n".join([text] * copies)
    lines = ["\n".join([shown, *questions[:number]]) for number in range(1, len(questions) + 1)]
    ends = [f"{end} {{answer}}" for end in [shown, *([f"{shown}\n"] if questions else []), *lines]]
    return Chain(task=replace(task, template=ends[-1], causal_template="", patterns=()), ends=tuple(ends))


def _parts(task: Task) -> tuple[str, str]:
    """Split the causal template into the part up to its last text and the question before the answer."""
    pieces = task.without_prompt.causal.pieces
    written = [f"{{{piece}}}" if place % 2 else piece for place, piece in enumerate(pieces)]
    last = max(place for place in range(1, len(pieces), 2) if pieces[place] in task.fields)
    body, question = "".join(written[: last + 1]), "".join(written[last + 1 : -2])
    return body, question.lstrip(" \n.|").rstrip(" ")


def _tokens(lm: LanguageModel, template: Template, texts: tuple[str, ...]) -> int:
    cloze = template.render(texts)
    return len(lm.tokens(cloze.before[cloze.prompt_at :]))
