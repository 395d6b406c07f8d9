"""Requests over HTTP: sent again where that can help, with what they took; any other end of one is an outage."""

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
"""Statuses below 500 after which the same request may succeed."""
NEVER = (501, 505)
"""Statuses from 500 on after which it never will."""
LARGEST = 2**28
"""Bytes of an answer."""
CONNECT_SECONDS = 10.0
FIRST_WAIT, LONGEST_WAIT = 0.2, 10.0
"""Seconds between two tries, of which each waits twice as long as the one before; with jitter."""
SERVER_FAULT = 500
OK = 200
UNSENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)
"""Errors of a request that never left."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A request's answer, and what it took.

    Attributes:
        body: of the answer; empty without one.
        attempts: tries, the first one included.
        unanswered: tries that may have reached the service, and had no whole answer.
    """

    body: bytes = b""
    attempts: int = 0
    unanswered: int = 0


class HttpError(OutageError):
    """A request without a usable answer: `exchange` is what it took, `status` what came back, 0 for nothing."""

    def __init__(self, said: str, *, exchange: Exchange, status: int = 0) -> None:
        super().__init__(said)
        self.exchange, self.status = exchange, status


class RefusedError(Exception):
    """A service answered with another status than 200; `wait` is what it asks for, in seconds, if it does."""

    def __init__(self, status: int, reason: str, wait: float | None) -> None:
        super().__init__(f"status {status}{f', {reason}' if reason else ''}")
        self.status, self.wait = status, wait


class Http:
    """Sends requests to the service at `url`; threads may share it.

    Only lost connections, 408, 429 and statuses from 500 on are tried again, for up to `patience` seconds. No message holds
    the token, even if the service repeats it.

    Args:
        url: of the service, without a path of the interface.
        token: "" for none.
        timeout: seconds for one answer.
        patience: see above.

    Raises:
        InputError: the URL is none, or the token cannot be sent.
    """

    def __init__(self, url: str, *, token: str = "", timeout: float, patience: float) -> None:
        self.url = _checked(url)
        self._token, self._timeout, self._patience = token, timeout, patience
        headers = {"Accept-Encoding": "identity", "Content-Type": "application/json"}
        headers |= {"Authorization": f"Bearer {_sendable(token)}"} if token else {}
        limits = httpx2.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS))
        self._client = httpx2.Client(headers=headers, timeout=limits)
        weakref.finalize(self, self._client.close)

    def send(self, method: str, path: str, content: bytes = b"") -> Exchange:
        """Send a request and return the answer, with what all tries took.

        Raises:
            HttpError: there is none, or another status than 200.
        """
        took = [Exchange()]
        try:
            self._retried(took, method, path, content)
        except RefusedError as error:
            raise self._outage(f"refused: {error}; fix it", took[0], error.status) from error
        except httpx2.HTTPError as error:
            raise self._outage(f"gives no answer: {one_line(error)}; start it", took[0]) from error
        except InputError as error:
            raise self.nonsense(str(error), took[0]) from error
        return took[0]

    def nonsense(self, said: str, took: Exchange) -> HttpError:
        """Return the error of an answer that is not what was asked for."""
        return self._outage(f"answers nonsense: {said}; fix it", took, OK)

    def _outage(self, said: str, took: Exchange, status: int = 0) -> HttpError:
        hidden = said.replace(self._token, "...") if self._token else said
        return HttpError(f"service {self.url} {hidden}, and {GOES_ON}", exchange=took, status=status)

    def _retried(self, took: list[Exchange], method: str, path: str, content: bytes) -> None:
        """Replace what is in `took` with each try, the last one's answer included."""
        for attempt in stamina.retry_context(
            self._again, attempts=None, timeout=self._patience, wait_initial=FIRST_WAIT, wait_max=LONGEST_WAIT
        ):
            took[0] = replace(took[0], attempts=took[0].attempts + 1)
            with attempt:
                try:
                    took[0] = replace(took[0], body=self._once(method, path, content))
                except httpx2.TransportError as error:
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
                if monotonic() - began > self._timeout:  # an answer that trickles in has no pause that is too long
                    raise httpx2.ReadTimeout(f"no whole answer in {self._timeout:g} seconds", request=response.request)
        data = b"".join(parts)
        if response.status_code != OK:
            raise RefusedError(response.status_code, _reason(data), _wait(response.headers.get("retry-after", "")))
        return data

    def _again(self, error: Exception) -> bool | float:
        """Tell whether to try again after an error, or in how many seconds."""
        if isinstance(error, RefusedError):
            if error.status in NEVER or (error.status not in AGAIN and error.status < SERVER_FAULT):
                return False
            if error.wait is not None and error.wait > self._patience:
                return False
        elif not isinstance(error, httpx2.TransportError):
            return False
        said = one_line(error)
        logger.info("service %s: %s; trying again", self.url, said.replace(self._token, "...") if self._token else said)
        return error.wait if isinstance(error, RefusedError) and error.wait is not None else True


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or parts.query or parts.fragment or parts.username:
        raise InputError(f"url: {shortened(url)!r} is no URL of a service, as http://127.0.0.1:8000")
    return url.rstrip("/")


def _sendable(token: str) -> str:
    if not (token.isascii() and token.isprintable() and token == token.strip()):
        raise InputError("the key has characters that a header cannot hold, a line break perhaps")
    return token


def _reason(data: bytes) -> str:
    """Return what an error's body says, in one of the usual places."""
    try:
        said: Any = decode_any(data)
    except InputError:
        return ""
    for key in ("error", "detail", "message"):
        if isinstance(said, dict):
            said = said.get(key, said)
    return shortened(said) if isinstance(said, str) else ""


def _wait(header: str) -> float | None:
    """Return the seconds that a Retry-After header asks for; those that name a date are left to the usual waits."""
    return float(header) if header.strip().isdigit() and len(header) < len("1000000") else None
