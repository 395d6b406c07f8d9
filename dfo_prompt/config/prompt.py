"""The configuration of a soft prompt: its construction from z, and the loss."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from dfo_prompt._util.parsing import STRICT
from dfo_prompt.config.paths import Start
from dfo_prompt.config.problem import Count
from dfo_prompt.types import Options


@dataclass(frozen=True, kw_only=True)
class PromptConfig:
    """A soft prompt A z + p0, and the loss of a language model under it. The defaults are those of Sun et al. (2022).

    Attributes:
        tokens: P, the length of the prompt.
        place: "ahead" of the texts, or at the {prompt} mark of the task's template; or "behind" the texts, so that a causal
            model computes the texts' keys and values once for all queries.
        start: p0: "zero", "vocabulary" (embeddings of random tokens of the vocabulary), "text:WORDS" (embeddings of a text,
            repeated or cut to P tokens), or "file:PATH" (a file written by `dfo-prompt pretrain-projection`).
        projection: a name that `dfo-prompt list projections` shows.
        projection_options: options of the projection.
        layers: "first", a prompt in the embedding layer; or "all", a prompt in every layer, each with an equal part of z,
            bottom layer first (BBTv2, Sun et al., 2022b); see the optimizers "blockwise:...".
        loss: a name that `dfo-prompt list losses` shows.
        calibration: calibration of the label words' scores; a name that `dfo-prompt list calibrations` shows.
        dtype: "auto", "float32", "bfloat16" or "float16"; see `dfo_prompt.lm.precision`.
        draw: index of the random draw of projection and start; it does not affect the split.
    """

    __pydantic_config__ = STRICT

    tokens: Annotated[Count, Field(description="Length of the soft prompt.")] = 50
    place: Annotated[
        Literal["ahead", "behind"], Field(description="Place of the prompt: ahead of the texts, or behind.")
    ] = "ahead"
    start: Annotated[Start, Field(description="zero, vocabulary, text:WORDS or file:PATH.")] = "vocabulary"
    projection: Annotated[str, Field(description="Name of the projection.")] = "normal"
    projection_options: Options = field(default_factory=dict)
    layers: Annotated[Literal["first", "all"], Field(description="Layers with a prompt: first or all.")] = "first"
    loss: Annotated[str, Field(description="Name of the loss.")] = "cross_entropy"
    calibration: Annotated[str, Field(description="Name of the calibration.")] = "none"
    dtype: Annotated[str, Field(description="auto, float32, bfloat16 or float16.")] = "auto"
    draw: Annotated[int, Field(ge=0)] = 0
