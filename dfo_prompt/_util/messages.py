"""JSON messages between a client and a service, parsed strictly."""

import json
from collections.abc import Mapping
from typing import Any

from dfo_prompt._util.reading import refuse_constant, unique_keys
from dfo_prompt.errors import InputError


def encode(message: Mapping[str, Any]) -> bytes:
    """Return a message as JSON, without spaces."""
    return json.dumps(message, separators=(",", ":"), allow_nan=False).encode()


def decode(body: bytes) -> dict[str, Any]:
    """Return the message in `body`.

    Raises:
        InputError: the body is no JSON object.
    """
    message = decode_any(body)
    if not isinstance(message, dict):
        raise InputError("the body is no JSON object")
    return message


def decode_any(body: bytes) -> Any:
    """Return the JSON value in `body`.

    Raises:
        InputError: the body is no JSON, repeats a key, or holds NaN or an infinity.
    """
    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=unique_keys, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InputError(f"the body is no JSON: {error}") from error
