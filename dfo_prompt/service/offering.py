"""Offers a candidate to a service that labels texts."""

from pathlib import Path
from uuid import uuid4

from dfo_prompt.service.clients import read_token
from dfo_prompt.service.labels import Comparison
from dfo_prompt.service.transport import Transport
from dfo_prompt.service.wire import pack
from dfo_prompt.types import Vector


def offer(candidate: Vector, *, url: str, token_file: Path | None, timeout: float, patience: float) -> Comparison:
    """Offer a candidate (d,) to the service at `url` and return its comparison on dev; see `remote_objective`.

    Raises:
        InputError: the URL is invalid, or the token file cannot be read.
        OutageError: the service refuses the candidate, or gives no usable answer.
    """
    transport = Transport(url, token=read_token(token_file) if token_file else "", timeout=timeout, patience=patience)
    request = {"id": uuid4().hex, "candidate": pack(candidate[None])}
    return transport.post(Comparison, "/v1/prompt", request).message
