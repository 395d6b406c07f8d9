"""OpenAI's interface, which many servers share: it takes texts and returns the most likely tokens."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from dfo_prompt.contracts.endpoint import Form, Label, Row
from dfo_prompt.endpoints.answers import Completions, by_text, in_order, parsed
from dfo_prompt.endpoints.served import Answer, Batch, ServedEndpoint, form_of
from dfo_prompt.errors import InputError
from dfo_prompt.types import Json

Top = Annotated[int, Field(ge=1, le=1000)]
CHAT_FRAME = 128
"""The most tokens of a chat's template."""


class OpenAi(ServedEndpoint):
    """A server with OpenAI's completions or chat interface.

    Args:
        api: "chat", with one text per request, white space around tokens ignored and label words of one token only, or
            "completions".
        top: the number of likely tokens to request; OpenAI returns at most 20 in chats and 5 in completions.
        limit: the server's key for the limit of an answer's tokens; "max_completion_tokens" for newer models.
        extra: further keys of each request.
        batch: the rows of a request; 1 for chats.
        served: see `ServedEndpoint`.
    """

    kind = "openai"
    forms = frozenset({Form.TEXT})
    exact = False

    def __init__(
        self,
        *,
        api: Literal["chat", "completions"] = "chat",
        top: Top | None = None,
        limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens",
        extra: Mapping[str, Any] | None = None,
        batch: Batch | None = None,
        **served: Any,
    ) -> None:
        chat = api == "chat"
        if chat and batch not in (None, 1):
            raise InputError("a chat has one text per request; leave out endpoint.options.batch, raise endpoint.concurrency")
        super().__init__(batch=1 if chat else batch or 16, **served)
        self.top, self.frame = top or (20 if chat else 5), CHAT_FRAME if chat else self.frame
        self.path = "/v1/chat/completions" if chat else "/v1/completions"
        self.continues = not chat
        self._chat, self._limit, self._extra = chat, limit, dict(extra or {})

    def settings(self) -> Mapping[str, Json]:
        """Return interface, list length and further keys."""
        return {"api": "chat" if self._chat else "completions", "top": self.top, **self._extra}

    def message(self, rows: Sequence[Row], labels: Sequence[Label]) -> Mapping[str, Any]:  # noqa: ARG002
        """Request the most likely tokens."""
        if form_of(rows) is not Form.TEXT:
            raise InputError(f"endpoint {self.kind!r} takes texts only")
        request = {self._limit: 1, "temperature": 0, **self._extra}
        if self._chat:
            return {
                **request,
                "messages": [{"role": "user", "content": rows[0]}],
                "logprobs": True,
                "top_logprobs": self.top,
            }
        return {**request, "prompt": [*rows], "logprobs": self.top}

    def read(self, message: Any, rows: Sequence[Row], labels: Sequence[Label]) -> Answer:
        """Read the scores of listed labels; the score of the last listed token bounds those of the others."""
        answers = parsed(Completions, message)
        scores = [by_text(choice.likely(), labels, stripped=self._chat) for choice in in_order(answers.choices, len(rows))]
        return answers.answer([logs for logs, _ in scores], [bounds for _, bounds in scores])
