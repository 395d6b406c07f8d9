"""Local Bayesian optimization."""

from collections.abc import Iterable

import dfo_prompt as dp


@dp.hookimpl
def dfo_prompt_optimizers() -> Iterable[dp.OptimizerSpec]:
    """Register TuRBO."""
    summary = "BoTorch: Gaussian process in a trust region (Eriksson et al., 2019), for a few hundred queries."
    yield dp.OptimizerSpec(name="botorch:turbo", target="dfo_prompt_botorch.turbo:TuRBO", summary=summary)
