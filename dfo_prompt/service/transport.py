"""Requests to a service: sent again where that can help, with what they took; any other end of one is an outage."""

import logging
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import httpx2
import stamina

from dfo_prompt._util.logs import only_errors
from dfo_prompt._util.supervisor import GOES_ON
from dfo_prompt.contracts.usage import Usage
from dfo_prompt.errors import InputError, OutageError, one_line, shortened
from dfo_prompt.service.wire import decode, encode

AGAIN = (408, 429)
"""Statuses below 500 after which the same request may succeed."""
LARGEST = 2**28
"""Bytes of an answer."""
CONNECT_SECONDS = 10.0
FIRST_WAIT, LONGEST_WAIT = 0.2, 10.0
"""Seconds between two tries, of which each waits twice as long as the one before; with jitter."""
SERVER_FAULT = 500
OK = 200
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A service's message, and what it took to get it."""

    message: Mapping[str, Any]
    usage: Usage


class RefusedError(Exception):
    """A service answered with another status than 200; `wait` is what it asks for, in seconds, if it does."""

    def __init__(self, status: int, reason: str, wait: float | None) -> None:
        super().__init__(f"status {status}{f', {reason}' if reason else ''}")
        self.status, self.wait = status, wait


class Transport:
    """Sends messages to the service at `url`.

    Only lost connections, 408, 429 and statuses from 500 on are tried again, for up to `patience` seconds.

    Args:
        url: of the service, without a path of the interface.
        token: "" for none.
        timeout: seconds for one answer.
        patience: see above.

    Raises:
        InputError: the URL is none.
    """

    def __init__(self, url: str, *, token: str, timeout: float, patience: float) -> None:
        self._url, self._timeout, self._patience = _checked(url), timeout, patience
        headers = {"Accept-Encoding": "identity", "Content-Type": "application/json"}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        limits = httpx2.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS))
        self._client = httpx2.Client(headers=headers, timeout=limits)
        weakref.finalize(self, self._client.close)

    def get(self, path: str) -> Reply:
        """Ask for what lies at `path`; see `post`."""
        return self._send("GET", path, b"")

    def post(self, path: str, message: Mapping[str, Any]) -> Reply:
        """Send a message to `path` and return the reply, with what all tries took.

        Raises:
            OutageError: there is none, or it refuses the request, or is no JSON object.
        """
        return self._send("POST", path, encode(message))

    def _send(self, method: str, path: str, content: bytes) -> Reply:
        tries, data = 0, b""
        try:
            with only_errors("stamina"):  # it says less of a retry than `_again` does
                for attempt in self._attempts():
                    tries += 1
                    with attempt:
                        data = self._once(method, path, content)
            return Reply(message=decode(data), usage=_usage(tries, content, data))
        except RefusedError as error:
            raise self._outage(f"refused: {error}; mend it", _usage(tries, content)) from error
        except httpx2.HTTPError as error:
            raise self._outage(f"gives no answer: {one_line(error)}; start it", _usage(tries, content)) from error
        except InputError as error:
            raise self.nonsense(str(error), _usage(tries, content, data)) from error

    def nonsense(self, said: str, usage: Usage) -> OutageError:
        """Return the error of an answer that is not what was asked for, and took `usage`."""
        return self._outage(f"answers nonsense: {said}; mend it", usage)

    def _outage(self, said: str, usage: Usage) -> OutageError:
        return OutageError(f"service {self._url} {said}, and {GOES_ON}", usage=usage)

    def _attempts(self) -> Iterable[stamina.Attempt]:
        return stamina.retry_context(
            self._again, attempts=None, timeout=self._patience, wait_initial=FIRST_WAIT, wait_max=LONGEST_WAIT
        )

    def _once(self, method: str, path: str, content: bytes) -> bytes:
        began, parts, size = monotonic(), [], 0
        with self._client.stream(method, f"{self._url}{path}", content=content) as response:
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
            if error.status not in AGAIN and error.status < SERVER_FAULT:
                return False
            if error.wait is not None and error.wait > self._patience:
                return False
        elif not isinstance(error, httpx2.TransportError):
            return False
        logger.info("service %s: %s; trying again", self._url, one_line(error))
        return error.wait if isinstance(error, RefusedError) and error.wait is not None else True


def _usage(tries: int, content: bytes, data: bytes = b"") -> Usage:
    return Usage(requests=1, attempts=tries, uploaded=tries * len(content), downloaded=len(data))


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or parts.query or parts.fragment or parts.username:
        raise InputError(f"url: {shortened(url)!r} is no URL of a service, as http://127.0.0.1:8000")
    return url.rstrip("/")


def _reason(data: bytes) -> str:
    try:
        return shortened(str(decode(data).get("error", "")))
    except InputError:
        return ""


def _wait(header: str) -> float | None:
    """Return the seconds that a Retry-After header asks for; those that name a date are left to the usual waits."""
    return float(header) if header.strip().isdigit() and len(header) < len("1000000") else None
