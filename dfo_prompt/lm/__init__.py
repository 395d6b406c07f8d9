"""Language models: loading them, and the engine that reads label words under soft prompts."""

from collections.abc import Iterable

from dfo_prompt.contracts.spec import Spec
from dfo_prompt.plugin.hookspecs import hookimpl


@hookimpl
def dfo_prompt_models() -> Iterable[Spec]:
    """Give the models that have a name of their own."""
    summary = "SmolLM2-135M-Instruct, 30 layers, 576 wide: runs on a laptop."
    return [Spec(name="smollm2-135m", target="dfo_prompt.lm.smollm:fetch", summary=summary)]
