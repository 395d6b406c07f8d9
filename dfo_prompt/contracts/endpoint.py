"""The endpoint contract: a served language model that scores label tokens after each row of input."""

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
"""An input of a model: a text, token ids, or embeddings (T, E). The label is the token that follows."""
Answered: TypeAlias = tuple[Vector, npt.NDArray[np.bool_]]
"""A row of `Scores`: log-probabilities (C,) and bounds (C,)."""
SMALLEST_PROBABILITY = float(np.finfo(np.float32).tiny)
"""The upper bound that replaces a probability of zero, to which a model's precision rounds smaller ones."""
STEADY = 1e-6
"""The largest spread of repeated answers that counts as rounding."""


class Form(StrEnum):
    """The forms that a row can have."""

    TEXT = "text"
    TOKENS = "tokens"
    EMBEDDINGS = "embeddings"


@dataclass(frozen=True, kw_only=True)
class Label:
    """A label token: its text with any leading space, and its id, or None without a tokenizer."""

    text: str
    token: int | None = None


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """The capabilities of an endpoint, as measured by its probe.

    Attributes:
        forms: forms of rows that the endpoint accepts.
        exact: True if it scores every label; otherwise it scores only labels among its `top` most likely tokens.
        top: length of its list of likely tokens; 0 if it returns no list.
        normalised: True if probabilities are normalised over the labels only, not over the vocabulary.
        continues: True if the label continues the row; False if it begins a reply to the row, as in a chat, so that no row
            can end with the first tokens of a label word.
        spread: largest difference of a label's log-probability between repeated answers to the same row.
        sample: log-probabilities after the probe's rows; they detect another model served under the same name.
        usage: consumption of the probe.
    """

    forms: frozenset[Form]
    exact: bool
    top: int = 0
    normalised: bool = False
    continues: bool = True
    spread: float = 0.0
    sample: tuple[float, ...] = ()
    usage: Usage = field(default_factory=Usage)

    @property
    def steady(self) -> bool:
        """Tell whether repeated answers are the same."""
        return self.spread <= STEADY

    def lasting(self) -> dict[str, Json]:
        """Return the manifest entries that must be the same when a study continues."""
        return {"exact": self.exact, "top": self.top, "normalised": self.normalised}

    def measured(self, *more: Usage) -> dict[str, Json]:
        """Return the manifest entries that may vary: the spread, and the usage of the probe and of `more`."""
        total = sum(more, self.usage)
        return {"spread": self.spread, **{name: value for name, value in vars(total).items() if value}}


@dataclass(frozen=True, kw_only=True, eq=False)
class Scores:
    """The scores of N rows.

    Attributes:
        logs: log-probabilities (N, C) of the labels, over the vocabulary unless the capabilities are `normalised`.
        bounds: (N, C), True where the label was not listed: its score is that of the last listed token, an upper bound.
        usage: consumption of all attempts.
    """

    logs: Matrix
    bounds: npt.NDArray[np.bool_]
    usage: Usage


@runtime_checkable
class Endpoint(Protocol):
    """A served language model."""

    def probe(self, labels: Sequence[Label]) -> Capabilities:
        """Score a few rows to find the endpoint's capabilities; called once, before any other method.

        Raises:
            InputError: the endpoint cannot score labels; the message says why.
            OutageError: the endpoint does not answer.
        """

    def score(self, rows: Sequence[Row], labels: Sequence[Label]) -> Scores:
        """Return the scores of C labels after each of N rows.

        Raises:
            OutageError: the endpoint does not answer, or gives an invalid answer; `usage` holds what was consumed anyway.
        """

    def estimate(self, rows: Sequence[Row]) -> Usage:
        """Return an upper bound of what `score` would consume for these rows, without a request; budgets reserve it."""

    def describe(self) -> Mapping[str, Json]:
        """Return the facts that identify the endpoint: kind, address, model and prices, but no key."""


class EndpointOutageError(OutageError):
    """An endpoint gives no usable answer.

    Attributes:
        usage: consumption of all attempts, including answered ones.
        answered: log-probabilities (C,) and bounds (C,) of the rows that were answered, by row index.
        refused: True if the endpoint rejected the request, so a retry is useless.
    """

    def __init__(
        self,
        message: str,
        *,
        usage: Usage | None = None,
        answered: Mapping[int, Answered] | None = None,
        refused: bool = False,
    ) -> None:
        super().__init__(message)
        self.usage, self.answered, self.refused = usage or Usage(), answered or {}, refused
