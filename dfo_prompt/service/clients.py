"""Reads the clients of a service, their tokens and their budgets of candidates."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dfo_prompt._util.reading import read_bytes
from dfo_prompt.errors import InputError, UnknownNameError

MOST_BYTES = 2**20
"""The largest size of a token file."""
SHORTEST = 16
"""The fewest characters of a token."""


@dataclass(frozen=True, kw_only=True)
class Client:
    """A client of a service.

    Attributes:
        token: the bearer token of its requests; "" where the service needs none.
        budget: the number of candidates it may evaluate, on any split; None means any number.
        trains: whether it may read feedback and offer prompts.
    """

    name: str
    token: str = ""
    budget: int | None = None
    trains: bool = False


def find_client(clients: Sequence[Client], authorization: str) -> Client | None:
    """Return the client whose token an Authorization header has; compares all tokens in constant time."""
    scheme, _, token = authorization.partition(" ")
    presented = token.strip().encode() if scheme.lower() == "bearer" else b""
    match = None
    for client in clients:
        if hmac.compare_digest(client.token.encode(), presented):
            match = client
    return match


def read_clients(path: Path | None, budget: int | None = None, *, trainer: str = "") -> tuple[Client, ...]:
    """Read a token file; without a file there is a single client without a token.

    Args:
        path: a file with a line "NAME TOKEN" or "NAME TOKEN BUDGET" per client; a line "TOKEN" is the client "default".
            Empty lines and lines that begin with # are skipped.
        budget: the budget of clients whose line has none.
        trainer: the name of the client that trains; "" means the only client, or none of several.

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
    for field, values in {
        "name": [client.name for client in clients],
        "token": [client.token for client in clients],
    }.items():
        if len({*values}) < len(clients):
            raise InputError(f"{path}: two clients have the same {field}")
    if trainer and trainer not in {client.name for client in clients}:
        raise UnknownNameError.among("client", trainer, [client.name for client in clients])
    trains = trainer or (clients[0].name if len(clients) == 1 else "")
    return tuple(replace(client, trains=client.name == trains) for client in clients)


def read_token(path: Path) -> str:
    """Read a client's token file: one line "TOKEN" or "NAME TOKEN".

    Raises:
        InputError: the file cannot be read, or has other content.
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
