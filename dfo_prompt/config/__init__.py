"""Studies as data: typed configuration, and presets of published settings."""

from collections.abc import Iterable

from dfo_prompt.contracts.spec import Spec
from dfo_prompt.plugin.hookspecs import hookimpl

PRESETS = {
    "bbt": "Black-Box Tuning (Sun et al., 2022), as its reference code runs it",
    "bbt-uniform": "Black-Box Tuning, as its paper has it: uniform projection, z in a box",
    "bbtv2": "BBTv2 (Sun et al., 2022b): a prompt in each of 24 layers",
    "text": "A text to paste: demonstrations and an instruction, for services that take nothing else",
    "text-tokens": "An instruction to paste, its tokens substituted near z",
    "bbt-rgb": "Two stages of BBT-RGB (Sun et al., 2024): BBTv2, then COBYLA a layer; needs dfo-prompt-scipy",
    "efficient": "A soft prompt for 100 to 1,000 queries, behind the text; needs dfo-prompt-structured",
    "recipe": "A few queries to a service that returns hidden states: questions and layers that vote, no search",
}


@hookimpl
def dfo_prompt_presets() -> Iterable[Spec]:
    """Provide the presets in `presets/`; each file states where it follows its source and where it deviates."""
    for name, summary in PRESETS.items():
        yield Spec(name=name, target=f"{__name__}.presets:{name}.toml", summary=f"{summary}.")
