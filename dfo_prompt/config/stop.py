"""Rules that end the search of a study before its budget is spent."""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import Field

from dfo_prompt._util.parsing import STRICT, Finite, Seconds
from dfo_prompt.config.problem import Count

Loss = Finite


@dataclass(frozen=True, kw_only=True)
class StopConfig:
    """Rules that end a search early, after a whole batch; the first rule to hold is the stop reason.

    Attributes:
        time_limit: seconds of optimizer and objective, summed over continuations; results then depend on machine speed.
        patience: number of queries without an improvement of the best loss by more than `min_delta`.
        min_delta: smallest improvement that resets the patience.
        target: loss at which the search ends.
        on: loss that patience and target use: "train", of every query, or "dev", of every evaluation on dev.
    """

    __pydantic_config__ = STRICT

    time_limit: Annotated[Seconds | None, Field(description="Seconds of the search, over all its runs.")] = None
    patience: Annotated[Count | None, Field(description="Queries without a better loss that end the search.")] = None
    min_delta: Annotated[float, Field(ge=0, allow_inf_nan=False, description="A better loss is smaller by more.")] = 0.0
    target: Annotated[Loss | None, Field(description="Loss that ends the search.")] = None
    on: Annotated[Literal["train", "dev"], Field(description="Loss that patience and target look at.")] = "train"

    def __post_init__(self) -> None:
        if self.time_limit is None and self.patience is None and self.target is None:
            raise ValueError("set time_limit, patience or target; the other keys say how")
        if self.min_delta and self.patience is None:
            raise ValueError("min_delta is for patience; set that too")

    def shared(self, studies: int) -> "StopConfig":
        """Return the rules for each of several studies that share the time limit equally."""
        return replace(self, time_limit=self.time_limit and self.time_limit / studies)
