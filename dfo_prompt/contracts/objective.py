"""The objective contract: what a black box takes and gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from dfo_prompt.contracts.usage import Usage
from dfo_prompt.types import Json, Matrix, Vector


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What one call of an objective gave.

    Attributes:
        losses: (B,) numbers of NumPy, torch or pandas, smaller is better; NaN or infinite where an evaluation failed.
        metrics: further figures by name, each (B,), for the journal and for choosing on held-out data.
        usage: what the call consumed.
        outputs: (B, M) the figures that the losses are a function of, where they were asked for; see `Composite`. A row with
            a figure that is not finite is one without outputs.
    """

    losses: Vector
    metrics: Mapping[str, Vector] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    outputs: Matrix | None = None


@runtime_checkable
class Objective(Protocol):
    """A function of z in R^d that can only be queried. One candidate is one query.

    An objective without `describe` is asked again for one journaled candidate when its study goes on, and is refused if the
    loss is another. One whose losses vary from call to call has an attribute `deterministic = False`, and is not asked.
    """

    @property
    def dim(self) -> int:
        """Return d."""

    def evaluate(self, candidates: Matrix) -> Evaluation:
        """Score candidates (B, d), which must not be changed.

        Whatever it raises fails the whole batch, except an OutageError, which stops the study. An error with an attribute
        `usage`, a `Usage`, is charged with that, and any other at the estimate of what is paid for; see `Estimating`.
        """


@runtime_checkable
class Validated(Protocol):
    """An objective that also has held-out examples; these evaluations go on the ledger's second account."""

    @property
    def metric(self) -> str:
        """Return the name of the metric that chooses on "dev" and is reported on "test"; larger is better."""

    def validate(self, candidates: Matrix, split: str) -> Evaluation:
        """Score candidates (B, d) on the split "dev" or "test"; `metrics` holds `metric`."""

    def baseline(self, split: str) -> Evaluation:
        """Score the hand-written prompt alone, as one candidate (B = 1)."""


class Outer(Protocol):
    """A convex function of an objective's outputs that gives its losses, with derivatives: no query is needed for it."""

    @property
    def size(self) -> int:
        """Return M, the number of outputs of a candidate."""

    def losses(self, outputs: Matrix) -> Vector:
        """Return the losses (B,) of outputs (B, M)."""

    def gradient(self, outputs: Matrix) -> Matrix:
        """Return the derivatives (B, M) of the losses by the outputs (B, M)."""

    def curvature(self, outputs: Matrix, directions: Matrix) -> Matrix:
        """Return the products (B, M) of the Hessian at each row of outputs (B, M) with the same row of directions (B, M).

        The Hessian is positive semidefinite; one row of outputs (1, M) stands for all directions.
        """


@runtime_checkable
class Composite(Protocol):
    """An objective whose loss is a known function of figures that each query returns, such as residuals or label scores."""

    @property
    def outer(self) -> Outer | None:
        """Return the function from outputs to losses; None where the settings leave none, and outputs cannot be had."""

    def evaluate_outputs(self, candidates: Matrix) -> Evaluation:
        """Score candidates (B, d) as `evaluate` does, and give the outputs as well."""


@runtime_checkable
class Estimating(Protocol):
    """An objective that knows what candidates will consume before they do, as limits need it.

    A batch that was cut off and runs again has consumed twice, and its first time is charged at the estimate. Where that is
    not so, since evaluations are computed here or a service replays them, an attribute `costs_again` names the currencies
    that a repetition does consume; () for none.
    """

    def estimate(self, count: int, split: str = "train") -> Usage:
        """Return the most that scoring `count` candidates can consume, without asking; 0 where nothing is known or used.

        More candidates never consume less. Only an objective that is `Validated` is asked about another split than "train".
        """


@runtime_checkable
class Numbered(Protocol):
    """An objective that is told which evaluation comes next, to name it to a service that charges each name once."""

    def expect(self, account: str, first: int) -> None:
        """Learn that the next call is for evaluation `first`, from 1, of an account; a continued study gives it again."""


@runtime_checkable
class Remote(Protocol):
    """An objective that another process evaluates: this process is the user's side, and that one the server's."""

    def server_bytes(self) -> int | None:
        """Return the bytes of main memory that the process that evaluates held at most, or None if it does not say."""


@runtime_checkable
class Predictor(Protocol):
    """An objective whose candidates label texts."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the names of the C classes."""

    def predict(self, candidate: Vector, texts: Sequence[tuple[str, ...]]) -> Matrix:
        """Return probabilities (N, C) of N examples' texts under the candidate (d,)."""


@runtime_checkable
class Generating(Protocol):
    """An objective whose candidates make a model generate answers that are texts."""

    def generate(self, candidate: Vector, texts: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
        """Return the answers to N examples' texts under the candidate (d,)."""


@runtime_checkable
class Textual(Protocol):
    """An objective whose candidates stand for texts. Those of one text have one outcome, paid for once."""

    def text(self, candidate: Vector) -> str:
        """Return the text of a candidate (d,), as a person may paste it."""


@runtime_checkable
class Layered(Protocol):
    """An objective whose candidates hold prompts for the layers of a model, bottom layer first, in equal parts."""

    @property
    def prompt_layers(self) -> int:
        """Return the number of layers that have one."""


@runtime_checkable
class Described(Protocol):
    """An objective that provides metadata for the manifest; a study goes on only with the same."""

    def describe(self) -> Mapping[str, Json]:
        """Return what defines the objective: data fingerprint, model, projection scale, precision."""
