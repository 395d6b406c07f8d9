"""Limited-memory evolution strategies and direct search in random subspaces, for large d."""

from collections.abc import Iterable

import dfo_prompt as dp

_OPTIMIZERS = {
    "lm-ma-es": ("lm_ma_es:LMMAES", "limited-memory matrix adaptation (Loshchilov, Glasmachers and Beyer, 2019)"),
    "lm-cma": ("lm_cma:LMCMA", "limited-memory CMA-ES, Cholesky factors from few vectors (Loshchilov, 2017)"),
    "r1-es": ("rm_es:RmES", "rank-one evolution strategy (Li and Zhang, 2018)"),
    "rm-es": ("rm_es:RmES", "rank-m evolution strategy (Li and Zhang, 2018)"),
    "mm-es": ("mm_es:MMES", "mixture-model evolution strategy (He, Zheng and Zhou, 2021)"),
    "direct-search": ("direct_search:DirectSearch", "polls in random subspaces (Roberts and Royer, 2023)"),
}
_FIXED: dict[str, dict[str, object]] = {"r1-es": {"paths": 1, "gap": 1}}


@dp.hookimpl
def dfo_prompt_optimizers() -> Iterable[dp.OptimizerSpec]:
    """Register the optimizers."""
    for name, (target, summary) in _OPTIMIZERS.items():
        yield dp.OptimizerSpec(
            name=f"lm:{name}",
            target=f"dfo_prompt_lm.{target}",
            options=_FIXED.get(name, {}),
            summary=f"Large d: {summary}.",
            adapts={"popsize": "two per direction, at most d directions"} if name == "direct-search" else {},
            least_popsize=1 if name == "direct-search" else 4,
        )
