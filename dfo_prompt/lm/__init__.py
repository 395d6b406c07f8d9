"""Language models: loading, projections, the scoring engine, the prompt objective. The only package that imports torch."""

from collections.abc import Iterable

from dfo_prompt.hookspecs import hookimpl
from dfo_prompt.specs import Spec


@hookimpl
def dfo_prompt_objectives() -> Iterable[Spec]:
    """Give the prompt objective."""
    summary = "Loss of a soft prompt A z + p0 for a language model on a k-shot task (Sun et al., 2022)."
    return [Spec(name="prompt", target="dfo_prompt.prompt:prompt_objective", summary=summary)]


@hookimpl
def dfo_prompt_projections() -> Iterable[Spec]:
    """Give the random projections of Black-Box Tuning."""
    place = "dfo_prompt.lm.projection:"
    return [
        Spec(name="normal", target=place + "normal", summary="Gaussian, scaled by the embeddings (Sun et al., 2022b)."),
        Spec(name="matched", target=place + "matched", summary="Gaussian by the formula of BBTv2 (Sun et al., 2022b)."),
        Spec(name="uniform", target=place + "uniform", summary="Uniform in +-1/sqrt(d), as nn.Linear (Sun et al., 2022)."),
    ]


@hookimpl
def dfo_prompt_models() -> Iterable[Spec]:
    """Give the models that have a name of their own."""
    summary = "SmolLM2-135M-Instruct, 30 layers, 576 wide: runs on a laptop."
    return [Spec(name="smollm2-135m", target="dfo_prompt.lm.smollm:fetch", summary=summary)]
