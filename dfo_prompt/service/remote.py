"""The objective "remote": a service evaluates it, so this process needs neither the model nor its libraries.

The id of a request is a hash of the objective's fingerprint, the account and number of its first evaluation, the split and
the candidates. A continued study repeats the ids of interrupted requests, so the service replays answers that it has. It
also replays answers to the same study in another folder; set another `run` to have that study evaluated again.
"""

import hashlib
from math import ceil
from pathlib import Path
from uuid import uuid4

import numpy as np

from dfo_prompt._util.parsing import Seconds
from dfo_prompt.contracts.objective import Evaluation, concatenated
from dfo_prompt.contracts.usage import Usage, UsageMeter
from dfo_prompt.errors import InputError, OutageError
from dfo_prompt.service.clients import read_token
from dfo_prompt.service.transport import Transport
from dfo_prompt.service.wire import TOLD, About, Answer, Prediction, array, pack
from dfo_prompt.tasks.examples import Texts, check_some
from dfo_prompt.types import FLOAT, Json, Matrix, Vector

KEPT = ("requests", "attempts", "unanswered", "uploaded", "downloaded")
"""Currencies of an answered request that stay spent if a later one fails; the rest is reported again with the replay."""
HEAD = 1024
"""The most bytes of a request without its candidates."""


def remote_objective(
    *,
    dim: int,
    seed: int,  # noqa: ARG001 - the service has its own
    url: str,
    token_file: Path | None = None,
    timeout: Seconds = 600.0,
    patience: Seconds = 60.0,
    run: str = "",
) -> "RemoteObjective":
    """Build the objective that the service at `url` evaluates.

    Args:
        dim: the service's d.
        seed: the study's seed; the service draws split and projection from its own.
        url: the URL that `dfo-prompt serve` prints.
        token_file: the file with the token, if the service needs a token.
        timeout: the time limit in seconds for the answer to a batch.
        patience: the seconds for which a failed request is retried.
        run: any text; a new text makes the service evaluate requests again that it has answered before.

    Raises:
        InputError: an option is wrong, or the service has another d.
        OutageError: the service does not answer.
    """
    token = read_token(token_file) if token_file else ""
    transport = Transport(url, token=token, timeout=timeout, patience=patience)
    about = transport.get(About, "/v1/about").message
    if about.dim != dim:
        raise InputError(f"service {url} has d = {about.dim}, not {dim}; set dim to that")
    kind = RemotePredictor if about.metric and about.classes else RemoteValidated if about.metric else RemoteObjective
    return kind(transport, about, run=run)


