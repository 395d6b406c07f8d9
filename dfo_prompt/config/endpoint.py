"""The configuration of an endpoint: a served language model and the connection to it."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from dfo_prompt._util.parsing import STRICT, Seconds
from dfo_prompt.config.problem import Count
from dfo_prompt.types import Options

PRACTICAL = ("url", "key_env", "timeout", "patience", "concurrency", "cache")
"""Keys that do not affect results: a study may continue with other values."""


@dataclass(frozen=True, kw_only=True)
class EndpointConfig:
    """An endpoint that scores prompts; this process loads only the model's tokenizer and embeddings.

    Attributes:
        kind: a name that `dfo-prompt list endpoints` shows.
        url: URL of the server.
        model: the server's name for the model; "" if it serves only one.
        key_env: environment variable that holds the key; "" for none. The key is never stored.
        timeout: seconds to wait for an answer.
        patience: seconds during which a failed request is retried.
        concurrency: maximum number of concurrent requests.
        cache: use of the answer cache in the user's cache folder: "on", "off", or "auto", off if answers vary.
        options: options of the kind.
    """

    __pydantic_config__ = STRICT

    kind: Annotated[str, Field(description="Kind of server; see list endpoints.")]
    url: Annotated[str, Field(description="URL of the server.")]
    model: Annotated[str, Field(description="Name of the model there.")] = ""
    key_env: Annotated[str, Field(description="Environment variable with the key.")] = ""
    timeout: Annotated[Seconds, Field(description="Seconds for one answer.")] = 60.0
    patience: Annotated[Seconds, Field(description="Seconds for which a request is retried.")] = 60.0
    concurrency: Annotated[Count, Field(description="Requests at once.")] = 4
    cache: Annotated[Literal["auto", "on", "off"], Field(description="Whether answers are cached: auto, on or off.")] = (
        "auto"
    )
    options: Options = field(default_factory=dict)
