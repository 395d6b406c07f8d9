"""A language model of this process as an endpoint: texts or token ids in, exact log-probabilities of labels out."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from dfo_prompt.contracts.endpoint import Capabilities, Form, Label, Row, Scores
from dfo_prompt.contracts.usage import BYTES_PER_NUMBER, Usage
from dfo_prompt.errors import InputError, ModelError
from dfo_prompt.lm.answers import SpanReader
from dfo_prompt.lm.encoding import in_buckets, overhead_tokens, split_rows
from dfo_prompt.lm.grouping import group_rows
from dfo_prompt.lm.layout import Layout
from dfo_prompt.lm.load import LanguageModel
from dfo_prompt.lm.precision import Precision
from dfo_prompt.lm.scorer import Scorer
from dfo_prompt.types import Json, Matrix


class LocalEndpoint:
    """A language model of this process as an `Endpoint`.

    The common prefix of rows is computed once, but usage is that of a service that receives each row whole.

    Args:
        lm: a decoder-only model.
        precision: precision of the forward passes; float32 by default.

    Raises:
        InputError: the model is not decoder-only.
    """

    def __init__(self, lm: LanguageModel, precision: Precision | None = None) -> None:
        if lm.head != "causal":
            raise InputError(f"{lm.name!r} does not continue texts; texts as prompts need a decoder-only model")
        self._lm = lm
        self._scorer = Scorer(lm, precision)
        self._labels = 0

    def probe(self, labels: Sequence[Label]) -> Capabilities:
        """Return the capabilities: all labels have exact scores, which are deterministic."""
        self._labels = max(self._labels, len(labels))
        return Capabilities(forms=frozenset({Form.TEXT, Form.TOKENS}), exact=True, top=self._lm.vocabulary)

    @torch.inference_mode()
    def score(self, rows: Sequence[Row], labels: Sequence[Label]) -> Scores:
        """Return the log-probabilities (N, C) of C labels after each of N rows.

        Raises:
            ModelError: a row is empty or too long for the model.
            InputError: a label has no token id, or a row is an array of embeddings.
        """
        ids = [self._ids(row) for row in rows]
        logs = self._logs(ids, [self._token(label) for label in labels])
        usage = self._usage(ids, rows, len(labels))
        return Scores(logs=logs, bounds=np.zeros(logs.shape, dtype=np.bool_), usage=usage)

    def estimate(self, rows: Sequence[Row]) -> Usage:
        """Return the usage of `score` for these rows."""
        return self._usage([self._ids(row) for row in rows], rows, self._labels)

    def describe(self) -> Mapping[str, Json]:
        """Return the kind of the endpoint, and name and fingerprint of the model."""
        return {"kind": "local", "model": self._lm.name, "model_fingerprint": self._lm.fingerprint}

    def _logs(self, ids: list[tuple[int, ...]], tokens: list[int]) -> Matrix:
        logs = np.zeros((len(ids), len(tokens)))
        words = torch.tensor([[token] for token in tokens], device=self._lm.device)
        reader = SpanReader(self._scorer.model, words, after=0, narrow=self._scorer.narrow)
        empty = torch.zeros((1, 0, self._lm.width), device=self._lm.device)  # a soft prompt without tokens
        overhead = overhead_tokens(self._lm.device)
        for group in group_rows(ids, overhead):
            layouts = [Layout(left=[], right=[*ids[i]], slot=len(ids[i]) - 1) for i in group]
            runs = split_rows([len(layout.right) for layout in layouts], overhead)
            texts = in_buckets(layouts, runs, causal=True, device=self._lm.device)
            logs[group] = self._scorer.score(empty, texts, reader)[0].double().cpu().numpy()
        return logs

    def _ids(self, row: Row) -> tuple[int, ...]:
        if isinstance(row, np.ndarray):
            raise InputError("the local endpoint takes texts and token ids; embeddings are for the objective 'prompt'")
        ids = (*self._lm.frame[0], *self._lm.tokens(row)) if isinstance(row, str) else row
        if not 0 < len(ids) <= self._lm.max_tokens:
            raise ModelError(f"a row of {len(ids)} tokens: {self._lm.name!r} takes 1 to {self._lm.max_tokens}")
        return ids

    def _token(self, label: Label) -> int:
        if label.token is None:
            raise InputError(f"label {label.text!r} has no token id, which the local endpoint needs")
        return label.token

    def _usage(self, ids: Sequence[Sequence[int]], rows: Sequence[Row], labels: int) -> Usage:
        return Usage(
            rows=len(rows),
            tokens=sum(map(len, ids)),
            uploaded=sum(len(row.encode()) if isinstance(row, str) else BYTES_PER_NUMBER * len(row) for row in rows),
            downloaded=BYTES_PER_NUMBER * labels * len(rows),
            requests=1,
            attempts=1,
        )
