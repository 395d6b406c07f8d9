"""The derivative-free minimizers of SciPy."""

from collections.abc import Iterable

import dfo_prompt as dp

_METHODS = {
    "COBYQA": "quadratic models in a trust region (Ragonneau and Zhang, 2024)",
    "COBYLA": "linear models in a trust region (Powell, 1994)",
    "Nelder-Mead": "downhill simplex, adaptive (Gao and Han, 2012)",
    "Powell": "line searches along conjugate directions (Powell, 1964)",
    "dual_annealing": "generalized simulated annealing (Xiang et al., 1997)",
    "differential_evolution": "differential evolution (Storn and Price, 1997)",
}
_ADAPTED = {
    "COBYQA": {"sigma": "in a box at most half of it"},
    "Nelder-Mead": {"sigma": "in a box at most half of it"},
    "Powell": {"sigma": "without bounds; in a box a line search spans it"},
    "dual_annealing": {"x0": "the first candidate", "sigma": "without bounds, a tenth of half the box"},
}


@dp.hookimpl
def dfo_prompt_optimizers() -> Iterable[dp.OptimizerSpec]:
    """Register an optimizer per method."""
    for name, summary in _METHODS.items():
        yield dp.OptimizerSpec(
            name=f"scipy:{name}",
            target="dfo_prompt_scipy.optimizer:SciPy",
            options={"method": name},
            summary=f"SciPy: {summary}.",
            ignores=() if name == "differential_evolution" else ("popsize",),
            adapts=_ADAPTED.get(name, {}),
            least_popsize=5 if name == "differential_evolution" else 1,
        )
