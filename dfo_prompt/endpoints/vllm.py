"""vLLM's completions, which score given tokens after texts, token ids and embeddings.

Needs `vllm serve MODEL --enable-prompt-embeds`, the flag for embeddings only.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

from dfo_prompt.contracts.endpoint import Form, Label, Row
from dfo_prompt.endpoints.answers import by_id, completions
from dfo_prompt.endpoints.served import Answer, ServedEndpoint, form_of, token_ids


class Vllm(ServedEndpoint):
    """A server of vLLM; see `ServedEndpoint`."""

    kind = "vllm"
    path = "/v1/completions"
    forms = frozenset(Form)

    def message(self, rows: Sequence[Row], labels: Sequence[Label]) -> Mapping[str, Any]:
        """Ask for the labels' tokens by id; any other is answered by id too, so that no two share a name."""
        soft = form_of(rows) is Form.EMBEDDINGS
        return {
            **({"model": self._model} if self._model else {}),
            **({"prompt_embeds": [_packed(row) for row in rows]} if soft else {"prompt": [*rows]}),
            "max_tokens": 1,
            "temperature": 0,
            "logprobs": 1,
            "logprob_token_ids": token_ids(self.kind, labels),
            "return_tokens_as_token_ids": True,
        }

    def read(self, message: Any, rows: Sequence[Row], labels: Sequence[Label]) -> Answer:
        """Read the labels' log-probabilities."""
        found, ids = completions(message), token_ids(self.kind, labels)
        return found.answer([by_id(choice.likely(), ids) for choice in found.in_order(len(rows))])


def _packed(row: Row) -> str:
    """Return embeddings (T, E) as vLLM takes them: base64 of a tensor that torch saved."""
    import torch  # noqa: PLC0415 - for embeddings only, whose sender has it

    file = io.BytesIO()
    torch.save(torch.as_tensor(row), file)
    return base64.b64encode(file.getvalue()).decode()
