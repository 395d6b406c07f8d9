"""HTTP requests with retries and a count of the attempts; every failure is an OutageError."""

import logging
import weakref
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import httpx2
import stamina

from dfo_prompt._util.messages import decode_any
from dfo_prompt._util.supervisor import GOES_ON
from dfo_prompt.errors import InputError, OutageError, one_line, shortened

AGAIN = (408, 429)
"""Statuses below 500 that are retried."""
NEVER = (501, 505)
"""Statuses from 500 on that are not retried."""
LARGEST = 2**28
"""The most bytes of an answer."""
CONNECT_SECONDS = 10.0
FIRST_WAIT, LONGEST_WAIT = 0.2, 10.0
"""The first and the longest wait before a retry, in seconds; the wait doubles each time, with jitter."""
SERVER_FAULT = 500
OK = 200
DIRECT = ("127.0.0.1", "localhost", "[::1]")
"""Hosts that are never asked through the environment's proxy, which would see the token and cannot reach them."""
UNSENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)
"""Errors of requests that were never sent."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """The answer to a request, and the attempts it took.

    Attributes:
        body: body of the answer; empty without an answer.
        attempts: number of attempts, including the first.
        unanswered: number of attempts that may have reached the service but got no usable answer.
    """

    body: bytes = b""
    attempts: int = 0
    unanswered: int = 0


class HttpError(OutageError):
    """A request without a usable answer.

    Attributes:
        exchange: the attempts.
        status: status of the answer; 0 without an answer.
    """

    def __init__(self, message: str, *, exchange: Exchange, status: int = 0) -> None:
        super().__init__(message)
        self.exchange, self.status = exchange, status


class RefusedError(Exception):
    """A service answered with a status other than 200; `wait` is its Retry-After in seconds, if any."""

    def __init__(self, status: int, reason: str, wait: float | None) -> None:
        super().__init__(f"status {status}{f', {reason}' if reason else ''}")
        self.status, self.wait = status, wait


class Http:
    """Sends requests to the service at `url`; threads may share it.

    Lost connections and the statuses 408, 429 and from 500 on are retried for up to `patience` seconds. No message contains
    the token, even if the service echoes it.

    Args:
        url: base URL of the service, without a path of its interface.
        token: bearer token; "" for none.
        timeout: seconds to wait for an answer.
        patience: seconds during which a failed request is retried.

    Raises:
        InputError: the URL, the token or the environment's proxy or certificates cannot be used.
    """

    def __init__(self, url: str, *, token: str = "", timeout: float, patience: float) -> None:
        self.url = _checked(url)
        self._token, self._timeout, self._patience = token, timeout, patience
        headers = {"Accept-Encoding": "identity", "Content-Type": "application/json"}
        headers |= {"Authorization": f"Bearer {_sendable(token)}"} if token else {}
        self._client = _client(headers, httpx2.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS)))
        weakref.finalize(self, self._client.close)

    def send(self, method: str, path: str, content: bytes = b"") -> Exchange:
        """Send a request and return the answer, with the count of all attempts.

        Raises:
            HttpError: there is no answer, or its status is not 200.
        """
        took = [Exchange()]
        try:
            self._retried(took, method, path, content)
        except RefusedError as error:
            raise self._outage(f"refused: {error}; fix it", took[0], error.status) from error
        except httpx2.HTTPError as error:
            late = isinstance(error, httpx2.TimeoutException) and not isinstance(error, UNSENT)
            remedy = "set a longer timeout" if late else "start it"
            raise self._outage(f"gives no answer: {one_line(error)}; {remedy}", took[0]) from error
        except InputError as error:
            raise self.nonsense(str(error), took[0]) from error
        return took[0]

    def nonsense(self, fault: str, took: Exchange) -> HttpError:
        """Return the error for an invalid answer."""
        return self._outage(f"answers nonsense: {fault}; fix it", took, OK)

    def _outage(self, fault: str, took: Exchange, status: int = 0) -> HttpError:
        return HttpError(f"service {self.url} {self._without_token(fault)}, and {GOES_ON}", exchange=took, status=status)

    def _without_token(self, text: str) -> str:
        return text.replace(self._token, "...") if self._token else text

    def _retried(self, took: list[Exchange], method: str, path: str, content: bytes) -> None:
        """Send a request with retries, updating the exchange in `took` after each attempt."""
        for attempt in stamina.retry_context(
            self._again, attempts=None, timeout=self._patience, wait_initial=FIRST_WAIT, wait_max=LONGEST_WAIT
        ):
            took[0] = replace(took[0], attempts=took[0].attempts + 1)
            with attempt:
                try:
                    took[0] = replace(took[0], body=self._once(method, path, content))
                except (httpx2.RequestError, InputError) as error:
                    if not isinstance(error, UNSENT):
                        took[0] = replace(took[0], unanswered=took[0].unanswered + 1)
                    raise

    def _once(self, method: str, path: str, content: bytes) -> bytes:
        began, parts, size = monotonic(), [], 0
        with self._client.stream(method, f"{self.url}{path}", content=content) as response:
            for part in response.iter_bytes():
                parts.append(part)
                size += len(part)
                if size > LARGEST:
                    raise InputError(f"an answer of more than {LARGEST:,} bytes")
                if monotonic() - began > self._timeout:  # the client's own timeout covers only the pause between parts
                    raise httpx2.ReadTimeout(f"no whole answer in {self._timeout:g} seconds", request=response.request)
        data = b"".join(parts)
        if response.status_code != OK:
            raise RefusedError(response.status_code, _reason(data), _wait(response.headers.get("retry-after", "")))
        return data

    def _again(self, error: Exception) -> bool | float:
        """Return whether to retry after an error, or the seconds to wait before."""
        if isinstance(error, RefusedError):
            if error.status in NEVER or (error.status not in AGAIN and error.status < SERVER_FAULT):
                return False
            if error.wait is not None and error.wait > self._patience:
                return False
        elif not isinstance(error, httpx2.TransportError):
            return False
        retried = f"retried for up to {self._patience:g} seconds"
        logger.info("service %s: %s; %s", self.url, self._without_token(one_line(error)), retried)
        return error.wait if isinstance(error, RefusedError) and error.wait is not None else True


def _client(headers: dict[str, str], timeout: httpx2.Timeout) -> httpx2.Client:
    try:
        return httpx2.Client(headers=headers, timeout=timeout, mounts=dict.fromkeys(f"all://{host}" for host in DIRECT))
    except (ImportError, OSError, ValueError, httpx2.InvalidURL) as error:
        variables = "HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE and SSLKEYLOGFILE"
        raise InputError(f"no connection can be set up: {one_line(error)}; check {variables} in the environment") from error


def _checked(url: str) -> str:
    try:
        parts, host = urlsplit(url), httpx2.URL(url).raw_host
        good = parts.scheme in ("http", "https") and bool(host) and (parts.port is None or parts.port > 0)
        host.decode().encode("idna")  # as the resolver does
    except (ValueError, httpx2.InvalidURL):
        good = False
    if good and "@" in parts.netloc:
        raise InputError("url: it has a user or a password, which would be shown; leave them out, and give a key")
    if not good or parts.query or parts.fragment:
        raise InputError(f"url: {shortened(url)!r} is no URL of a service, as http://127.0.0.1:8000")
    return url.rstrip("/")


def _sendable(token: str) -> str:
    if not (token.isascii() and token.isprintable() and token == token.strip()):
        raise InputError("the key has characters that a header cannot hold, a line break perhaps")
    return token


def _reason(data: bytes) -> str:
    """Return the message in an error's JSON body, from one of the usual keys; "" if there is none."""
    try:
        reason: Any = decode_any(data)
    except InputError:
        return ""
    for key in ("error", "detail", "message"):
        if isinstance(reason, dict):
            reason = reason.get(key, reason)
    return shortened(reason) if isinstance(reason, str) else ""


def _wait(header: str) -> float | None:
    """Return the seconds of a Retry-After header; None for a date, which the usual waits cover."""
    return float(header) if header.strip().isdecimal() and len(header) < len("1000000") else None
