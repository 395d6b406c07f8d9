"""Text decoders, the counterparts of projections: maps from z (d,) to the demonstrations and instruction of a prompt."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from dfo_prompt._util.reading import read_bytes
from dfo_prompt.config.problem import ProblemConfig
from dfo_prompt.errors import InputError
from dfo_prompt.tasks.task import Task, check_labels, find_task
from dfo_prompt.types import Json, Vector

Parts = Literal["both", "demonstrations", "instruction"]
Decoder = Literal["both", "demonstrations", "instruction", "tokens"]
TOKENS_DIM = 50
"""The default d of token substitutions: A z + p0 has hundreds of entries per token, and a study of texts few queries."""
MAX_BYTES = 2**20
"""The largest size of a file of instructions."""
ANSWERS = "{answers}"
"""The mark for the label words in an instruction."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The parts of a text prompt.

    Attributes:
        instruction: the instruction; "" for none.
        shown: indices of the demonstrations in the training split, in the order in which they are shown.
    """

    instruction: str = ""
    shown: tuple[int, ...] = ()


class TextDecoder(Protocol):
    """A map from z to the parts of a text prompt."""

    @property
    def dim(self) -> int:
        """Return d."""

    def decode(self, candidate: Vector) -> Choice:
        """Return the parts of the prompt of a candidate (d,)."""

    def longest(self, size: Callable[[str], int], demonstrations: Sequence[str]) -> Choice:
        """Return the parts of the longest prompt.

        Args:
            size: tokens of a text.
            demonstrations: each training example as a demonstration.
        """

    def describe(self) -> dict[str, Json]:
        """Return the settings that define the decoder, for manifests."""


@dataclass(frozen=True, kw_only=True)
class RandomKeys:
    """A decoder by random keys (Bean, 1994): the largest keys select demonstrations and an instruction.

    The first N coordinates are the keys of the training examples. The k examples with the largest keys are shown, in
    ascending order of keys: the largest is next to the text, where a demonstration has the most influence, and a small step
    in z changes the farthest demonstration first. The other M coordinates are the keys of the instructions. Among equal
    keys, the first counts as the largest, so that z = 0 selects the first k examples and the first instruction. Only the
    ranks of keys matter, not their scale.

    Attributes:
        examples: N; z has no coordinates for examples if there are no demonstrations.
        demonstrations: k.
        instructions: the M instructions; z has no coordinates for them if M is below 2.

    Raises:
        InputError: there are too many demonstrations, or nothing to select.
    """

    examples: int
    demonstrations: int
    instructions: tuple[str, ...] = ("",)

    def __post_init__(self) -> None:
        if not 0 <= self.demonstrations <= self.examples:
            raise InputError(f"demonstrations must be between 1 and the {self.examples} training examples")
        if not self.dim:
            raise InputError("there is nothing to select: give demonstrations, or two instructions")

    @property
    def dim(self) -> int:
        """Return d = N + M."""
        return self._keys + (len(self.instructions) if len(self.instructions) > 1 else 0)

    def decode(self, candidate: Vector) -> Choice:
        """Return the parts of the prompt of a candidate (d,).

        Raises:
            ValueError: the candidate has another shape, or is not finite.
        """
        z = np.asarray(candidate, dtype=np.float64)
        if z.shape != (self.dim,) or not np.isfinite(z).all():
            raise ValueError(f"the candidate has shape {z.shape} or is not finite; {self.dim} keys are needed")
        keys, others = z[: self._keys], z[self._keys :]
        largest = np.argsort(-keys, kind="stable")[: self.demonstrations]
        instruction = self.instructions[int(np.argmax(others)) if len(others) else 0] if self.instructions else ""
        return Choice(instruction=instruction, shown=tuple(largest[::-1].tolist()))

    def longest(self, size: Callable[[str], int], demonstrations: Sequence[str]) -> Choice:
        """Return the longest instruction and the longest demonstrations."""
        sizes = [size(text) for text in demonstrations]
        order = sorted(range(len(sizes)), key=sizes.__getitem__, reverse=True)
        instruction = max(self.instructions, key=lambda text: size(text) if text else 0)
        return Choice(instruction=instruction, shown=tuple(order[: self.demonstrations]))

    def describe(self) -> dict[str, Json]:
        """Return the numbers of demonstrations and instructions, and a hash of the instructions."""
        pool = hashlib.sha256("\n".join(self.instructions).encode()).hexdigest()[:16]
        return {"demonstrations": self.demonstrations, "instructions": len(self.instructions), "pool_fingerprint": pool}

    @property
    def _keys(self) -> int:
        return self.examples if self.demonstrations else 0


def random_keys(task: Task, *, examples: int, parts: Parts, demonstrations: int, instructions: Path | None) -> RandomKeys:
    """Build the decoder by random keys.

    Args:
        task: the task, whose label words replace {answers} in instructions.
        examples: number of training examples.
        parts: parts that z selects.
        demonstrations: k.
        instructions: text file with one instruction per line; by default a few that suit any task. An empty instruction is
            always one of the choices.

    Raises:
        InputError: there are too few or too many demonstrations, or the file cannot be read or has no instruction.
    """
    if parts != "instruction" and demonstrations < 1:
        raise InputError(f'demonstrations must be between 1 and {examples}; for none set decoder = "instruction"')
    if parts == "demonstrations" and instructions:
        raise InputError('the decoder "demonstrations" takes no instructions; leave one out')
    pool = [] if parts == "demonstrations" else read_instructions(instructions)
    filled = dict.fromkeys(["", *(with_answers(line, task) for line in pool)])
    return RandomKeys(
        examples=examples, demonstrations=0 if parts == "instruction" else demonstrations, instructions=tuple(filled)
    )


def with_answers(instruction: str, task: Task) -> str:
    """Return an instruction with the label words in place of {answers}."""
    *others, last = task.words
    return instruction.replace(ANSWERS, f"{', '.join(others)} or {last}")


def read_instructions(path: Path | None) -> Sequence[str]:
    """Return the non-blank lines of a file; for None, those of the built-in pool.

    Raises:
        InputError: the file cannot be read, or has no such line.
    """
    raw = read_bytes(path, most=MAX_BYTES) if path else files(__package__).joinpath("instructions.txt").read_bytes()
    try:
        lines = [line.strip() for line in raw.decode("utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise InputError(f"cannot read {path}: it is not UTF-8") from error
    if not lines:
        raise InputError(f"{path} has no instruction; write one per line")
    return lines


def text_dim(
    *,
    problem: ProblemConfig,
    demonstrations: int = 3,
    instructions: Path | None = None,
    decoder: Decoder = "both",
) -> int:
    """Return the dimension of the objective "text-prompt" in these settings, without reading model or data.

    Token substitutions take any dimension, and have one by default.

    Raises:
        InputError: a name is unknown, or a value is invalid.
    """
    if decoder == "tokens":
        return TOKENS_DIM
    task = check_labels(find_task(problem.task))
    examples = problem.shots * len(task.classes)
    return random_keys(task, examples=examples, parts=decoder, demonstrations=demonstrations, instructions=instructions).dim
