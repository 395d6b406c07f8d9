"""llama.cpp's server: a bias lifts the labels' tokens above all others, so that the listed ones are exactly these."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import log
from pathlib import PurePath
from typing import Any

import numpy as np

from dfo_prompt._util.parsing import parse
from dfo_prompt.contracts.endpoint import Form, Label, Row
from dfo_prompt.endpoints.answers import OPEN, SMALLEST, Probability, Tokens
from dfo_prompt.endpoints.served import Answer, Batch, ServedEndpoint, token_ids
from dfo_prompt.errors import InputError
from dfo_prompt.types import Json

BIAS = 100.0
"""Of the labels' logits: the rest keeps a share of exp(-100)."""


@dataclass(frozen=True, kw_only=True)
class TokenProbability:
    """A token with its probability after sampling."""

    __pydantic_config__ = OPEN
    id: int
    prob: Probability


@dataclass(frozen=True, kw_only=True)
class Position:
    """The likely tokens at one place."""

    __pydantic_config__ = OPEN
    top_probs: list[TokenProbability]


@dataclass(frozen=True, kw_only=True)
class Timings:
    """Of which a count of tokens is needed."""

    __pydantic_config__ = OPEN
    cache_n: Tokens = 0


@dataclass(frozen=True, kw_only=True)
class Completion:
    """The answer to one row."""

    __pydantic_config__ = OPEN
    completion_probabilities: list[Position]
    tokens_evaluated: Tokens
    tokens_predicted: Tokens
    index: Tokens = 0
    model: str = ""
    truncated: bool = False
    timings: Timings = field(default_factory=Timings)


class LlamaCpp(ServedEndpoint):
    """A server of llama.cpp.

    Args:
        cache_prompt: let the server begin where an earlier row begins the same; faster, and figures then depend on what it
            was asked before, in the seventh digit.
        batch: rows of a request.
        served: see `ServedEndpoint`.
    """

    kind = "llama.cpp"
    path = "/completion"
    forms = frozenset({Form.TEXT, Form.TOKENS})
    normalised = True

    def __init__(self, *, cache_prompt: bool = False, batch: Batch = 16, **served: Any) -> None:
        super().__init__(batch=batch, **served)
        self._cache_prompt = cache_prompt

    def settings(self) -> Mapping[str, Json]:
        """Return whether prompts are cached."""
        return {"cache_prompt": self._cache_prompt}

    def message(self, rows: Sequence[Row], labels: Sequence[Label]) -> Mapping[str, Any]:
        """Ask for the probabilities after sampling: those before it know no bias."""
        ids = token_ids(self.kind, labels)
        return {
            **({"model": self._model} if self._model else {}),
            "prompt": [*rows],
            "n_predict": 1,
            "temperature": 1,
            "samplers": ["temperature"],
            "post_sampling_probs": True,
            "n_probs": len(ids),
            "logit_bias": [[token_id, BIAS] for token_id in ids],
            "cache_prompt": self._cache_prompt,
            "seed": 0,
        }

    def read(self, message: Any, rows: Sequence[Row], labels: Sequence[Label]) -> Answer:
        """Read the labels' probabilities; one of zero, below what a float32 holds, is a bound."""
        listed = message if isinstance(message, list) else [message]  # one row is answered without a list
        found = [parse(Completion, token) for token in listed if isinstance(token, Mapping)]
        by_index = {item.index: item for item in found}
        if len(found) != len(rows) or {*by_index} != {*range(len(rows))}:
            raise InputError(f"{len(found)} answers to {len(rows)} rows, or two to one of them")
        if any(item.truncated for item in found):
            raise InputError("a row that is longer than the server's context; start it with a larger one")
        shares = np.array([_shares(by_index[i], token_ids(self.kind, labels)) for i in range(len(rows))])
        return Answer(
            logs=np.log(np.maximum(shares, SMALLEST)),
            bounds=shares < SMALLEST,
            tokens=sum(item.tokens_evaluated for item in found),
            said=sum(item.tokens_predicted for item in found),
            cached=sum(item.timings.cache_n for item in found),
            model=PurePath(found[0].model).name,  # a path on the server's machine
        )


def _shares(completion: Completion, ids: Sequence[int]) -> list[float]:
    listed = completion.completion_probabilities[0].top_probs if completion.completion_probabilities else []
    found = {token.id: token.prob for token in listed}
    if missing := [token_id for token_id in ids if token_id not in found]:
        raise InputError(f"no score of the token {missing[0]}; this server does not heed logit_bias and post_sampling_probs")
    if abs(log(max(SMALLEST, sum(found[token_id] for token_id in ids)))) > 1e-2:  # noqa: PLR2004 - rounding of float32
        raise InputError("probabilities of the labels that do not add up to 1")
    return [found[token_id] for token_id in ids]
