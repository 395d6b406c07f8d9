"""vLLM's completions, which score chosen tokens after texts, token ids or embeddings.

Embeddings need `vllm serve MODEL --enable-prompt-embeds`.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

from dfo_prompt.contracts.endpoint import Form, Label, Row
from dfo_prompt.endpoints.answers import Completions, by_token, in_order, parsed
from dfo_prompt.endpoints.served import Answer, ServedEndpoint, form_of, token_ids


class Vllm(ServedEndpoint):
    """A server of vLLM; see `ServedEndpoint`."""

    kind = "vllm"
    path = "/v1/completions"
    forms = frozenset(Form)

    def message(self, rows: Sequence[Row], labels: Sequence[Label]) -> Mapping[str, Any]:
        """Request the labels' tokens by id, and answers with ids instead of texts, which may be ambiguous."""
        soft = form_of(rows) is Form.EMBEDDINGS
        return {
            **({"prompt_embeds": [_packed(row) for row in rows]} if soft else {"prompt": [*rows]}),
            "max_tokens": 1,
            "temperature": 0,
            "logprobs": 1,
            "logprob_token_ids": token_ids(self.kind, labels),
            "return_tokens_as_token_ids": True,
        }

    def read(self, message: Any, rows: Sequence[Row], labels: Sequence[Label]) -> Answer:
        """Read the labels' log-probabilities."""
        answers = parsed(Completions, message)
        tokens = [f"token_id:{token_id}" for token_id in token_ids(self.kind, labels)]
        return answers.answer([by_token(dict(choice.likely()), tokens) for choice in in_order(answers.choices, len(rows))])


def _packed(row: Row) -> str:
    """Return embeddings (T, E) in vLLM's format: base64 of a tensor saved by torch."""
    import torch  # noqa: PLC0415 - needed for embeddings only, whose senders have torch

    file = io.BytesIO()
    torch.save(torch.as_tensor(row), file)
    return base64.b64encode(file.getvalue()).decode()
