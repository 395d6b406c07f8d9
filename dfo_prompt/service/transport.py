"""Exchanges messages with a dfo-prompt service; see `dfo_prompt._util.http`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from dfo_prompt._util.http import Exchange, Http, HttpError
from dfo_prompt._util.logs import only_errors
from dfo_prompt._util.messages import decode, encode
from dfo_prompt._util.parsing import parse
from dfo_prompt.contracts.usage import Usage
from dfo_prompt.errors import InputError, OutageError

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Reply(Generic[T]):
    """A service's message and the usage of all tries."""

    message: T
    usage: Usage


class Transport:
    """Sends messages to the service at `url`; the arguments are those of `Http`."""

    def __init__(self, url: str, *, token: str, timeout: float, patience: float) -> None:
        self._http = Http(url, token=token, timeout=timeout, patience=patience)

    def get(self, kind: type[T], path: str) -> Reply[T]:
        """Get the message of class `kind` at `path`; see `post`."""
        return self._send(kind, "GET", path, b"")

    def post(self, kind: type[T], path: str, message: Mapping[str, Any]) -> Reply[T]:
        """Send a message to `path` and return the reply, a message of class `kind`, with the usage of all tries.

        Raises:
            OutageError: there is no reply, the service refuses the request, or the reply is not of class `kind`.
        """
        return self._send(kind, "POST", path, encode(message))

    def nonsense(self, problem: str, usage: Usage) -> OutageError:
        """Return the error for an invalid answer that consumed `usage`."""
        error = self._http.nonsense(problem, Exchange())
        error.usage = usage
        return error

    def _send(self, kind: type[T], method: str, path: str, content: bytes) -> Reply[T]:
        try:
            with only_errors("stamina"):  # `Http` logs retries in more detail
                took = self._http.send(method, path, content)
        except HttpError as error:
            error.usage = _usage(error.exchange, content)
            raise
        try:
            return Reply(message=parse(kind, decode(took.body)), usage=_usage(took, content))
        except InputError as error:
            raise self.nonsense(str(error), _usage(took, content)) from error


def _usage(took: Exchange, content: bytes) -> Usage:
    return Usage(
        requests=1,
        attempts=took.attempts,
        unanswered=took.unanswered,
        uploaded=took.attempts * len(content),
        downloaded=len(took.body),
    )
