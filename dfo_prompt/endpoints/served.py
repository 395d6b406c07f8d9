"""Sends rows to servers in concurrent requests and counts the usage of every try; base of all kinds of servers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from dfo_prompt._util.http import AGAIN, NEVER, OK, SERVER_FAULT, Exchange, Http, HttpError
from dfo_prompt._util.logs import only_errors
from dfo_prompt._util.messages import decode_any, encode
from dfo_prompt.contracts.endpoint import Answered, Capabilities, EndpointOutageError, Form, Label, Row, Scores
from dfo_prompt.contracts.usage import Usage
from dfo_prompt.errors import InputError
from dfo_prompt.types import Json, Matrix

PROBES = ("The film was", "It was a long night, and in the end the verdict of everyone was that the film was")
"""Texts of the probe, which are sent alone and together in both orders."""
CURABLE = (401, 402, 403, *AGAIN)
"""Statuses below 500 that do not show a missing capability."""
SLACK = 1e-3
"""The largest log-probability that is accepted as rounding of zero."""
Batch = Annotated[int, Field(ge=1, le=10_000)]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer of a server to n rows.

    Attributes:
        logs, bounds: see `Scores`; (n, C).
        tokens: the tokens of the rows, as the server counts them.
        generated: the tokens of its answers.
        cached: the tokens that it read from its cache.
        model: the name that the server reports.
    """

    logs: Matrix
    bounds: npt.NDArray[np.bool_]
    tokens: int
    generated: int = 0
    cached: int = 0
    model: str = ""


