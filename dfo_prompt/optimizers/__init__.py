"""Adapters of optimizer libraries, one a file, and random search; offered through the same hook as anyone's."""

from collections.abc import Iterable

from dfo_prompt.hookspecs import hookimpl
from dfo_prompt.optimizer import OptimizerSpec

_CMA: dict[str, tuple[dict[str, object], str]] = {
    "cma": ({}, "CMA-ES, full covariance (Hansen, 2016)"),
    "cma:sep": ({"covariance": "diagonal"}, "CMA-ES, diagonal covariance (Ros and Hansen, 2008)"),
    "cma:vd": ({"covariance": "vd"}, "CMA-ES, diagonal plus one direction (Akimoto, Auger and Hansen, 2014)"),
    "cma:vkd": ({"covariance": "vkd"}, "CMA-ES, diagonal plus k directions (Akimoto and Hansen, 2016)"),
    "cma:passive": ({"active": False}, "CMA-ES without negative weights"),
    "cma:ipop": ({"restarts": "ipop"}, "CMA-ES, restarts with doubled population (Auger and Hansen, 2005)"),
    "cma:bipop": ({"restarts": "bipop"}, "CMA-ES, restarts with large and small populations (Hansen, 2009)"),
}

_NEVERGRAD = {
    "OnePlusOne": "(1+1)-ES with the one-fifth rule",
    "CauchyOnePlusOne": "(1+1)-ES with Cauchy steps",
    "TripleDiagonalCMA": "diagonal CMA-ES, three times the population",
    "DiagonalCMA": "diagonal CMA-ES",
    "TinyCMA": "CMA-ES with small steps",
    "DE": "differential evolution",
    "TwoPointsDE": "differential evolution, two-point crossover",
    "PSO": "particle swarm",
    "TBPSA": "population-size-adaptive evolution strategy, for noise",
    "NGOpt": "whatever nevergrad's wizard picks",
}

_PYMOO = {
    "DE": "differential evolution",
    "ES": "evolution strategy",
    "G3PCX": "generalized generation gap with parent-centric crossover",
    "GA": "genetic algorithm",
    "PSO": "particle swarm",
}


@hookimpl
def dfo_prompt_optimizers() -> Iterable[OptimizerSpec]:
    """Give random search and the optimizers of pycma, nevergrad and pymoo."""
    place = "dfo_prompt.optimizers."
    yield OptimizerSpec(name="random", target=place + "random_search:RandomSearch", summary="Independent normal samples.")
    for name, (options, summary) in _CMA.items():
        yield OptimizerSpec(name=name, target=place + "cma:CMA", options=options, summary=f"pycma: {summary}.")
    for name, summary in {**_NEVERGRAD, "*": "any name of its registry"}.items():
        yield OptimizerSpec(
            name=f"nevergrad:{name}",
            target=place + "nevergrad:Nevergrad",
            options={} if name == "*" else {"variant": name},
            summary=f"nevergrad: {summary}.",
            extra="nevergrad",
            ignores=("popsize",),
        )
    for name, summary in {**_PYMOO, "*": "any algorithm that pymoo knows by name"}.items():
        yield OptimizerSpec(
            name=f"pymoo:{name}",
            target=place + "pymoo:Pymoo",
            options={} if name == "*" else {"variant": name},
            summary=f"pymoo: {summary}.",
        )
    for name in ("cma", "*"):
        yield OptimizerSpec(
            name=f"blockwise:{name}",
            target="dfo_prompt.blockwise:Blockwise",
            options={} if name == "*" else {"variant": name},
            summary=f"Blocks of coordinates in turn, each by {'any optimizer here' if name == '*' else name} (BBTv2).",
        )
