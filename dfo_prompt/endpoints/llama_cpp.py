"""llama.cpp's server: a logit bias lifts the labels' tokens above all others, so that it lists exactly these."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

import numpy as np

from dfo_prompt._util.parsing import OPEN, parse
from dfo_prompt.contracts.endpoint import SMALLEST_PROBABILITY, Form, Label, Row
from dfo_prompt.endpoints.answers import ROUNDING, Probability, Tokens, in_order
from dfo_prompt.endpoints.served import Answer, Batch, ServedEndpoint, token_ids
from dfo_prompt.errors import InputError
from dfo_prompt.types import Json

BIAS = 100.0
"""The bias of the labels' logits; all other tokens keep a share of exp(-100)."""


@dataclass(frozen=True, kw_only=True)
class TokenProbability:
    """A token with its probability after sampling."""

    __pydantic_config__ = OPEN
    id: int
    prob: Probability


@dataclass(frozen=True, kw_only=True)
class Position:
    """The likely tokens at a position."""

    __pydantic_config__ = OPEN
    top_probs: list[TokenProbability]


@dataclass(frozen=True, kw_only=True)
class Timings:
    """The number of tokens read from the cache."""

    __pydantic_config__ = OPEN
    cache_n: Tokens = 0


@dataclass(frozen=True, kw_only=True)
class Completion:
    """The answer to a row."""

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
        cache_prompt: whether the server may reuse the common prefix of an earlier row; faster, but scores then depend on
            earlier requests, in the seventh digit.
        batch: the rows of a request.
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
        """Return whether the server caches prompts."""
        return {"cache_prompt": self._cache_prompt}

    def message(self, rows: Sequence[Row], labels: Sequence[Label]) -> Mapping[str, Any]:
        """Request the probabilities after sampling, which include the bias."""
        ids = token_ids(self.kind, labels)
        return {
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
        """Read the labels' probabilities; zero, below the smallest float32, becomes a bound."""
        listed = message if isinstance(message, list) else [message]  # the answer to a single row is not a list
        answers = in_order([parse(Completion, answer) for answer in listed if isinstance(answer, Mapping)], len(rows))
        if any(answer.truncated for answer in answers):
            raise InputError("a row that is longer than the server's context; start it with a larger one")
        ids = token_ids(self.kind, labels)
        probabilities = np.array([_probabilities(answer, ids) for answer in answers])
        return Answer(
            logs=np.log(np.maximum(probabilities, SMALLEST_PROBABILITY)),
            bounds=probabilities < SMALLEST_PROBABILITY,
            tokens=sum(answer.tokens_evaluated for answer in answers),
            generated=sum(answer.tokens_predicted for answer in answers),
            cached=sum(answer.timings.cache_n for answer in answers),
            model=PurePath(answers[0].model).name,  # a path on the server's machine
        )


def _probabilities(completion: Completion, ids: Sequence[int]) -> list[float]:
    listed = completion.completion_probabilities[0].top_probs if completion.completion_probabilities else []
    probabilities = {token.id: token.prob for token in listed}
    if missing := [token_id for token_id in ids if token_id not in probabilities]:
        raise InputError(f"no score of the token {missing[0]}; this server ignores logit_bias or post_sampling_probs")
    if abs(sum(probabilities[token_id] for token_id in ids) - 1) > ROUNDING:
        raise InputError("probabilities of the labels that do not add up to 1")
    return [probabilities[token_id] for token_id in ids]