class RemoteObjective:
    """An objective that a service evaluates.

    Args:
        transport: the connection to the service.
        about: the service's description of its objective.
        run: see `remote_objective`.
    """

    costs_again = ("requests", "attempts", "uploaded", "downloaded")

    def __init__(self, transport: Transport, about: About, *, run: str = "") -> None:
        self.dim, self.prompt_layers, self.deterministic = about.dim, about.prompt_layers, about.deterministic
        self._transport, self._about, self._run = transport, about, run
        self._account, self._first = "", 0

    def expect(self, account: str, first: int) -> None:
        """Set the number of the next evaluation, which is part of its request's id."""
        self._account, self._first = str(account), first

    def evaluate(self, candidates: Matrix) -> Evaluation:
        """Score candidates (B, d) on the training split.

        Raises:
            OutageError: the service gives no usable answer.
        """
        return self._score(candidates, "train")

    def estimate(self, count: int, split: str = "train") -> Usage:
        """Return the most that a single try of `count` candidates consumes by the service's estimate.

        Bytes of answers are unknown.
        """
        estimate = {name: figure for name, figure in self._about.estimate.get(split, {}).items() if name in TOLD}
        requests = ceil(count / self._most)
        sent = Usage(requests=requests, attempts=requests, uploaded=requests * HEAD + count * self._row)
        return Usage(**estimate).times(count) + sent

    def describe(self) -> dict[str, Json]:
        """Return the service's description of the objective."""
        about = self._about
        return {**about.description, "service": about.objective, "seed": about.seed, "fingerprint": about.fingerprint}

    def server_bytes(self) -> int | None:
        """Return the service's peak main memory; None if it is unknown or the service does not answer."""
        try:
            return self._transport.get(About, "/v1/about").message.peak_bytes
        except OutageError:
            return None  # the budget is spent; a missing figure must not fail the study

    def _score(self, candidates: Matrix, split: str) -> Evaluation:
        parts, meter = [], UsageMeter()
        for i in range(0, len(candidates), self._most):
            part = candidates[i : i + self._most]
            with meter.kept():
                parts.append(self._ask(part, len(part), split))
            meter.add(parts[-1].usage.only(KEPT))
        return concatenated(parts, sum((part.usage for part in parts), Usage()))

    @property
    def _row(self) -> int:
        """Return the most bytes of a candidate in a request."""
        return ceil(self.dim * FLOAT.itemsize / 3) * 4

    @property
    def _most(self) -> int:
        """Return the most candidates of a request."""
        return max(1, min(self._about.limits.candidates, (self._about.limits.bytes - HEAD) // self._row))

    def _ask(self, candidates: Matrix | None, count: int, split: str) -> Evaluation:
        block = None if candidates is None else pack(candidates)
        name = self._id(split, b"" if candidates is None else np.ascontiguousarray(candidates, dtype=FLOAT).tobytes())
        request = {"id": name, "split": split, "fingerprint": self._about.fingerprint, "candidates": block}
        reply = self._transport.post(Answer, "/v1/evaluations", request)
        answer = reply.message
        lengths = {len(values) for values in (answer.losses, *answer.metrics.values())}
        if answer.id != name:
            raise self._transport.nonsense("an answer to another request", reply.usage)
        if lengths != {count}:
            problem = f"an answer with {len(answer.losses)} losses to a request of {count} candidates"
            raise self._transport.nonsense(problem, reply.usage)
        reported = {name: answer.usage.get(name, 0) for name in TOLD}
        return Evaluation(
            losses=array(answer.losses),
            metrics={name: array(values) for name, values in answer.metrics.items()},
            usage=reply.usage + Usage(**reported),
        )

    def _id(self, split: str, candidates: bytes) -> str:
        text = "\n".join((self._about.fingerprint, self._run, self._account, str(self._first), split, ""))
        return hashlib.sha256(text.encode(errors="surrogatepass") + candidates).hexdigest()


class RemoteValidated(RemoteObjective):
    """A remote objective with held-out examples."""

    def __init__(self, transport: Transport, about: About, *, run: str = "") -> None:
        super().__init__(transport, about, run=run)
        self.metric = about.metric

    def validate(self, candidates: Matrix, split: str) -> Evaluation:
        """Score candidates (B, d) on "dev" or "test"."""
        return self._with_metric(self._score(candidates, split))

    def baseline(self, split: str) -> Evaluation:
        """Score the hand-written prompt."""
        return self._with_metric(self._ask(None, 1, split))

    def _with_metric(self, evaluation: Evaluation) -> Evaluation:
        if self.metric not in evaluation.metrics:
            raise self._transport.nonsense(f"an answer without {self.metric}", evaluation.usage.only(KEPT))
        return evaluation


class RemotePredictor(RemoteValidated):
    """A remote objective that labels texts."""

    def __init__(self, transport: Transport, about: About, *, run: str = "") -> None:
        super().__init__(transport, about, run=run)
        self.classes, self.fields = about.classes, about.fields

    def predict(self, candidate: Vector, texts: Texts) -> Matrix:
        """Return the probabilities (N, C) of the classes of N examples' texts under the candidate (d,).

        Raises:
            InputError: there are no texts.
        """
        check_some(texts)
        most = self._about.limits.texts
        return np.concatenate([self._label(candidate, texts[i : i + most]) for i in range(0, len(texts), most)])

    def _label(self, candidate: Vector, texts: Texts) -> Matrix:
        request = {
            "id": uuid4().hex,
            "candidates": pack(candidate[None]),
            "texts": [[*text] for text in texts],
            "fingerprint": self._about.fingerprint,
        }
        reply = self._transport.post(Prediction, "/v1/predictions", request)
        shape, rows = (len(texts), len(self.classes)), reply.message.probabilities
        if {len(row) for row in rows} != {shape[1]} or len(rows) != shape[0]:
            raise self._transport.nonsense(f"probabilities of another shape than {shape}", reply.usage)
        return np.array([array(row) for row in rows])
