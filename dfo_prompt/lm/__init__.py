"""Language models: loading, projections, the engine, the prompt objective. Only this package and `methods` import torch."""

from collections.abc import Iterable

from dfo_prompt.hookspecs import hookimpl
from dfo_prompt.specs import Spec

PROJECTIONS = {
    "normal": ("dense:normal", "Gaussian, scaled by the embeddings (Sun et al., 2022b)"),
    "matched": ("dense:matched", "Gaussian, mean and deviation by the formula of BBTv2 (Sun et al., 2022b)"),
    "uniform": ("dense:uniform", "Uniform in +-1/sqrt(d), as a linear layer begins (Sun et al., 2022)"),
    "orthogonal": ("dense:orthogonal", "Orthogonal columns of one length"),
    "sparse": ("structured:sparse", "Sparse signs (Achlioptas, 2003; Li et al., 2006)"),
    "count-sketch": ("structured:count_sketch", "One signed coordinate an entry (Charikar et al., 2002)"),
    "fastfood": ("structured:fastfood", "Products of Hadamard and diagonal matrices (Le et al., 2013)"),
    "low-rank": ("structured:low_rank", "All tokens in a few common directions"),
    "file": ("pretrained:from_file", "A matrix from a safetensors file"),
}


@hookimpl
def dfo_prompt_objectives() -> Iterable[Spec]:
    """Give the prompt objectives."""
    summary = "Loss of a soft prompt A z + p0 for a language model on a k-shot task (Sun et al., 2022)."
    yield Spec(name="prompt", target="dfo_prompt.prompt:prompt_objective", summary=summary)
    summary = "The same of a prompt of d tokens, each coordinate a token (after AutoPrompt: Shin et al., 2020)."
    yield Spec(name="trigger", target="dfo_prompt.trigger:trigger_objective", summary=summary)


@hookimpl
def dfo_prompt_projections() -> Iterable[Spec]:
    """Give the random projections, and the one from a file."""
    return [
        Spec(name=name, target=f"dfo_prompt.lm.{target}", summary=f"{summary}.")
        for name, (target, summary) in PROJECTIONS.items()
    ]


@hookimpl
def dfo_prompt_models() -> Iterable[Spec]:
    """Give the models that have a name of their own."""
    summary = "SmolLM2-135M-Instruct, 30 layers, 576 wide: runs on a laptop."
    return [Spec(name="smollm2-135m", target="dfo_prompt.lm.smollm:fetch", summary=summary)]
