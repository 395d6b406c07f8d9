"""Evaluates requests one after the other in a worker thread, each only once, however often it is sent.

A request is admitted within the limits, and its candidates are reserved in its client's budget, before it runs. Its answer
and charge are committed before the answer is sent. A request that fails is not charged and may be sent again.
"""

import asyncio
import json
import sqlite3
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.exceptions import HTTPException

from dfo_prompt.contracts.objective import Evaluation, Objective, Validated
from dfo_prompt.contracts.usage import currencies
from dfo_prompt.errors import InputError, one_line
from dfo_prompt.service.clients import Client
from dfo_prompt.service.gathering import Gathering, Key
from dfo_prompt.service.store import Kept, Store
from dfo_prompt.service.wire import TOLD, About, Block, EvaluationRequest, PredictionRequest, numbers, unpack
from dfo_prompt.study.checked_objective import checked_evaluation
from dfo_prompt.types import Matrix

T = TypeVar("T")
RETRY_SECONDS = 1
"""The Retry-After of requests that exceed the concurrency limit."""


@dataclass(frozen=True, kw_only=True)
class Running:
    """A request that runs or waits: the hash of its content and its pending answer."""

    digest: str
    answer: asyncio.Task[dict[str, Any]]


class Engine:
    """The objective of a service and its pending requests.

    Args:
        objective: the objective; called in one thread only.
        about: the service's description of the objective, with its limits.
        store: the store of answers and charges.
        gather: whether to evaluate training candidates of several requests in one batch.
    """

    def __init__(self, objective: Objective, about: About, store: Store, *, gather: bool = False) -> None:
        self.about, self.objective, self.store = about, objective, store
        self._gathering = Gathering(objective, most=about.limits.candidates) if gather else None
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="objective")
        self._context = copy_context()  # the worker thread needs the catalogue with the plugin files
        self._running: dict[Key, Running] = {}
        self._reserved: Counter[str] = Counter()
        self.pending = 0

    async def evaluate(self, client: Client, request: EvaluationRequest) -> dict[str, Any]:
        """Return the answer to a request; an identical earlier request is answered from the store.

        Raises:
            HTTPException: 402, 409, 413, 422, 429, 500 or 503 with a reason.
        """
        self._check(request.fingerprint)
        digest, key = request.digest, (client.name, request.id)
        if kept := _reading(self.store.find, *key):
            return {**_of_same(json.loads(kept.answer), kept.digest, digest), "replayed": True}
        if running := self._running.get(key):
            _of_same({}, running.digest, digest)
            return {**await asyncio.shield(running.answer), "replayed": True}
        candidates = self._candidates(request)
        count = 1 if candidates is None else len(candidates)
        task = self._start(client, count, lambda: self._score(client, request, candidates))
        if self._gathering and candidates is not None and request.split == "train":
            self._gathering.announce(key, candidates)
        self._running[key] = Running(digest=digest, answer=task)
        task.add_done_callback(lambda _: self._running.pop(key))
        return {**await asyncio.shield(task), "replayed": False}  # continues if the client disconnects

    async def predict(self, client: Client, request: PredictionRequest) -> dict[str, Any]:
        """Return the class probabilities of texts; charged as one candidate.

        Raises:
            HTTPException: as `evaluate`, or 404 if the objective labels no texts.
        """
        self._check(request.fingerprint)
        predict = getattr(self.objective, "predict", None)
        if predict is None or not self.about.classes:
            raise HTTPException(404, f"objective {self.about.objective!r} labels no texts")
        (candidate,) = self.unpacked(request.candidates, most=1)
        if len(request.texts) > self.about.limits.texts:
            raise HTTPException(413, f"{len(request.texts)} texts; at most {self.about.limits.texts} a request")

        def label() -> dict[str, Any]:
            probabilities = predict(candidate, [tuple(text) for text in request.texts])  # (N, C)
            self.store.charge(client.name, 1)
            return {"classes": [*self.about.classes], "probabilities": [numbers(row) for row in probabilities]}

        return await self.run(client, 1, label)

    async def run(self, client: Client, count: int, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Run other work for a client in the worker thread, with `count` candidates reserved in its budget.

        Raises:
            HTTPException: as `evaluate`, or raised by `work`.
        """
        return await asyncio.shield(self._start(client, count, work))

    def close(self) -> None:
        """Wait for running requests and close the store."""
        self._worker.shutdown()
        self.store.close()

    def _check(self, fingerprint: str) -> None:
        if fingerprint not in ("", self.about.fingerprint):
            raise HTTPException(409, f"this is the objective {self.about.fingerprint}, not {fingerprint[:64]}")

    def _candidates(self, request: EvaluationRequest) -> Matrix | None:
        if request.split not in self.about.splits:
            raise HTTPException(422, f"there is no split {request.split!r}; there is {', '.join(self.about.splits)}")
        if request.candidates is not None:
            return self.unpacked(request.candidates, most=self.about.limits.candidates)
        if request.split == "train":
            raise HTTPException(422, "candidates may be null on held-out examples only")
        return None

    def unpacked(self, block: Block, *, most: int) -> Matrix:
        """Return the candidates (B, d) of a block of at most `most` candidates.

        Raises:
            HTTPException: 413 or 422.
        """
        if block.shape[0] > most:
            raise HTTPException(413, f"{block.shape[0]} candidates; at most {most} a request")
        try:
            return unpack(block, self.about.dim)
        except InputError as error:
            raise HTTPException(422, str(error)) from error

    def _admit(self, client: Client, count: int) -> None:
        most = self.about.limits.concurrency
        if self.pending >= most:
            raise HTTPException(429, f"{most} requests run or wait", headers={"Retry-After": str(RETRY_SECONDS)})
        spent = _reading(self.store.charged, client.name) + self._reserved[client.name]
        if client.budget is not None and spent + count > client.budget:
            left = max(0, client.budget - spent)
            raise HTTPException(402, f"{count} candidates requested, {left} left of {client.budget}")

    def _start(self, client: Client, count: int, work: Callable[[], dict[str, Any]]) -> "asyncio.Task[dict[str, Any]]":
        """Admit a request and run it in the worker; its slot and reservation are released when it ends or fails."""
        self._admit(client, count)
        self.pending += 1
        self._reserved[client.name] += count
        task = asyncio.create_task(self._run(work))
        task.add_done_callback(lambda done: self._release(client, count, done))
        return task

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._worker, self._context.run, _attempt, work)

    def _release(self, client: Client, count: int, done: "asyncio.Task[dict[str, Any]]") -> None:
        self.pending -= 1
        self._reserved[client.name] -= count
        if not done.cancelled():
            done.exception()  # retrieved even if the client has disconnected

    def _score(self, client: Client, request: EvaluationRequest, candidates: Matrix | None) -> dict[str, Any]:
        evaluation = self._ask((client.name, request.id), request.split, candidates)
        evaluation = checked_evaluation(evaluation, 1 if candidates is None else len(candidates))
        answer = {
            "id": request.id,
            "losses": numbers(evaluation.losses),
            "metrics": {name: numbers(values) for name, values in evaluation.metrics.items()},
            "usage": {name: getattr(evaluation.usage, name) for name in currencies() if name in TOLD},
        }
        kept = Kept(digest=request.digest, answer=json.dumps(answer, allow_nan=False))
        self.store.keep(client.name, request.id, kept, candidates=len(evaluation.losses))
        return answer

    def _ask(self, key: Key, split: str, candidates: Matrix | None) -> Evaluation:
        if split == "train" and candidates is not None:
            gathering = self._gathering
            return gathering.evaluate(key, candidates) if gathering else self.objective.evaluate(candidates)
        if not isinstance(self.objective, Validated):
            raise InputError(f"there is no split {split!r}")
        return self.objective.baseline(split) if candidates is None else self.objective.validate(candidates, split)


def _attempt(work: Callable[[], T]) -> T:
    try:
        return work()
    except HTTPException:
        raise
    except InputError as error:
        raise HTTPException(422, str(error)) from error
    except sqlite3.Error as error:
        raise HTTPException(503, f"the store cannot be written: {error}") from error
    except Exception as error:
        raise HTTPException(500, f"the objective failed: {one_line(error)}") from error


def _reading(read: Callable[..., T], *arguments: str) -> T:
    try:
        return read(*arguments)
    except sqlite3.Error as error:
        raise HTTPException(503, f"the store cannot be read: {error}") from error


def _of_same(answer: dict[str, Any], digest: str, requested: str) -> dict[str, Any]:
    if digest != requested:
        raise HTTPException(409, "the id was used for another request")
    return answer
