"""The functions of the black-box optimization benchmark (BBOB)."""

from collections.abc import Iterable

import dfo_prompt as dp


@dp.hookimpl
def dfo_prompt_objectives() -> Iterable[dp.Spec]:
    """Register all functions under a common name."""
    summary = "Functions 1 to 24 of BBOB, noiseless (Hansen et al., 2009), by ioh."
    yield dp.Spec(name="bbob:*", target="dfo_prompt_bbob.objective:bbob", summary=summary)
