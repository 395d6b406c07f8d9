"""Typed questions at /v1/systemone: a text, a question with options, and the probability of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from dfo_prompt._util.parsing import parse
from dfo_prompt.contracts.endpoint import Form, Label, Row
from dfo_prompt.endpoints.answers import OPEN, SMALLEST, Probability, Tokens
from dfo_prompt.endpoints.served import Answer, ServedEndpoint
from dfo_prompt.errors import InputError
from dfo_prompt.types import Json

MOST_OPTIONS = 255
QUESTION = "label"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The answer to a question."""

    __pydantic_config__ = OPEN
    probabilities: dict[str, Probability]


@dataclass(frozen=True, kw_only=True)
class Bill:
    """Tokens by the server's own count."""

    __pydantic_config__ = OPEN
    input_tokens: Tokens
    output_tokens: Tokens = 0


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """The answers to all questions about a text."""

    __pydantic_config__ = OPEN
    answers: dict[str, Decision]
    usage: Bill
    model: str = ""


class SystemOne(ServedEndpoint):
    """A server that decides.

    Args:
        instructions: the question.
        criteria: by label word, what it stands for; the word itself where nothing is said.
        batch: one text a request.
        served: see `ServedEndpoint`.
    """

    kind = "systemone"
    path = "/v1/systemone"
    forms = frozenset({Form.TEXT})
    normalised = True
    frame = 4096  # the question and its options are counted too

    def __init__(
        self,
        *,
        instructions: str = "Which word comes next?",
        criteria: Mapping[str, str] | None = None,
        batch: Literal[1] = 1,
        **served: Any,
    ) -> None:
        super().__init__(batch=batch, **served)
        self._instructions, self._criteria = instructions, dict(criteria or {})

    def settings(self) -> Mapping[str, Json]:
        """Return the question."""
        return {"instructions": self._instructions, "criteria": {**self._criteria}}

    def message(self, rows: Sequence[Row], labels: Sequence[Label]) -> Mapping[str, Any]:
        """Ask one question about one text."""
        options = [label.text.strip() for label in labels]
        if len({*options}) < len(labels) or len(options) > MOST_OPTIONS:
            raise InputError(f"endpoint {self.kind!r} takes up to {MOST_OPTIONS} labels, no two alike but for white space")
        question = {
            "type": "choice",
            "instructions": self._instructions,
            "criteria": {option: self._criteria.get(option, option) for option in options},
        }
        return {
            **({"model": self._model} if self._model else {}),
            "state": rows[0],
            "questions": {QUESTION: question},
        }

    def read(self, message: Any, rows: Sequence[Row], labels: Sequence[Label]) -> Answer:  # noqa: ARG002
        """Read the probability of each option."""
        if not isinstance(message, Mapping):
            raise InputError("the body is no JSON object")
        found = parse(Decisions, message)
        shares = found.answers[QUESTION].probabilities if QUESTION in found.answers else {}
        options = [label.text.strip() for label in labels]
        if missing := [option for option in options if option not in shares]:
            raise InputError(f"no probability of the option {missing[0]!r}")
        figures = np.array([[shares[option] for option in options]])
        return Answer(
            logs=np.log(np.maximum(figures, SMALLEST)),
            bounds=figures < SMALLEST,
            tokens=found.usage.input_tokens,
            said=found.usage.output_tokens,
            model=found.model,
        )