class ServedEndpoint(ABC):
    """An endpoint over HTTP.

    Args:
        url: the server's URL; the paths of its interface are appended, with "/v1" unless the URL has it.
        model: the server's name of the model; "" if it serves only one.
        key: the key, sent as a bearer token and never shown; "" for none.
        timeout: the time limit in seconds for an answer.
        patience: the seconds for which a failed request is retried.
        concurrency: the number of concurrent requests.
        batch: the rows of a request.
    """

    kind: ClassVar[str]
    path: str
    forms: ClassVar[frozenset[Form]]
    exact: ClassVar[bool] = True
    normalised: ClassVar[bool] = False
    continues: bool = True
    frame: int = 8
    """The most tokens that the server adds to a row."""
    top: int = 0

    def __init__(
        self,
        *,
        url: str,
        model: str = "",
        key: str = "",
        timeout: float = 60.0,
        patience: float = 60.0,
        concurrency: int = 4,
        batch: Batch = 16,
    ) -> None:
        self._http = Http(url.rstrip("/").removesuffix("/v1"), token=key, timeout=timeout, patience=patience)
        self._model, self._concurrency, self._batch, self._called = model, concurrency, batch, ""

    @abstractmethod
    def message(self, rows: Sequence[Row], labels: Sequence[Label]) -> Mapping[str, Any]:
        """Return the request for rows of the same form; the name of the model is added."""

    @abstractmethod
    def read(self, message: Any, rows: Sequence[Row], labels: Sequence[Label]) -> Answer:
        """Parse the server's answer.

        Raises:
            InputError: the answer does not fit the request.
        """

    def probe(self, labels: Sequence[Label]) -> Capabilities:
        """Score two texts, alone and together; see `Endpoint`."""
        short, long = PROBES
        try:
            with only_errors("stamina"):  # `Http` logs retries in more detail
                alone = [self._ask([text], labels) for text in PROBES]
            together = self.score([long, short], labels)
        except EndpointOutageError as error:
            if error.refused:
                raise InputError(f"endpoint {self.kind!r} cannot score these labels: {error}") from error
            raise
        self._called = alone[0][0].model
        once = np.concatenate([alone[1][0].logs, alone[0][0].logs])  # (2, C)
        spread = float(np.abs(once - together.logs).max())
        return Capabilities(
            forms=self.forms,
            exact=self.exact,
            top=self.top,
            normalised=self.normalised,
            continues=self.continues,
            spread=round(spread, 9),
            sample=tuple(once.round(4).ravel().tolist()),
            usage=alone[0][1] + alone[1][1] + together.usage,
        )

    def score(self, rows: Sequence[Row], labels: Sequence[Label]) -> Scores:
        """Score rows in requests of at most `batch`; see `Endpoint`."""
        parts = [range(i, min(i + self._batch, len(rows))) for i in range(0, len(rows), self._batch)]
        usage, answered, failure = Usage(), dict[int, Answered](), None
        with only_errors("stamina"), ThreadPoolExecutor(self._concurrency) as pool:
            requests = [pool.submit(self._ask, [rows[i] for i in part], labels) for part in parts]
            for part, request in zip(parts, requests, strict=True):
                try:
                    answer, took = request.result()
                except CancelledError:
                    continue
                except EndpointOutageError as error:
                    failure, usage = failure or error, usage + error.usage
                    _cancel(requests)
                    continue
                except BaseException:  # Ctrl-C must not pay for the requests that wait
                    _cancel(requests)
                    raise
                usage += took
                answered |= dict(zip(part, zip(answer.logs, answer.bounds, strict=True), strict=True))
        if failure:
            raise EndpointOutageError(str(failure), usage=usage, answered=answered, refused=failure.refused) from failure
        empty = np.empty((0, len(labels)))
        logs, bounds = (np.array([answered[i][part] for i in range(len(rows))]) for part in (0, 1))
        return Scores(logs=logs if len(rows) else empty, bounds=bounds if len(rows) else empty > 0, usage=usage)

    def estimate(self, rows: Sequence[Row]) -> Usage:
        """Return the most that a single try of each request would consume: a text has at most as many tokens as bytes."""
        requests, tokens = -(-len(rows) // self._batch), sum(map(self._most_tokens, rows))
        billed = tokens + len(rows)  # plus one token per answer
        return Usage(rows=len(rows), tokens=tokens, requests=requests, attempts=requests, billed_tokens=billed)

    def describe(self) -> dict[str, Json]:
        """Return kind, address and model, and after the probe the model's name that the server reports."""
        called = {"served_model": self._called} if self._called else {}
        return {"kind": self.kind, "url": self._http.url, "model": self._model, **self.settings(), **called}

    def settings(self) -> Mapping[str, Json]:
        """Return the options that affect scores."""
        return {}

    def _most_tokens(self, row: Row) -> int:
        size = len(row.encode(errors="replace")) if isinstance(row, str) else len(row)
        return size + self.frame

    def _ask(self, rows: Sequence[Row], labels: Sequence[Label]) -> tuple[Answer, Usage]:
        named = {"model": self._model} if self._model else {}
        content = encode({**named, **self.message(rows, labels)})
        took = Exchange()
        try:
            took = self._http.send("POST", self.path, content)
            answer = self._checked(self.read(decode_any(took.body), rows, labels), len(rows), len(labels))
        except HttpError as error:
            refused = error.status < SERVER_FAULT and error.status not in (0, *CURABLE)
            usage = self._usage(error.exchange, content, rows)
            raise EndpointOutageError(str(error), usage=usage, refused=refused or error.status in NEVER) from error
        except InputError as error:
            outage = self._http.nonsense(str(error), took)
            usage = self._usage(replace(took, unanswered=took.unanswered + 1), content, rows)  # it may be billed
            raise EndpointOutageError(str(outage), usage=usage, refused=outage.status == OK) from error
        scored = Usage(rows=len(rows), tokens=answer.tokens, cached_tokens=answer.cached)
        return answer, self._usage(took, content, rows) + scored + Usage(billed_tokens=answer.tokens + answer.generated)

    def _checked(self, answer: Answer, count: int, classes: int) -> Answer:
        shape = (count, classes)
        if answer.logs.shape != shape:
            raise InputError(f"scores of the shape {answer.logs.shape}, not {shape}")
        if not (np.isfinite(answer.logs).all() and (answer.logs <= SLACK).all()):
            raise InputError("scores that are no logarithms of probabilities")
        return replace(answer, logs=np.minimum(answer.logs, 0.0))

    def _usage(self, took: Exchange, content: bytes, rows: Sequence[Row]) -> Usage:
        """Return the usage of a request without its answer; tries without a usable answer are charged at their estimate."""
        lost = self.estimate(rows).billed_tokens
        return Usage(
            requests=1,
            attempts=took.attempts,
            unanswered=took.unanswered,
            billed_tokens=took.unanswered * lost,
            uploaded=took.attempts * len(content),
            downloaded=len(took.body),
        )


def form_of(rows: Sequence[Row]) -> Form:
    """Return the form of rows.

    Raises:
        ValueError: the rows have several forms.
    """
    kinds: Mapping[type, Form] = {str: Form.TEXT, tuple: Form.TOKENS}
    forms = {kinds.get(type(row), Form.EMBEDDINGS) for row in rows}
    if len(forms) > 1:
        raise ValueError(f"rows of one request have one form, not {sorted(forms)}")
    return next(iter(forms), Form.TEXT)


def token_ids(kind: str, labels: Sequence[Label]) -> list[int]:
    """Return the token ids of labels, for servers that accept only ids.

    Raises:
        InputError: a label has no token id.
    """
    if missing := [label.text for label in labels if label.token is None]:
        raise InputError(f"endpoint {kind!r} takes labels by token id, and {missing[0]!r} has none; give [problem] a model")
    return [label.token for label in labels if label.token is not None]


def _cancel(requests: Sequence[Future[Any]]) -> None:
    for request in requests:
        request.cancel()
