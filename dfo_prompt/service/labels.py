"""Defines messages about the served prompt: texts and labels, corrected labels, offered prompts."""

from dataclasses import dataclass

from dfo_prompt._util.parsing import OPEN
from dfo_prompt.service.wire import Block, ChargedRequest, Count, Examples, Number, OnceRequest


@dataclass(frozen=True, kw_only=True)
class LabelRequest(ChargedRequest):
    """A request to label texts with the served prompt."""

    texts: Examples


@dataclass(frozen=True, kw_only=True)
class Labels:
    """The labels of N examples and the probabilities (N, C) of all classes; None where not finite.

    Attributes:
        prompt: the hash of the candidate that labelled the examples.
        replayed: whether they were labelled for an earlier delivery of the same request.
    """

    __pydantic_config__ = OPEN

    prompt: str
    classes: list[str]
    labels: list[str | None]
    probabilities: list[list[Number]]
    replayed: bool = False


@dataclass(frozen=True, kw_only=True)
class FeedbackRequest(OnceRequest):
    """Examples with their correct labels, one per example; the service stores them once for each id."""

    texts: Examples
    labels: list[str]


@dataclass(frozen=True, kw_only=True)
class Taken:
    """The response to feedback: how many examples were stored.

    Attributes:
        replayed: whether they were stored by an earlier delivery of the same request.
    """

    __pydantic_config__ = OPEN

    id: str
    taken: Count
    replayed: bool


@dataclass(frozen=True, kw_only=True)
class PromptRequest(ChargedRequest):
    """A request to serve a candidate (1, d) if it is better on dev than the served one."""

    candidate: Block


@dataclass(frozen=True, kw_only=True)
class OnDev:
    """A candidate's hash and its figures on dev; None where not finite."""

    __pydantic_config__ = OPEN

    prompt: str
    score: Number
    loss: Number


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The figures of an offered prompt and of the previously served one.

    Attributes:
        swapped: whether the offered prompt replaced the served one.
        prompt: the hash of the candidate that is served since this comparison.
        replayed: whether they were compared for an earlier delivery of the same request.
    """

    __pydantic_config__ = OPEN

    metric: str
    offered: OnDev
    served: OnDev
    swapped: bool
    prompt: str
    replayed: bool = False
