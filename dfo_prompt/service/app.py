"""Defines the service's HTTP interface as an ASGI application."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from time import perf_counter
from typing import TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from dfo_prompt._util.memory import peak_resident
from dfo_prompt._util.messages import decode, encode
from dfo_prompt._util.parsing import parse
from dfo_prompt.errors import InputError
from dfo_prompt.service.clients import Client, find_client
from dfo_prompt.service.engine import Engine
from dfo_prompt.service.labels import FeedbackRequest, LabelRequest, PromptRequest
from dfo_prompt.service.meters import MEDIA_TYPE, Meters
from dfo_prompt.service.openapi import document
from dfo_prompt.service.training import Training
from dfo_prompt.service.wire import EvaluationRequest, PredictionRequest
from dfo_prompt.service.worker import reading

T = TypeVar("T")
JSON = "application/json"
JSON_LINES = "application/jsonl"
BODY_SECONDS = 60.0
"""The time limit for receiving a request's body."""
LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")
"""The only hosts besides its own that a service without tokens accepts, as protection against DNS rebinding by web pages."""
Handler = Callable[["Service", Request], Awaitable[Response]]


def application(engine: Engine, clients: Sequence[Client], training: Training, *, host: str = "localhost") -> Starlette:
    """Build the application.

    Args:
        engine: closed when the application ends.
        clients: the clients with tokens, or a single client without a token for all requests from this machine.
        training: the served prompt and its feedback.
        host: the address that the service listens at.
    """
    service = Service(engine, clients, training)
    routes = [
        Route("/health", service.health, methods=["GET"]),
        Route("/metrics", service.metrics, methods=["GET"]),
        Route("/openapi.json", service.openapi, methods=["GET"]),
        Route("/v1/about", service.about, methods=["GET"]),
        Route("/v1/evaluations", service.evaluations, methods=["POST"]),
        Route("/v1/predictions", service.predictions, methods=["POST"]),
        Route("/v1/predict", service.predict, methods=["POST"]),
        Route("/v1/feedback", service.feedback, methods=["GET", "POST"]),
        Route("/v1/prompt", service.prompt, methods=["POST"]),
    ]
    hosts = [*LOOPBACK, host, f"[{host}]"]
    guards = [] if clients[0].token else [Middleware(TrustedHostMiddleware, allowed_hosts=hosts)]
    handlers = {HTTPException: _refused}
    return Starlette(routes=routes, middleware=guards, exception_handlers=handlers, lifespan=service.lifespan)  # type: ignore[arg-type]


def _counted(handler: Handler) -> Handler:
    """Wrap a handler of `Service` to count its requests."""

    async def counted(self: "Service", request: Request) -> Response:
        began, path, status = perf_counter(), request.url.path, 500
        try:
            response = await handler(self, request)
            status = response.status_code
            return response
        except HTTPException as refusal:
            status = refusal.status_code
            raise
        finally:
            self.meters.requests.labels(path, status).inc()
            self.meters.seconds.labels(path).observe(perf_counter() - began)

    return counted


class Service:
    """The handlers of the routes."""

    def __init__(self, engine: Engine, clients: Sequence[Client], training: Training) -> None:
        self._engine, self._clients, self._training, self.meters = engine, clients, training, Meters()
        self.meters.pending.set_function(lambda: engine.pending)
        self.meters.peak.set_function(lambda: peak_resident() or 0)

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """Close the engine at shutdown, after running requests."""
        yield
        await asyncio.to_thread(self._engine.close)

    async def health(self, _: Request) -> Response:
        """Report that the service is alive; needs no token."""
        return _json({"status": "ok"})

    async def openapi(self, _: Request) -> Response:
        """Return the OpenAPI document; needs no token."""
        return _json(document())

    async def metrics(self, request: Request) -> Response:
        """Return the metrics for Prometheus."""
        self._client(request)
        return Response(self.meters.text(), media_type=MEDIA_TYPE)

    @_counted
    async def about(self, request: Request) -> Response:
        """Describe the served objective."""
        self._client(request)
        return _json(asdict(replace(self._engine.about, prompt=self._training.prompt, peak_bytes=peak_resident())))

    @_counted
    async def evaluations(self, request: Request) -> Response:
        """Score candidates."""
        client = self._client(request)
        answer = await self._engine.evaluate(client, await self._read(request, EvaluationRequest))
        self.meters.candidates.labels(answer["replayed"]).inc(len(answer["losses"]))
        return _json(answer)

    @_counted
    async def predictions(self, request: Request) -> Response:
        """Label texts."""
        client = self._client(request)
        return _json(await self._engine.predict(client, await self._read(request, PredictionRequest)))

    @_counted
    async def predict(self, request: Request) -> Response:
        """Label texts with the served prompt."""
        client = self._client(request)
        return _json(await self._training.label(client, await self._read(request, LabelRequest)))

    @_counted
    async def feedback(self, request: Request) -> Response:
        """Store corrected labels, or return all of them as JSON lines."""
        if request.method != "POST":
            self._trainer(request)
            examples = await asyncio.to_thread(reading, self._training.examples)
            return Response(b"".join(encode(example) + b"\n" for example in examples), media_type=JSON_LINES)
        client = self._client(request)
        answer = await self._training.take(client, await self._read(request, FeedbackRequest))
        self.meters.feedback.labels(answer["replayed"]).inc(answer["taken"])
        return _json(answer)

    @_counted
    async def prompt(self, request: Request) -> Response:
        """Replace the served prompt if the offered one is better on dev."""
        client = self._trainer(request)
        answer = await self._training.offer(client, await self._read(request, PromptRequest))
        if not answer["replayed"]:
            self.meters.prompts.labels(answer["swapped"]).inc()
        return _json(answer)

    def _trainer(self, request: Request) -> Client:
        """Return the request's client, which must be allowed to train.

        Raises:
            HTTPException: 401, or 403 if the client may not train.
        """
        client = self._client(request)
        if not client.trains:
            raise HTTPException(403, "that is for the client that --trainer names")
        return client

    def _client(self, request: Request) -> Client:
        """Return the request's client.

        Raises:
            HTTPException: 401, the request has no known token.
        """
        if not self._clients[0].token:
            return self._clients[0]
        client = find_client(self._clients, request.headers.get("authorization", ""))
        if client is None:
            raise HTTPException(401, "a known token is needed", headers={"WWW-Authenticate": "Bearer"})
        return client

    async def _read(self, request: Request, kind: type[T]) -> T:
        """Parse a request's body as a message of class `kind`.

        Raises:
            HTTPException: 400, 408, 413, 415 or 422 with a reason.
        """
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
            raise HTTPException(415, f"the content type must be {JSON}")
        most = self._engine.about.limits.bytes
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _body(request, most)
        except ClientDisconnect as error:
            raise HTTPException(400, "the body broke off") from error
        except TimeoutError as error:
            raise HTTPException(408, f"the body did not arrive within {BODY_SECONDS:g} seconds") from error
        try:
            return parse(kind, decode(body))
        except InputError as error:
            raise HTTPException(422, str(error)) from error


async def _body(request: Request, most: int) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise HTTPException(413, f"the body has more than {most:,} bytes")
        parts.append(part)
    return b"".join(parts)


def _json(message: dict[str, object], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(encode(message), status, headers, JSON)


async def _refused(_: Request, refusal: HTTPException) -> Response:
    return _json({"error": refusal.detail}, refusal.status_code, dict(refusal.headers or {}))
