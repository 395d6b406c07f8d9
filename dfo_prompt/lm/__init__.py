"""Loads language models and scores label words under soft prompts."""

from collections.abc import Iterable

from dfo_prompt.contracts.spec import ModelSpec, Spec
from dfo_prompt.plugin.hookspecs import hookimpl

SMOLLM = "HuggingFaceTB/SmolLM2-135M-Instruct"
CALIBRATIONS = {
    "none": "No calibration",
    "contextual": "Mean probabilities for texts without content, divided out (Zhao et al., 2021)",
    "domain": "The same for random words of the training texts (Fei et al., 2023)",
    "median": "Median log-probabilities over the training texts, subtracted: each class wins about equally often",
}


@hookimpl
def dfo_prompt_calibrations() -> Iterable[Spec]:
    """Register the calibrations in `calibration.py`."""
    for name, summary in CALIBRATIONS.items():
        yield Spec(name=name, target=f"dfo_prompt.lm.calibration:{name}", summary=f"{summary}.")


@hookimpl
def dfo_prompt_models() -> Iterable[Spec]:
    """Register the models with a short name."""
    summary = "SmolLM2-135M-Instruct, 30 layers, 576 wide: runs on a laptop."
    return [ModelSpec(name="smollm2-135m", target="dfo_prompt.lm.smollm:fetch", summary=summary, hub=SMOLLM)]
