"""The clients of a service: their tokens, and the candidates that each may have scored."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dfo_prompt._util.reading import read_bytes
from dfo_prompt.errors import InputError, UnknownNameError

MOST_BYTES = 2**20
"""Of a file of tokens."""
SHORTEST = 16
"""Characters of a token."""


@dataclass(frozen=True, kw_only=True)
class Client:
    """Who asks.

    Attributes:
        token: in a request's header; "" where a service asks for none.
        budget: candidates that it may have scored, on any split; None means any number.
        trains: it may read feedback, and offer prompts.
    """

    name: str
    token: str = ""
    budget: int | None = None
    trains: bool = False


def find_client(clients: Sequence[Client], authorization: str) -> Client | None:
    """Return the client whose token an Authorization header has, after as many comparisons as there are clients."""
    scheme, _, token = authorization.partition(" ")
    given = token.strip().encode() if scheme.lower() == "bearer" else b""
    found = None
    for client in clients:
        if hmac.compare_digest(client.token.encode(), given):
            found = client
    return found


def read_clients(path: Path | None, budget: int | None = None, *, trainer: str = "") -> tuple[Client, ...]:
    """Read a file of tokens; without one there is a single client that needs none.

    Args:
        path: a line "NAME TOKEN" or "NAME TOKEN BUDGET" a client; a line "TOKEN" is the client "default". Empty lines and
            those that begin with # are skipped.
        budget: of clients whose line has none.
        trainer: name of the client that trains; "" means the only one, and none of several.

    Raises:
        InputError: the file cannot be read, or a line is wrong.
    """
    if path is None and trainer:
        raise InputError("--trainer names a client of a --token-file; give that, or leave it out")
    if path is None:
        return (Client(name="anyone", budget=budget, trains=True),)
    clients = [_client(fields, budget, f"{path}, line {number}") for number, fields in _lines(path)]
    if not clients:
        raise InputError(f"{path} has no token; write a line NAME TOKEN for each client")
    for what, values in {"name": [client.name for client in clients], "token": [client.token for client in clients]}.items():
        if len({*values}) < len(clients):
            raise InputError(f"{path}: two clients have the same {what}")
    if trainer and trainer not in {client.name for client in clients}:
        raise UnknownNameError.among("client", trainer, [client.name for client in clients])
    trains = trainer or (clients[0].name if len(clients) == 1 else "")
    return tuple(replace(client, trains=client.name == trains) for client in clients)


def read_token(path: Path) -> str:
    """Read a client's own file: one line with the token, or with a name ahead of it.

    Raises:
        InputError: the file cannot be read, or holds anything else.
    """
    clients = read_clients(path)
    if len(clients) > 1:
        raise InputError(f"{path} has the tokens of {len(clients)} clients; give a file with the one to use")
    return clients[0].token


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    try:
        text = read_bytes(path, most=MOST_BYTES).decode("ascii")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} holds other characters than ASCII") from error
    lines = [(number, line.split()) for number, line in enumerate(text.splitlines(), start=1)]
    return [(number, fields) for number, fields in lines if fields and not fields[0].startswith("#")]


def _client(fields: Sequence[str], budget: int | None, where: str) -> Client:
    name, token, *rest = ("default", *fields) if len(fields) == 1 else fields
    if len(rest) > 1 or not all(word.isdigit() and len(word) < SHORTEST for word in rest):
        raise InputError(f"{where}: write NAME TOKEN, or NAME TOKEN BUDGET with a whole number")
    if len(token) < SHORTEST:
        raise InputError(f"{where}: the token has fewer than {SHORTEST} characters")
    return Client(name=name, token=token, budget=int(rest[0]) if rest else budget)
