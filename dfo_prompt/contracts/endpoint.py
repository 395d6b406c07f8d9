"""The endpoint contract: a language model that somebody serves, which is given rows and gives the scores of label tokens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from dfo_prompt.contracts.usage import Usage
from dfo_prompt.errors import OutageError
from dfo_prompt.types import Json, Matrix, Vector

Row: TypeAlias = str | tuple[int, ...] | npt.NDArray[np.float32]
"""What a model is asked: a text, token ids, or embeddings (T, E). The answer is the token that follows."""
Answered: TypeAlias = tuple[Vector, npt.NDArray[np.bool_]]
"""A row of `Scores`: log-probabilities (C,) and bounds (C,)."""


class Form(StrEnum):
    """Forms of rows."""

    TEXT = "text"
    TOKENS = "tokens"
    EMBEDDINGS = "embeddings"


@dataclass(frozen=True, kw_only=True)
class Label:
    """A token that may be an answer: its text, space included, and its id, None where no tokenizer is at hand."""

    text: str
    token: int | None = None


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What an endpoint takes and gives, as its probe found it.

    Attributes:
        forms: of rows that it takes.
        exact: whether it scores every label; otherwise only those among its `top` most likely tokens.
        top: the length of its list of likely tokens; 0 where it has none.
        normalised: whether the probabilities are those of the labels among each other, and say nothing of other tokens.
        spread: the largest difference of a label's log-probability between repeated answers to one row.
        sample: log-probabilities after the probe's rows, which tell one model from another behind the same name.
        usage: what the probe consumed.
    """

    forms: frozenset[Form]
    exact: bool
    top: int = 0
    normalised: bool = False
    spread: float = 0.0
    sample: tuple[float, ...] = ()
    usage: Usage = field(default_factory=Usage)

    def lasting(self) -> dict[str, Json]:
        """Return for the manifest what a continued study must find again."""
        return {"exact": self.exact, "top": self.top, "normalised": self.normalised}

    def measured(self, *more: Usage) -> dict[str, Json]:
        """Return for the manifest what was measured, and what that and `more` took: other figures at another time."""
        took = sum(more, self.usage)
        return {"spread": self.spread, **{name: value for name, value in vars(took).items() if value}}


@dataclass(frozen=True, kw_only=True, eq=False)
class Scores:
    """What came back for N rows.

    Attributes:
        logs: log-probabilities (N, C) of the labels, among all tokens unless the endpoint's capabilities say otherwise.
        bounds: (N, C) true where the label was not listed: its figure is that of the last token listed, an upper bound.
        usage: of all attempts.
    """

    logs: Matrix
    bounds: npt.NDArray[np.bool_]
    usage: Usage


@runtime_checkable
class Endpoint(Protocol):
    """A language model that somebody serves."""

    def probe(self, labels: Sequence[Label]) -> Capabilities:
        """Ask a few rows and return what the endpoint can do; called once, before anything else.

        Raises:
            InputError: it cannot score labels at all, and why.
            OutageError: it does not answer.
        """

    def score(self, rows: Sequence[Row], labels: Sequence[Label]) -> Scores:
        """Return the scores of C labels after each of N rows.

        Raises:
            OutageError: it does not answer, or answers what cannot be right; its `usage` is what was spent all the same.
        """

    def estimate(self, rows: Sequence[Row]) -> Usage:
        """Return the most that `score` would consume for these rows, without asking: what a budget reserves."""

    def describe(self) -> Mapping[str, Json]:
        """Return what defines the endpoint: its kind, address and model, and the prices used; no key."""


class EndpointOutageError(OutageError):
    """An endpoint gives no usable answer.

    Attributes:
        usage: of all attempts, those that were answered included.
        answered: log-probabilities (C,) and bounds (C,) of the rows that were answered all the same, by their places.
        refused: it understood the request, and will never answer one like it.
    """

    def __init__(
        self, said: str, *, usage: Usage | None = None, answered: Mapping[int, Answered] | None = None, refused: bool = False
    ) -> None:
        super().__init__(said)
        self.usage, self.answered, self.refused = usage or Usage(), answered or {}, refused
