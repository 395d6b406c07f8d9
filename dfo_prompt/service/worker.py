"""Runs requests one after the other in a worker thread, each with an id only once, however often it is sent.

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
from threading import Lock
from typing import Any, TypeVar

from starlette.exceptions import HTTPException

from dfo_prompt.errors import InputError, one_line
from dfo_prompt.service.clients import Client
from dfo_prompt.service.store import Kept, Store
from dfo_prompt.service.wire import ChargedRequest, OnceRequest, ServiceLimits

T = TypeVar("T")
Key = tuple[str, str]
"""The client and the id of a request."""
RETRY_SECONDS = 1
"""The Retry-After of requests that exceed the concurrency limit."""


@dataclass(frozen=True, kw_only=True)
class Running:
    """A request that runs or waits: the hash of its content and its pending answer."""

    digest: str
    answer: asyncio.Task[dict[str, Any]]


def _nothing() -> None:
    pass


class Worker:
    """The pending requests of a service.

    Args:
        limits: the limits of the service.
        store: the store of answers and charges; no other process may charge while the worker runs.
    """

    def __init__(self, limits: ServiceLimits, store: Store) -> None:
        self.store, self.pending, self._concurrency = store, 0, limits.concurrency
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="objective")
        self._context = copy_context()  # the worker thread needs the catalogue with the plugin files
        self._running: dict[Key, Running] = {}
        self._reserved: Counter[str] = Counter()  # candidates of pending requests, by client
        self._settling = Lock()  # of reservations: a charge is committed and its reservation dropped at once

    async def once(
        self,
        client: Client,
        request: OnceRequest | ChargedRequest,
        count: int,
        work: Callable[[], dict[str, Any]],
        *,
        queued: Callable[[], None] = _nothing,
        committed: Callable[[], None] = _nothing,
    ) -> dict[str, Any]:
        """Return the answer to a request; an identical earlier request with its id is answered from the store.

        Args:
            client: the client that is charged.
            request: the request; without an id it is run and charged each time.
            count: the number of candidates that it is charged for.
            work: returns the answer, in the worker thread; what it writes to the store is committed with answer and charge.
            queued: called once the request is admitted, before its turn.
            committed: called in the worker thread after the commit.

        Raises:
            HTTPException: 402, 409, 422, 429, 500 or 503 with a reason, or raised by `work`.
        """
        key = (client.name, request.id) if request.id is not None else None
        if key and (known := await self._known(key, request.digest)):
            return {**known, "replayed": True}
        task = self._start(client, count, lambda: self._committed(client, request, count, work, committed))
        queued()
        if key:
            self._running[key] = Running(digest=request.digest, answer=task)
            task.add_done_callback(lambda _: self._running.pop(key))
        return {**await asyncio.shield(task), "replayed": False}  # continues if the client disconnects

    async def run(self, client: Client, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Run work that is free of charge for a client in the worker thread.

        Raises:
            HTTPException: 422, 429, 500 or 503 with a reason, or raised by `work`.
        """
        return await asyncio.shield(self._start(client, 0, work))

    def close(self) -> None:
        """Wait for running requests and close the store."""
        self._thread.shutdown()
        self.store.close()

    async def _known(self, key: Key, digest: str) -> dict[str, Any] | None:
        """Return the stored answer to a request, or the one that is pending; None if the request is new."""
        if kept := reading(self.store.find, *key):
            _check_same(kept.digest, digest)
            answer: dict[str, Any] = json.loads(kept.answer)
            return answer
        if running := self._running.get(key):
            _check_same(running.digest, digest)
            return await asyncio.shield(running.answer)
        return None

    def _start(self, client: Client, count: int, work: Callable[[], dict[str, Any]]) -> "asyncio.Task[dict[str, Any]]":
        """Admit a request and run it in the worker."""
        self._admit(client, count)
        self.pending += 1
        task = asyncio.create_task(self._run(work))
        task.add_done_callback(lambda done: self._release(client, count, done))
        return task

    def _admit(self, client: Client, count: int) -> None:
        """Check the limits, and reserve the candidates until the request is charged or fails."""
        if self.pending >= self._concurrency:
            reason = f"{self._concurrency} requests run or wait"
            raise HTTPException(429, reason, headers={"Retry-After": str(RETRY_SECONDS)})
        if not count:
            return
        with self._settling:
            spent = reading(self.store.charged, client.name) + self._reserved[client.name]
            if client.budget is not None and spent + count > client.budget:
                left = max(0, client.budget - spent)
                raise HTTPException(402, f"{count} candidates requested, {left} left of {client.budget}")
            self._reserved[client.name] += count

    def _release(self, client: Client, count: int, done: "asyncio.Task[dict[str, Any]]") -> None:
        self.pending -= 1
        if not done.cancelled() and done.exception():
            with self._settling:
                self._reserved[client.name] -= count

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._context.run, _attempt, work)

    def _committed(
        self,
        client: Client,
        request: OnceRequest | ChargedRequest,
        count: int,
        work: Callable[[], dict[str, Any]],
        committed: Callable[[], None],
    ) -> dict[str, Any]:
        with self.store.writer:  # a transaction from the first write on
            answer = work()
            if request.id is not None:
                kept = Kept(digest=request.digest, answer=json.dumps(answer, allow_nan=False))
                self.store.keep(client.name, request.id, kept)
            with self._settling:
                self.store.charge(client.name, count)
                self.store.writer.commit()
                self._reserved[client.name] -= count
        committed()
        return answer


def reading(read: Callable[..., T], *arguments: str) -> T:
    """Call a function that reads the store.

    Raises:
        HTTPException: 503, the store cannot be read.
    """
    try:
        return read(*arguments)
    except sqlite3.Error as error:
        raise HTTPException(503, f"the store cannot be read: {error}") from error


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


def _check_same(digest: str, requested: str) -> None:
    if digest != requested:
        raise HTTPException(409, "the id was used for another request")
