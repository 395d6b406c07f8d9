"""SGLang's `/generate`, which scores chosen tokens after texts, token ids or embeddings.

Embeddings need `sglang serve --model-path MODEL --disable-radix-cache --dtype bfloat16`: the cache of prefixes is keyed by
token ids, and SGLang 0.5.23 converts embeddings to bfloat16 whatever the type of the model's weights.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dfo_prompt._util.parsing import OPEN
from dfo_prompt.contracts.endpoint import Form, Label, Row
from dfo_prompt.endpoints.answers import Log, Tokens, by_token, parsed
from dfo_prompt.endpoints.served import Answer, ServedEndpoint, form_of, token_ids
from dfo_prompt.errors import InputError

FIELDS = {Form.TEXT: "text", Form.TOKENS: "input_ids", Form.EMBEDDINGS: "input_embeds"}
Scored = tuple[Log, int, str | None]
"""A token's log-probability, its id, and its text if that was asked for."""


@dataclass(frozen=True, kw_only=True)
class Details:
    """The scores of the tokens at each position that follows a row, and the numbers of tokens."""

    __pydantic_config__ = OPEN
    output_token_ids_logprobs: list[list[Scored]]
    prompt_tokens: Tokens
    completion_tokens: Tokens
    cached_tokens: Tokens = 0

    def logs(self) -> dict[int, float]:
        """Return the log-probabilities at the first position by token id."""
        first = self.output_token_ids_logprobs[:1]
        return {token_id: log for position in first for log, token_id, _ in position}

    def truncates(self, row: Row) -> bool:
        """Return whether the server read less than the row, as it does with `--allow-auto-truncate`; unknown of a text."""
        return not isinstance(row, str) and self.prompt_tokens < len(row)


@dataclass(frozen=True, kw_only=True)
class Generated:
    """The answer to a row."""

    __pydantic_config__ = OPEN
    meta_info: Details


class SgLang(ServedEndpoint):
    """A server of SGLang; see `ServedEndpoint`."""

    kind = "sglang"
    path = "/generate"
    forms = frozenset(Form)

    def message(self, rows: Sequence[Row], labels: Sequence[Label]) -> Mapping[str, Any]:
        """Request the scores of the labels' tokens after each row, and no generated token."""
        form = form_of(rows)
        return {
            FIELDS[form]: [np.asarray(row).tolist() for row in rows] if form is Form.EMBEDDINGS else [*rows],
            "sampling_params": {"max_new_tokens": 0, "temperature": 1.0},
            "return_logprob": True,
            "token_ids_logprob": token_ids(self.kind, labels),
        }

    def read(self, message: Any, rows: Sequence[Row], labels: Sequence[Label]) -> Answer:
        """Read the labels' log-probabilities; the answers are in the order of the rows."""
        if not isinstance(message, list) or len(message) != len(rows):
            raise InputError(f"no list of {len(rows)} answers")
        answers = [parsed(Generated, answer).meta_info for answer in message]
        if any(answer.truncates(row) for answer, row in zip(answers, rows, strict=True)):
            raise InputError("a row that was cut to the server's context; start it with a larger one")
        ids = token_ids(self.kind, labels)
        logs = np.array([by_token(answer.logs(), ids) for answer in answers])
        return Answer(
            logs=logs,
            bounds=np.zeros(logs.shape, dtype=bool),
            tokens=sum(answer.prompt_tokens for answer in answers),
            generated=sum(answer.completion_tokens for answer in answers),
            cached=sum(answer.cached_tokens for answer in answers),
        )
