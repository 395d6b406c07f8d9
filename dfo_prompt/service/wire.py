"""Defines the JSON messages between client and service, with candidates as base64 of little-endian float64."""

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from dfo_prompt._util.parsing import OPEN, STRICT, Finite
from dfo_prompt.errors import InputError
from dfo_prompt.types import FLOAT, Json, Matrix, Vector

Split = Literal["train", "dev", "test"]
Size = Annotated[int, Field(ge=1, le=2**31)]
Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
TOLD = frozenset(("rows", "tokens", "nanodollars"))
"""Currencies that the service reports; the client counts requests and bytes itself."""
Name = Annotated[str, Field(pattern="^[0-9A-Za-z_.-]{1,128}$")]
Number = Finite | None
Examples = Annotated[list[Annotated[list[str], Field(min_length=1)]], Field(min_length=1)]
"""Each example is the list of its texts."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """Candidates (B, d): their shape, and base64 of their rows as little-endian float64."""

    __pydantic_config__ = STRICT

    shape: tuple[Size, Size]
    data: str


@dataclass(frozen=True, kw_only=True)
class Hashed:
    """A request that is told apart by its content."""

    __pydantic_config__ = STRICT

    @property
    def digest(self) -> str:
        """Return the hash of the message."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class OnceRequest(Hashed):
    """A request that the service handles once, however often it is sent.

    Attributes:
        id: the request's name.
    """

    id: Name


@dataclass(frozen=True, kw_only=True)
class ChargedRequest(Hashed):
    """A request that the service handles and charges once for each id.

    Attributes:
        id: the request's name; without a name the request is handled and charged each time it is sent.
    """

    id: Name | None = None


@dataclass(frozen=True, kw_only=True)
class EvaluationRequest(OnceRequest):
    """A request to score candidates, which the service does once for each id.

    Attributes:
        split: the examples to score on.
        candidates: the candidates; None means the hand-written prompt on "dev" or "test".
        fingerprint: the fingerprint of the expected objective; "" accepts any.
    """

    candidates: Block | None
    split: Split = "train"
    fingerprint: str = ""


@dataclass(frozen=True, kw_only=True)
class PredictionRequest(ChargedRequest):
    """A request to label texts under one candidate (1, d); each example is the list of its texts."""

    candidates: Block
    texts: Examples
    fingerprint: str = ""


@dataclass(frozen=True, kw_only=True)
class ServiceLimits:
    """What a service takes at most.

    Attributes:
        bytes: of a request's body.
        candidates: of a request.
        texts: the most texts of a request.
        concurrency: the most requests that run or wait at once.
    """

    __pydantic_config__ = OPEN

    bytes: Size = 2**26
    candidates: Size = 1000
    texts: Size = 1000
    concurrency: Size = 64


@dataclass(frozen=True, kw_only=True)
class About:
    """A service's description of its objective.

    Attributes:
        fingerprint: the fingerprint of everything that defines the objective; a study continues only with the same.
        description: the objective's own description.
        metric: the metric on held-out examples; "" without held-out examples.
        classes: the classes of texts; empty if the objective labels no texts.
        estimate: the most that a candidate consumes, by split and currency, as far as known.
        fields: the names of the texts of an example.
        prompt: the hash of the served candidate; "" without a prompt.
        peak_bytes: the service's peak main memory since it started to answer; only on Linux.
    """

    __pydantic_config__ = OPEN

    objective: str
    dim: Size
    seed: Count
    fingerprint: str
    description: dict[str, Any]
    splits: tuple[Split, ...]
    metric: str = ""
    classes: tuple[str, ...] = ()
    fields: tuple[str, ...] = ("text",)
    prompt: str = ""
    peak_bytes: Count | None = None
    prompt_layers: Size = 1
    deterministic: bool = True
    limits: ServiceLimits = field(default_factory=ServiceLimits)
    estimate: dict[str, dict[str, Count]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Losses and metrics of B candidates, None where not finite, and their usage.

    Attributes:
        replayed: whether it was evaluated for an earlier delivery of the same request.
    """

    __pydantic_config__ = OPEN

    id: str
    losses: list[Number]
    metrics: dict[str, list[Number]]
    usage: dict[str, Count]
    replayed: bool


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """The class probabilities (N, C) of N examples, None where not finite.

    Attributes:
        replayed: whether they were computed for an earlier delivery of the same request.
    """

    __pydantic_config__ = OPEN

    classes: list[str]
    probabilities: list[list[Number]]
    replayed: bool = False


def pack(candidates: Matrix) -> dict[str, Json]:
    """Return candidates (B, d) as a `Block` in plain data."""
    data = np.ascontiguousarray(candidates, dtype=FLOAT).tobytes()
    return {"shape": [*candidates.shape], "data": base64.b64encode(data).decode()}


def unpack(block: Block, dim: int) -> Matrix:
    """Return the candidates (B, d) in a block.

    Raises:
        InputError: their d is wrong, their number does not match the shape, or a value is not finite.
    """
    if block.shape[1] != dim:
        raise InputError(f"candidates.shape is {[*block.shape]}; d is {dim} here")
    try:
        raw = base64.b64decode(block.data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError(f"candidates.data is no base64: {error}") from error
    if len(raw) != block.shape[0] * dim * FLOAT.itemsize:
        raise InputError(f"candidates.data holds {len(raw)} bytes, which is not {[*block.shape]} of float64")
    candidates: Matrix = np.frombuffer(raw, dtype=FLOAT).astype(np.float64).reshape(block.shape)
    if not np.isfinite(candidates).all():
        raise InputError("candidates.data holds numbers that are not finite")
    return candidates


def numbers(values: Vector) -> list[float | None]:
    """Return the values with None for non-finite ones: JSON has no NaN."""
    return [float(value) if np.isfinite(value) else None for value in values]


def array(values: Sequence[float | None]) -> Vector:
    """Invert `numbers`, with NaN for all non-finite values."""
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
