"""What servers answer, in the form that OpenAI's interface has given to most of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import ConfigDict, Field

from dfo_prompt._util.parsing import parse
from dfo_prompt.contracts.endpoint import Label
from dfo_prompt.endpoints.served import Answer
from dfo_prompt.errors import InputError

OPEN = ConfigDict(extra="ignore", strict=True)
"""For what a server says: there is always more of it."""
Log = Annotated[float, Field(allow_inf_nan=False)]
Probability = Annotated[float, Field(allow_inf_nan=False, ge=0, le=1.001)]
Tokens = Annotated[int, Field(ge=0, le=2**53)]
SMALLEST = float(np.finfo(np.float32).tiny)
"""What a probability of zero is below of."""


@dataclass(frozen=True, kw_only=True)
class CachedTokens:
    """Details of tokens."""

    __pydantic_config__ = OPEN
    cached_tokens: Tokens | None = 0


@dataclass(frozen=True, kw_only=True)
class Bill:
    """Tokens by the server's own count."""

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
    """A likely token: as text."""

    __pydantic_config__ = OPEN
    token: str
    logprob: Log


@dataclass(frozen=True, kw_only=True)
class Position:
    """The likely tokens at one place of an answer."""

    __pydantic_config__ = OPEN
    top_logprobs: list[Likely]


@dataclass(frozen=True, kw_only=True)
class Logprobs:
    """Likely tokens at each place: a table of texts in completions, a list in chats and in llama.cpp."""

    __pydantic_config__ = OPEN
    top_logprobs: list[dict[str, Log] | None] | None = None
    content: list[Position] | None = None


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The answer to one row."""

    __pydantic_config__ = OPEN
    index: Tokens = 0
    logprobs: Logprobs | None = None

    def likely(self) -> list[tuple[str, float]]:
        """Return the likely first tokens with their log-probabilities.

        Raises:
            InputError: there are none.
        """
        if self.logprobs and self.logprobs.content:
            return [(entry.token, entry.logprob) for entry in self.logprobs.content[0].top_logprobs]
        if self.logprobs and self.logprobs.top_logprobs and self.logprobs.top_logprobs[0]:
            return [*self.logprobs.top_logprobs[0].items()]
        raise InputError("an answer without log-probabilities of tokens")


@dataclass(frozen=True, kw_only=True)
class Completions:
    """The answers to some rows."""

    __pydantic_config__ = OPEN
    choices: list[Choice]
    usage: Bill
    model: str = ""

    def in_order(self, count: int) -> list[Choice]:
        """Return the answers to `count` rows, in the order of the rows.

        Raises:
            InputError: there are more or fewer, or two to one row.
        """
        found = {choice.index: choice for choice in self.choices}
        if len(self.choices) != count or {*found} != {*range(count)}:
            raise InputError(f"{len(self.choices)} answers to {count} rows, or two to one of them")
        return [found[i] for i in range(count)]

    def answer(self, logs: Sequence[Sequence[float]], bounds: Sequence[Sequence[bool]] | None = None) -> Answer:
        """Return the scores with what the server counted."""
        figures = np.array(logs, dtype=np.float64)
        return Answer(
            logs=figures,
            bounds=np.zeros(figures.shape, dtype=bool) if bounds is None else np.array(bounds, dtype=bool),
            tokens=self.usage.prompt_tokens,
            said=self.usage.completion_tokens or 0,
            cached=self.usage.cached,
            model=self.model,
        )


def completions(message: Any) -> Completions:
    """Read an answer.

    Raises:
        InputError: it is none.
    """
    if not isinstance(message, Mapping):
        raise InputError("the body is no JSON object")
    return parse(Completions, message)


def by_id(likely: Sequence[tuple[str, float]], ids: Sequence[int]) -> list[float]:
    """Return the log-probabilities of tokens called "token_id:N".

    Raises:
        InputError: one is not listed.
    """
    found = dict(likely)
    if missing := [token_id for token_id in ids if f"token_id:{token_id}" not in found]:
        raise InputError(f"no score of the token {missing[0]}; this server or version does not score given tokens")
    return [found[f"token_id:{token_id}"] for token_id in ids]


def by_text(
    likely: Sequence[tuple[str, float]], labels: Sequence[Label], *, stripped: bool
) -> tuple[list[float], list[bool]]:
    """Return log-probabilities of labels by their texts, and which of them are bounds only; see `Scores`.

    Args:
        likely: tokens, listed by a server.
        labels: those looked for.
        stripped: whether white space around a text does not count; tokens that then agree are added up.
    """
    found: dict[str, float] = {}
    for text, log in likely:
        name = text.strip() if stripped else text
        found[name] = float(np.logaddexp(found[name], log)) if name in found else log
    last = min(log for _, log in likely)
    names = [label.text.strip() if stripped else label.text for label in labels]
    return [found.get(name, last) for name in names], [name not in found for name in names]
