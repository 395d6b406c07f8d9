"""The objective contract: a black box that scores candidates, and its optional capabilities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from dfo_prompt.contracts.usage import Usage
from dfo_prompt.types import Json, Matrix, Vector

CLEAN = "clean"
"""The metric of an objective with noise that is the loss without it; a study's recommended loss is this one."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The result of one call of an objective.

    Attributes:
        losses: (B,) NumPy, torch or pandas numbers, smaller is better; NaN or infinite where an evaluation failed.
        metrics: further figures by name, each (B,), for the journal and for selection on held-out data; see `CLEAN`.
        usage: consumption of the call.
        outputs: (B, M) the outputs that the losses are a function of, if requested; see `Composite`. A row with a value that
            is not finite counts as missing.
    """

    losses: Vector
    metrics: Mapping[str, Vector] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    outputs: Matrix | None = None


def concatenated(parts: Sequence[Evaluation], usage: Usage) -> Evaluation:
    """Return the evaluation of a batch from those of its parts; metrics and outputs that a part lacks are left out."""
    common = set.intersection(*({*part.metrics} for part in parts))
    outputs = [part.outputs for part in parts if part.outputs is not None]
    return Evaluation(
        losses=np.concatenate([part.losses for part in parts]),
        metrics={
            name: np.concatenate([part.metrics[name] for part in parts]) for name in parts[0].metrics if name in common
        },
        outputs=np.concatenate(outputs) if len(outputs) == len(parts) else None,
        usage=usage,
    )


@runtime_checkable
class Objective(Protocol):
    """A function of z in R^d that can only be queried. One candidate is one query.

    When a study of an objective without `describe` continues, one journaled candidate is scored again, and the objective is
    refused if the loss differs. An objective whose losses vary sets the attribute `deterministic = False` to skip the check.
    """

    @property
    def dim(self) -> int:
        """Return d."""

    def evaluate(self, candidates: Matrix) -> Evaluation:
        """Score candidates (B, d) without modifying the array.

        An exception fails the whole batch, except an OutageError, which stops the study. The batch is charged with the
        exception's attribute `usage`, if it is a `Usage`, otherwise with the estimate; see `Estimating`.
        """


@runtime_checkable
class Validated(Protocol):
    """An objective that also has held-out examples; their evaluations are charged to the ledger's second account."""

    @property
    def metric(self) -> str:
        """Return the name of the metric used for selection on "dev" and reported on "test"; larger is better."""

    def validate(self, candidates: Matrix, split: str) -> Evaluation:
        """Score candidates (B, d) on the split "dev" or "test"; `metrics` holds `metric`."""

    def baseline(self, split: str) -> Evaluation:
        """Score the hand-written prompt as a batch of one (B = 1)."""


class Outer(Protocol):
    """A known convex function, with derivatives, from an objective's outputs to its losses; evaluating it takes no query."""

    @property
    def size(self) -> int:
        """Return M, the number of outputs per candidate."""

    def losses(self, outputs: Matrix) -> Vector:
        """Return the losses (B,) of outputs (B, M)."""

    def gradient(self, outputs: Matrix) -> Matrix:
        """Return the gradients (B, M) of the losses with respect to the outputs (B, M)."""

    def curvature(self, outputs: Matrix, directions: Matrix) -> Matrix:
        """Return Hessian-vector products (B, M): the Hessian at each row of outputs (B, M) times that of directions (B, M).

        The Hessian is positive semidefinite. A single row of outputs (1, M) is broadcast over all directions.
        """


@runtime_checkable
class Composite(Protocol):
    """An objective whose loss is a known function of the outputs of each query, such as residuals or label scores."""

    @property
    def outer(self) -> Outer | None:
        """Return the function from outputs to losses; None if outputs are unavailable with these settings."""

    def evaluate_outputs(self, candidates: Matrix) -> Evaluation:
        """Score candidates (B, d) as `evaluate` does, and also return the outputs."""


@runtime_checkable
class Estimating(Protocol):
    """An objective that estimates the consumption of candidates in advance, as limits require.

    A batch that was cut off and runs again consumes twice, so the first run is charged at the estimate. If repetition is
    free, because evaluations are local or a service replays them, the attribute `costs_again` names the currencies that a
    repetition does consume; () for none.
    """

    def estimate(self, count: int, split: str = "train") -> Usage:
        """Return an upper bound of what scoring `count` candidates consumes, without a query; 0 where unknown or unused.

        The bound must not decrease with `count`. Splits other than "train" are passed only to a `Validated` objective.
        """


@runtime_checkable
class Numbered(Protocol):
    """An objective that receives the number of the next evaluation, so that a service can charge each number once."""

    def expect(self, account: str, first: int) -> None:
        """Announce that the next call starts at evaluation `first` (from 1) of an account; a continued study repeats it."""


@runtime_checkable
class Remote(Protocol):
    """An objective evaluated by another process: this process is the user's side, the other the server."""

    def server_bytes(self) -> int | None:
        """Return the peak main memory of the evaluating process in bytes, or None if it is not reported."""


@runtime_checkable
class Predictor(Protocol):
    """An objective whose candidates classify texts."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the names of the C classes."""

    def predict(self, candidate: Vector, texts: Sequence[tuple[str, ...]]) -> Matrix:
        """Return class probabilities (N, C) of N examples under the candidate (d,)."""


@runtime_checkable
class Generating(Protocol):
    """An objective whose candidates make a model generate answers that are texts."""

    def generate(self, candidate: Vector, texts: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
        """Return the answers to N examples' texts under the candidate (d,)."""


@runtime_checkable
class Textual(Protocol):
    """An objective whose candidates map to texts. Candidates with the same text share one outcome, consumed once."""

    def text(self, candidate: Vector) -> str:
        """Return the text of a candidate (d,), ready to paste."""


@runtime_checkable
class Layered(Protocol):
    """An objective whose candidates concatenate equally long parts, one per layer of a model, bottom layer first."""

    @property
    def prompt_layers(self) -> int:
        """Return the number of layers with a prompt."""


@runtime_checkable
class Described(Protocol):
    """An objective that provides metadata for the manifest; a study continues only with the same metadata."""

    def describe(self) -> Mapping[str, Json]:
        """Return the metadata that identifies the objective: data fingerprint, model, projection scale, precision."""
