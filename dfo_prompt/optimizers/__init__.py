"""Adapters of optimizer libraries, one per file, and two random searches, registered through the public hook."""

from collections.abc import Iterable

from dfo_prompt.contracts.spec import OptimizerSpec
from dfo_prompt.plugin.hookspecs import hookimpl

RANDOM = "random"
"""The name of random search, the baseline of reports."""

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
    "TinyCMA": "CMA-ES; the study's sigma replaces its small steps, so it equals nevergrad:OldCMA",
    "DE": "differential evolution",
    "TwoPointsDE": "differential evolution, two-point crossover",
    "PSO": "particle swarm",
    "TBPSA": "population-size-adaptive evolution strategy, for noise",
    "NGOpt": "whatever nevergrad's wizard picks",
}

_PYMOO = {
    "BRKGA": "biased random-key genetic algorithm",
    "CMAES": "CMA-ES, which is pycma's",
    "DE": "differential evolution",
    "DIRECT": "divides the box; starts in its middle",
    "EPPSO": "particle swarm, evolutionary programming variant",
    "ES": "evolution strategy",
    "G3PCX": "generalized generation gap with parent-centric crossover",
    "GA": "genetic algorithm",
    "ISRES": "improved stochastic ranking evolution strategy",
    "NelderMead": "downhill simplex",
    "NicheGA": "genetic algorithm with niches",
    "PSO": "particle swarm",
    "PatternSearch": "Hooke and Jeeves",
    "SRES": "stochastic ranking evolution strategy",
}

_UNSEEDED = ("DIRECT", "PatternSearch")
"""Optimizers with their own unseeded generators: for points after about ten queries, and for the order of axes."""
_IGNORED = {"DIRECT": ("popsize",), "NelderMead": ("popsize",), "PatternSearch": ("popsize",)}
_FIRST_ONLY = {"sigma": "of the first population; later steps are parts of the box"}
_ADAPTED: dict[str, dict[str, str]] = {
    **dict.fromkeys(("ES", "SRES", "ISRES", "GA", "NicheGA", "PSO"), _FIRST_ONLY),
    "BRKGA": {**_FIRST_ONLY, "popsize": "of the first population; then without its elites"},
    "G3PCX": {"popsize": "of the first population; then two children at a time"},
    "DIRECT": {"x0": "without bounds, as the middle of the box", "sigma": "without bounds, a tenth of half the box"},
    "NelderMead": {"sigma": "in a box at most half of it"},
}
_NEVERGRAD_ADAPTED: dict[str, dict[str, str]] = {
    "*": dict.fromkeys(("x0", "sigma", "popsize"), "as the variant does"),
    "NGOpt": {"sigma": "in a box as its choice does", "popsize": "at least the population of its choice"},
    "TripleDiagonalCMA": {"sigma": "in a box smaller"},
    "DiagonalCMA": {"popsize": "at least its own population"},
    "TinyCMA": {"popsize": "at least its own population"},
}


@hookimpl
def dfo_prompt_optimizers() -> Iterable[OptimizerSpec]:
    """Register random search, coordinate search and the optimizers of pycma, nevergrad and pymoo."""
    place = "dfo_prompt.optimizers."
    yield OptimizerSpec(name=RANDOM, target=place + "random_search:RandomSearch", summary="Independent normal samples.")
    yield OptimizerSpec(
        name="coordinate",
        target=place + "coordinate_search:CoordinateSearch",
        summary="Random steps along one coordinate at a time, for discrete prompts (after Shin et al., 2020).",
    )
    for name, (options, summary) in _CMA.items():
        yield OptimizerSpec(
            name=name,
            target=place + "cma:CMA",
            options=options,
            summary=f"pycma: {summary}.",
            least_popsize=4 if name == "cma:vkd" else 3,
        )
    yield OptimizerSpec(
        name="cma:lq",
        target=place + "cma_surrogate:SurrogateCMA",
        options={"restarts": "none"},  # the model, and the point that it injects, belong to one distribution
        summary="pycma: CMA-ES with a linear-quadratic model of the loss (Hansen, 2019).",
        adapts={"popsize": "the size of a generation, which is asked for in parts"},
    )
    for name, summary in {**_NEVERGRAD, "*": "any name of its registry"}.items():
        yield OptimizerSpec(
            name=f"nevergrad:{name}",
            target=place + "nevergrad:Nevergrad",
            options={} if name == "*" else {"variant": name},
            variants=place + "nevergrad:variants" if name == "*" else "",
            summary=f"nevergrad: {summary}.",
            adapts=_NEVERGRAD_ADAPTED.get(name, {}),
        )
    for name, summary in _PYMOO.items():
        yield OptimizerSpec(
            name=f"pymoo:{name}",
            target=place + "pymoo:Pymoo",
            options={"variant": name},
            summary=f"pymoo: {summary}.",
            ignores=_IGNORED.get(name, ()),
            adapts=_ADAPTED.get(name, {}),
            least_popsize=1 if name in _IGNORED else 5,
            deterministic=name not in _UNSEEDED,
        )
