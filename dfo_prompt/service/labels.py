"""Messages about the prompt that a service labels texts with: texts and their labels, corrected labels, another prompt."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Annotated

from pydantic import Field

from dfo_prompt._util.parsing import STRICT
from dfo_prompt.service.wire import OPEN, Block, Count, Name, Number

Examples = Annotated[list[Annotated[list[str], Field(min_length=1)]], Field(min_length=1)]
"""Each example is the list of its texts."""


@dataclass(frozen=True, kw_only=True)
class LabelRequest:
    """A request to label texts with the prompt that is served."""

    __pydantic_config__ = STRICT

    texts: Examples


@dataclass(frozen=True, kw_only=True)
class Labels:
    """Labels of N examples, and the probabilities (N, C) of all classes; None where not finite.

    Attributes:
        prompt: hash of the candidate that labelled them.
    """

    __pydantic_config__ = OPEN

    prompt: str
    classes: list[str]
    labels: list[str | None]
    probabilities: list[list[Number]]


@dataclass(frozen=True, kw_only=True)
class FeedbackRequest:
    """Examples with the labels that they should have, one each.

    Attributes:
        id: names the request: the service keeps it once, however often it is sent.
    """

    __pydantic_config__ = STRICT

    id: Name
    texts: Examples
    labels: list[str]

    @property
    def digest(self) -> str:
        """Return a hash of everything in it."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Taken:
    """How many examples were taken.

    Attributes:
        replayed: they were taken with an earlier delivery of the same request.
    """

    __pydantic_config__ = OPEN

    id: str
    taken: Count
    replayed: bool


@dataclass(frozen=True, kw_only=True)
class PromptRequest:
    """A candidate (1, d) that is served from now on if it is better on dev than the one that is."""

    __pydantic_config__ = STRICT

    candidate: Block


@dataclass(frozen=True, kw_only=True)
class OnDev:
    """A candidate's hash, and its figures on dev; None where not finite."""

    __pydantic_config__ = OPEN

    prompt: str
    score: Number
    loss: Number


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The prompt that was offered beside the one that was served until then; `prompt` is the hash of the one served now."""

    __pydantic_config__ = OPEN

    metric: str
    offered: OnDev
    served: OnDev
    swapped: bool
    prompt: str
