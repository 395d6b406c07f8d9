"""The prompt objectives: the loss of a language model on a task, under a prompt that z determines."""

from collections.abc import Iterable

from dfo_prompt.contracts.spec import TEXT_FILE, ExporterSpec, ObjectiveSpec, Spec
from dfo_prompt.plugin.hookspecs import hookimpl

PROJECTIONS = {
    "normal": ("dense:normal", "Gaussian, scaled by the embeddings (Sun et al., 2022b)"),
    "matched": ("dense:matched", "Gaussian, mean and deviation by the formula of BBTv2 (Sun et al., 2022b)"),
    "uniform": ("dense:uniform", "Uniform in +-1/sqrt(d), the default initialisation of a linear layer (Sun et al., 2022)"),
    "orthogonal": ("dense:orthogonal", "Orthogonal columns of equal length"),
    "sparse": ("structured:sparse", "Sparse random signs (Achlioptas, 2003; Li et al., 2006)"),
    "count-sketch": ("structured:count_sketch", "Each entry is a coordinate of z or its negative (Charikar et al., 2002)"),
    "fastfood": ("structured:fastfood", "Products of Hadamard and diagonal matrices (Le et al., 2013)"),
    "low-rank": ("structured:low_rank", "All tokens lie in a few common random directions"),
    "file": ("learned:from_file", "A matrix from a safetensors file"),
}

LOSSES = {
    "cross_entropy": ("cross_entropy", "Negative log-likelihood of the correct label word among the label words"),
    "smoothed": ("smoothed", "Cross entropy with label smoothing of 0.1 (Szegedy et al., 2016)"),
    "hinge": ("hinge", "Multi-class hinge loss with margin 2, as in the reference code of Black-Box Tuning"),
    "accuracy": ("error_rate", "Share of wrong labels"),
}


@hookimpl
def dfo_prompt_objectives() -> Iterable[Spec]:
    """Register the prompt objectives."""
    summary = "Loss of a soft prompt A z + p0 for a language model on a k-shot task (Sun et al., 2022)."
    yield Spec(name="prompt", target="dfo_prompt.prompt.soft:prompt_objective", summary=summary)
    summary = "Loss of a prompt of d tokens, one per coordinate (after AutoPrompt: Shin et al., 2020)."
    yield Spec(name="trigger", target="dfo_prompt.prompt.discrete:trigger_objective", summary=summary)
    summary = "Loss of a text ahead of each example: demonstrations and an instruction, which z selects."
    package = "dfo_prompt.prompt.text"
    yield ObjectiveSpec(
        name="text-prompt",
        target=f"{package}.build:text_objective",
        summary=summary,
        dimension=f"{package}.decoders:text_dim",
    )


@hookimpl
def dfo_prompt_projections() -> Iterable[Spec]:
    """Register the random projections, and the projection from a file."""
    return [
        Spec(name=name, target=f"dfo_prompt.prompt.projections.{target}", summary=f"{summary}.")
        for name, (target, summary) in PROJECTIONS.items()
    ]


@hookimpl
def dfo_prompt_losses() -> Iterable[Spec]:
    """Register the losses in `losses.py`."""
    for name, (function, summary) in LOSSES.items():
        yield Spec(name=name, target=f"dfo_prompt.prompt.losses:{function}", summary=f"{summary}.")


@hookimpl
def dfo_prompt_exporters() -> Iterable[ExporterSpec]:
    """Register the export formats in `export.py` and `adapter.py`."""
    module = "dfo_prompt.prompt.export"
    summary = "A folder that labels texts with only peft and transformers; needs the extra peft."
    target = "dfo_prompt.prompt.adapter:save_for_peft"
    yield ExporterSpec(name="peft", target=target, summary=summary, place="adapter", card=True)
    summary = 'The tensor "prompt" of a safetensors file.'
    yield ExporterSpec(name="safetensors", target=f"{module}:save_tensors", summary=summary, place="prompt.safetensors")
    summary = "A text file with the marks of the template in place of an example."
    yield ExporterSpec(name="text", target=f"{module}:save_text", summary=summary, place=TEXT_FILE, takes="text")
