"""Typed questions at /v1/systemone: the server returns the probability of each option of a question about a text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from dfo_prompt._util.parsing import OPEN
from dfo_prompt.contracts.endpoint import SMALLEST_PROBABILITY, Form, Label, Row
from dfo_prompt.endpoints.answers import Probability, Tokens, check_probabilities, parsed
from dfo_prompt.endpoints.served import Answer, ServedEndpoint
from dfo_prompt.errors import InputError, shortened
from dfo_prompt.types import Json

MOST_OPTIONS = 255
QUESTION = "label"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The answer to a question."""

    __pydantic_config__ = OPEN
    probabilities: dict[str, Probability]


@dataclass(frozen=True, kw_only=True)
class DecisionTokens:
    """The numbers of tokens as the server counts them."""

    __pydantic_config__ = OPEN
    input_tokens: Tokens
    output_tokens: Tokens = 0


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """The answers to all questions about a text."""

    __pydantic_config__ = OPEN
    answers: dict[str, Decision]
    usage: DecisionTokens
    model: str = ""


class SystemOne(ServedEndpoint):
    """A server of typed questions.

    Args:
        instructions: the question.
        criteria: the description of each option by label word; the word itself by default.
        batch: the rows of a request, always 1.
        served: see `ServedEndpoint`.
    """

    kind = "systemone"
    path = "/v1/systemone"
    forms = frozenset({Form.TEXT})
    normalised = True
    frame = 4096  # the tokens of the question and its options

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
        """Return the request with a question about a text.

        Raises:
            InputError: the labels are too many or too alike, or `criteria` describes a word that is none of them.
        """
        options = [label.text.strip() for label in labels]
        if len({*options}) < len(labels) or len(options) > MOST_OPTIONS:
            raise InputError(f"endpoint {self.kind!r} takes up to {MOST_OPTIONS} labels, no two alike but for white space")
        if unknown := sorted({*self._criteria} - {*options}):
            known, where = shortened(", ".join(map(repr, options))), "endpoint.options.criteria"
            raise InputError(f"{where}: {unknown[0]!r} is no label word of one token; describe only {known}")
        question = {
            "type": "choice",
            "instructions": self._instructions,
            "criteria": {option: self._criteria.get(option, option) for option in options},
        }
        return {"state": rows[0], "questions": {QUESTION: question}}

    def read(self, message: Any, rows: Sequence[Row], labels: Sequence[Label]) -> Answer:  # noqa: ARG002
        """Read the probability of each option."""
        decisions = parsed(Decisions, message)
        probabilities = decisions.answers[QUESTION].probabilities if QUESTION in decisions.answers else {}
        options = [label.text.strip() for label in labels]
        if missing := [option for option in options if option not in probabilities]:
            raise InputError(f"no probability of the option {missing[0]!r}")
        figures = np.array([[probabilities[option] for option in options]])
        check_probabilities(figures[0])
        return Answer(
            logs=np.log(np.maximum(figures, SMALLEST_PROBABILITY)),
            bounds=figures < SMALLEST_PROBABILITY,
            tokens=decisions.usage.input_tokens,
            generated=decisions.usage.output_tokens,
            model=decisions.model,
        )
