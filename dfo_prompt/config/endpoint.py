"""A language model that somebody serves, and how it is asked."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from dfo_prompt._util.parsing import STRICT
from dfo_prompt.config.problem import Count
from dfo_prompt.types import Options

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
PRACTICAL = ("url", "key_env", "timeout", "patience", "concurrency", "cache")
"""Keys that change nothing about the figures: a study goes on with others."""


@dataclass(frozen=True, kw_only=True)
class EndpointConfig:
    """An endpoint. Prompts are then scored by the server, and only tokenizer and embeddings of the model are loaded here.

    Attributes:
        kind: a name that `dfo-prompt list endpoints` shows.
        url: of the server.
        model: as the server calls it; "" where it has only one.
        key_env: the environment variable that holds the key; "" for none. The key itself is in no file.
        timeout: seconds for one answer.
        patience: seconds for which a request that failed is tried again.
        concurrency: requests at once.
        cache: of answers, in the user's cache folder: "on", "off", or "auto", which is off where answers vary.
        options: of the kind.
    """

    __pydantic_config__ = STRICT

    kind: Annotated[str, Field(description="Kind of server; see list endpoints.")]
    url: Annotated[str, Field(description="URL of the server.")]
    model: Annotated[str, Field(description="Name of the model there.")] = ""
    key_env: Annotated[str, Field(description="Environment variable with the key.")] = ""
    timeout: Annotated[Seconds, Field(description="Seconds for one answer.")] = 60.0
    patience: Annotated[Seconds, Field(description="Seconds for which a request is retried.")] = 60.0
    concurrency: Annotated[Count, Field(description="Requests at once.")] = 4
    cache: Annotated[Literal["auto", "on", "off"], Field(description="Of answers: auto, on or off.")] = "auto"
    options: Options = field(default_factory=dict)
