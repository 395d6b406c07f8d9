"""Draws labelled training examples to show ahead of a text."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
from torch import Tensor

from dfo_prompt._util.seeding import Stream, generator
from dfo_prompt.lm.layout import template_of
from dfo_prompt.lm.load import LanguageModel
from dfo_prompt.prompt.problem import Problem
from dfo_prompt.prompt.text.rendering import demonstration
from dfo_prompt.tasks.examples import Example
from dfo_prompt.tasks.task import Task

FEWEST = 2
"""The fewest examples of a class: one is shown, and others are left to fit to."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, eq=False)
class Context:
    """Demonstrations ahead of every text.

    Attributes:
        prompt: (P, E) embeddings of their tokens.
        shown: indices of these training examples.
    """

    prompt: Tensor
    shown: tuple[int, ...]


def draw_contexts(problem: Problem, task: Task, number: int) -> list[Context]:
    """Return `number` contexts with a demonstration of each class, in random order, or of as many as fit.

    Together they may fill half of the model's input; if no demonstration fits, or a class has a single example, there is no
    context, and a warning.

    Args:
        problem: model, training examples and seed.
        task: the task, with the template of the demonstrations.
        number: number of contexts, each drawn anew.
    """
    lm, train, classes = problem.lm, problem.data.train, len(task.classes)
    counts = np.bincount([example.label for example in train])
    found: list[Context] = []
    for draw in range(number if counts.min() >= FEWEST else 0):
        order = in_turn(train, classes, generator(problem.seed, Stream.ORDER, draw))
        drawn = [(i, train[i]) for i in order[:classes]]
        shown = dict(demonstrations_within(lm, task, drawn, room=lm.max_tokens // 2))
        if shown:
            found.append(Context(prompt=lm.embed(np.concatenate([*shown.values()])), shown=tuple(shown)))
    if len(found) < number:
        logger.warning("%d of %d contexts are left out: a class has one example, or none fits", number - len(found), number)
    return found


def demonstrations_within(
    lm: LanguageModel, task: Task, examples: Sequence[tuple[int, Example]], *, room: int
) -> Iterator[tuple[int, list[int]]]:
    """Yield index and token ids of each demonstration, until one does not fit into `room` tokens."""
    for index, example in examples:
        ids = lm.tokens(demonstration(template_of(lm, task), example.texts, task.words[example.label]))
        room -= len(ids)
        if room < 0:
            return
        yield index, ids


def in_turn(examples: Sequence[Example], classes: int, rng: np.random.Generator) -> list[int]:
    """Return the indices of the examples in random order but with classes in turn, so that any prefix is balanced."""
    drawn = rng.permutation(len(examples)).tolist()
    by_class = [[i for i in drawn if examples[i].label == label] for label in rng.permutation(classes)]
    return [i for turn in zip_longest(*by_class) for i in turn if i is not None]
