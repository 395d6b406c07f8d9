"""Token substitutions near z: from A z + p0 to the instruction whose tokens are nearest to it."""

import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import normalize

from dfo_prompt.config.prompt import PromptConfig
from dfo_prompt.errors import InputError, ModelError
from dfo_prompt.lm.load import LanguageModel
from dfo_prompt.prompt.initial import project_of, shallow_projection
from dfo_prompt.prompt.problem import Problem
from dfo_prompt.prompt.projections.affine import Projection
from dfo_prompt.prompt.text.decoders import Choice, with_answers
from dfo_prompt.types import Json, Vector

TEXT = "text:"
"""The prefix of an instruction in prompt.start."""
LOOKS = 8
"""The number of random candidates that test whether the projection changes any token."""


class Substitutions:
    """An instruction of L tokens, each the nearest to its place in A z + p0, as in hard prompts (PEZ: Wen et al., 2023).

    The nearest token is that of the largest cosine between embeddings, so that z = 0, whose prompt p0 consists of the
    embeddings of a text, is that text. The tokens of this text and whole words of the vocabulary can be chosen: letters and
    digits that stay one token when they are written out and read again. If the nearest tokens together would be read as
    others, they are chosen again from the left, each the nearest that leaves the text so far with its tokens. A model with
    this tokenizer therefore reads the chosen tokens; the last of them may merge with the line break that follows.

    Args:
        lm: model with the tokenizer and the embeddings.
        start: the instruction of z = 0.
        project: projection from candidates (B, d) to prompts (B, L, E).
        dim: d.

    Raises:
        InputError: the tokenizer does not give the start back as it is written.
    """

    def __init__(self, lm: LanguageModel, start: str, project: Projection, dim: int) -> None:
        self.dim = dim
        self._lm, self._project, self._start = lm, project, lm.tokens(start)
        if not self._start or _written(lm, self._start) != start or not self._survives(self._start):
            raise InputError(f"the tokenizer of {lm.name!r} does not give {start!r} back as written; write it otherwise")
        self._ids = np.union1d(_words(lm), self._start)  # (V,)
        self._embeddings = normalize(lm.embed(self._ids))  # (V, E)

    def decode(self, candidate: Vector) -> Choice:
        """Return the instruction of a candidate (d,).

        Raises:
            ValueError: it has another shape, or is not finite.
        """
        z = np.asarray(candidate, dtype=np.float64)
        if z.shape != (self.dim,) or not np.isfinite(z).all():
            raise ValueError(f"a candidate of shape {z.shape}, or not finite, where {self.dim} numbers are needed")
        near = self._nearness(z)
        ids = self._ids[near.argmax(dim=1).cpu().numpy()].tolist()
        if not self._survives(ids):
            ids = self._from_the_left(lambda place: self._ranked(near[place]))
        return Choice(instruction=_written(self._lm, ids))

    def longest(self, size: Callable[[str], int], demonstrations: Sequence[str]) -> Choice:  # noqa: ARG002 - shows none
        """Return the instruction with the longest words."""
        lengths = np.array([len(text.encode()) for text in _each(self._lm, self._ids)])
        order = self._ids[np.argsort(-lengths, kind="stable")].tolist()
        return Choice(instruction=_written(self._lm, self._from_the_left(lambda _: order)))

    def describe(self) -> dict[str, Json]:
        """Return the similarity, the number of tokens, and the size of the vocabulary."""
        return {"nearness": "cosine", "instruction_tokens": len(self._start), "vocabulary": len(self._ids)}

    @torch.inference_mode()
    def _nearness(self, z: Vector) -> Tensor:
        """Return the cosines (L, V), each row scaled by the norm of its prompt token."""
        return self._project(z[None])[0] @ self._embeddings.T

    def _ranked(self, near: Tensor) -> Iterable[int]:
        order: list[int] = self._ids[near.argsort(descending=True, stable=True).cpu().numpy()].tolist()
        return order

    def _from_the_left(self, ranked: Callable[[int], Iterable[int]]) -> list[int]:
        """Return at each place the first token that survives behind those chosen; the start if none does at some place."""
        ids: list[int] = []
        for place in range(len(self._start)):
            found = next((token for token in ranked(place) if self._survives([*ids, token])), None)
            if found is None:
                return self._start
            ids.append(found)
        return ids

    def _survives(self, ids: list[int]) -> bool:
        """Tell whether tokens are the same after they are written out and read; a text has no space at its ends."""
        text = _written(self._lm, ids)
        return text == text.strip() and self._lm.tokens(text) == ids


def substitutions(problem: Problem, prompt: PromptConfig, dim: int) -> tuple[Substitutions, dict[str, Json]]:
    """Build the decoder, and return it with the hashes of files that it is read from.

    Raises:
        InputError: the start or the projection is bad, or `dim` is larger than the prompt.
    """
    lm = problem.lm
    text = with_answers(str(prompt.start).removeprefix(TEXT).strip(), problem.task)
    project, about = project_of(problem, prompt)
    start = lm.embed(np.array(lm.tokens(text), dtype=np.int64))
    found = Substitutions(lm, text, shallow_projection(lm, start, dim, project), dim)
    looks = np.random.default_rng(problem.seed).standard_normal((LOOKS, dim))
    if all(found.decode(z).instruction == text for z in looks):
        said = f"{LOOKS} random candidates of deviation 1 are all the instruction that was given"
        logging.getLogger(__name__).warning("%s; raise prompt.projection_options.alpha", said)
    return found, about


def check_start(start: str | Path, instructions: Path | None) -> None:
    """Refuse settings that the decoder "tokens" cannot start from.

    Raises:
        InputError: the start is no text, or there is a pool of instructions.
    """
    if instructions:
        raise InputError('the decoder "tokens" takes no instructions; set prompt.start = "text:WORDS" instead')
    if not isinstance(start, str) or not start.startswith(TEXT) or not start.removeprefix(TEXT).strip():
        raise InputError('the decoder "tokens" starts from an instruction; set prompt.start = "text:WORDS"')


def _words(lm: LanguageModel) -> npt.NDArray[np.int64]:
    """Return the tokens that are words, with a space ahead or without, and the same when they are written and read."""
    ids = np.setdiff1d(np.arange(lm.vocabulary), lm.tokenizer.all_special_ids)
    kept = [(token, text) for token, text in zip(ids.tolist(), _each(lm, ids), strict=True) if text.strip(" ").isalnum()]
    if not kept:
        raise ModelError(f"the vocabulary of {lm.name!r} has no words")
    read = lm.tokenizer([text for _, text in kept], add_special_tokens=False).input_ids
    return np.array([token for (token, _), again in zip(kept, read, strict=True) if list(again) == [token]], dtype=np.int64)


def _each(lm: LanguageModel, ids: npt.NDArray[np.int64]) -> list[str]:
    """Return each token as it is written alone."""
    return list(lm.tokenizer.batch_decode(ids[:, None].tolist(), clean_up_tokenization_spaces=False))


def _written(lm: LanguageModel, ids: Sequence[int]) -> str:
    return str(lm.tokenizer.decode(list(ids), clean_up_tokenization_spaces=False))
