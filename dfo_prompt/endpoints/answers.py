"""Parses answers of servers with OpenAI's interface, which most servers share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, TypeVar

import numpy as np
from pydantic import Field

from dfo_prompt._util.parsing import OPEN, Finite, parse
from dfo_prompt.contracts.endpoint import Label
from dfo_prompt.endpoints.served import Answer
from dfo_prompt.errors import InputError
from dfo_prompt.types import Vector

Log = Finite
Probability = Annotated[float, Field(allow_inf_nan=False, ge=0, le=1.001)]
Tokens = Annotated[int, Field(ge=0, le=2**53)]
ROUNDING = 0.01
"""How far rounding may take a sum of probabilities from 1."""


@dataclass(frozen=True, kw_only=True)
class CachedTokens:
    """The cached part of the prompt's tokens."""

    __pydantic_config__ = OPEN
    cached_tokens: Tokens | None = 0


@dataclass(frozen=True, kw_only=True)
class TokenCounts:
    """The numbers of tokens as the server counts them."""

    __pydantic_config__ = OPEN
    prompt_tokens: Tokens
    completion_tokens: Tokens | None = 0
    prompt_tokens_details: CachedTokens | None = None

    @property
    def cached(self) -> int:
        """Return the tokens read from a cache."""
        return (self.prompt_tokens_details.cached_tokens or 0) if self.prompt_tokens_details else 0


@dataclass(frozen=True, kw_only=True)
class Likely:
    """A likely token as text with its log-probability."""

    __pydantic_config__ = OPEN
    token: str
    logprob: Log


@dataclass(frozen=True, kw_only=True)
class Position:
    """The likely tokens at a position of an answer."""

    __pydantic_config__ = OPEN
    top_logprobs: list[Likely]


@dataclass(frozen=True, kw_only=True)
class Logprobs:
    """The likely tokens at each position: `top_logprobs` in completions, `content` in chats."""

    __pydantic_config__ = OPEN
    top_logprobs: list[dict[str, Log] | None] | None = None
    content: list[Position] | None = None


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The answer to a row."""

    __pydantic_config__ = OPEN
    index: Tokens = 0
    logprobs: Logprobs | None = None

    def likely(self) -> list[tuple[str, float]]:
        """Return the likely first tokens with their log-probabilities.

        Raises:
            InputError: the answer has no log-probabilities.
        """
        if self.logprobs and self.logprobs.content and self.logprobs.content[0].top_logprobs:
            return [(entry.token, entry.logprob) for entry in self.logprobs.content[0].top_logprobs]
        if self.logprobs and self.logprobs.top_logprobs and self.logprobs.top_logprobs[0]:
            return [*self.logprobs.top_logprobs[0].items()]
        raise InputError("an answer without log-probabilities of tokens")


@dataclass(frozen=True, kw_only=True)
class Completions:
    """The answers to the rows of a request."""

    __pydantic_config__ = OPEN
    choices: list[Choice]
    usage: TokenCounts
    model: str = ""

    def answer(self, logs: Sequence[Sequence[float]], bounds: Sequence[Sequence[bool]] | None = None) -> Answer:
        """Return the scores with the server's counts of tokens."""
        figures = np.array(logs, dtype=np.float64)
        return Answer(
            logs=figures,
            bounds=np.zeros(figures.shape, dtype=bool) if bounds is None else np.array(bounds, dtype=bool),
            tokens=self.usage.prompt_tokens,
            generated=self.usage.completion_tokens or 0,
            cached=self.usage.cached,
            model=self.model,
        )


class Indexed(Protocol):
    """An answer that names its row by position."""

    @property
    def index(self) -> int:
        """Return the position of the row in its request."""


T = TypeVar("T")
Token = TypeVar("Token", bound=int | str)
Row = TypeVar("Row", bound=Indexed)


def in_order(answers: Sequence[Row], count: int) -> list[Row]:
    """Return the answers to `count` rows in the order of the rows.

    Raises:
        InputError: a row has no answer or several.
    """
    by_index = {answer.index: answer for answer in answers}
    if len(answers) != count or {*by_index} != {*range(count)}:
        raise InputError(f"{len(answers)} answers to {count} rows, or two to one of them")
    return [by_index[i] for i in range(count)]


def parsed(kind: type[T], message: Any) -> T:
    """Parse an answer of class `kind`.

    Raises:
        InputError: `message` is no such answer.
    """
    if not isinstance(message, Mapping):
        raise InputError("the body is no JSON object")
    return parse(kind, message)


def by_token(logs: Mapping[Token, float], tokens: Sequence[Token]) -> list[float]:
    """Return the log-probabilities of tokens, which are named as the server names them.

    Raises:
        InputError: a token is not listed, or the probabilities add up to more than 1.
    """
    if missing := [token for token in tokens if token not in logs]:
        raise InputError(f"no score of the token {missing[0]}; this server or version does not score given tokens")
    check_probabilities(np.exp([logs[token] for token in {*tokens}]))
    return [logs[token] for token in tokens]


def check_probabilities(probabilities: Vector) -> None:
    """Check that probabilities (C,) of different answers add up to 1 or less.

    Raises:
        InputError: they add up to more.
    """
    if probabilities.sum() > 1 + ROUNDING:
        raise InputError(f"probabilities of the labels that add up to {probabilities.sum():.2f}")


def by_text(
    likely: Sequence[tuple[str, float]], labels: Sequence[Label], *, stripped: bool
) -> tuple[list[float], list[bool]]:
    """Return the log-probabilities of labels by text, and which of them are upper bounds; see `Scores`.

    Args:
        likely: the tokens that the server lists.
        labels: the labels to score.
        stripped: whether to ignore white space around a text; the probabilities of tokens that then agree are added.
    """
    logs: dict[str, float] = {}
    for text, log in likely:
        name = text.strip() if stripped else text
        logs[name] = float(np.logaddexp(logs[name], log)) if name in logs else log
    last = min(log for _, log in likely)
    names = [label.text.strip() if stripped else label.text for label in labels]
    return [logs.get(name, last) for name in names], [name not in logs for name in names]
