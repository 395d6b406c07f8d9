"""Builds optimizers and objectives from their names."""

from dataclasses import replace

import numpy as np

from dfo_prompt._util.parsing import parse
from dfo_prompt.config.study import StudyConfig
from dfo_prompt.contracts.objective import Objective, Outer
from dfo_prompt.contracts.optimizer import Optimizer, StructuredOptimizer
from dfo_prompt.contracts.spec import OptimizerSpec
from dfo_prompt.errors import InputError, PluginError, UnknownNameError
from dfo_prompt.plugin.building import build
from dfo_prompt.plugin.catalogue import catalogue
from dfo_prompt.plugin.entries import CONFIG_TABLES, target_of
from dfo_prompt.plugin.options import parameters
from dfo_prompt.study.checked_objective import without_outputs
from dfo_prompt.types import Bounds, Vector


def plain_start(x0: Vector | None, dim: int) -> list[float] | None:
    """Return an initial point (d,) as plain data; its length is checked with the configuration.

    Raises:
        InputError: it is no vector of numbers.
    """
    if x0 is None:
        return None
    try:
        start = np.asarray(x0, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"x0 must be {dim} numbers: {error}") from error
    if start.ndim != 1:
        raise InputError(f"x0 has the shape {start.shape}, not ({dim},)")
    return [float(value) for value in start]


def create_optimizer(
    name: str,
    *,
    dim: int,
    budget: int,
    seed: int = 0,
    popsize: int | None = None,
    sigma: float = 1.0,
    x0: Vector | None = None,
    bounds: Bounds | None = None,
    outer: Outer | None = None,
    **options: object,
) -> Optimizer:
    """Build the optimizer `name` for direct use through ask and tell.

    Args:
        name: a name that `dfo-prompt list optimizers` shows; `options` are its options.
        dim: d, the number of coordinates.
        budget: number of queries, for schedules.
        seed: seed of the optimizer's own random generator.
        popsize: candidates per ask; the default of CMA-ES if None.
        sigma: initial step size.
        x0: initial point (d,); zero by default, or see `StudyConfig` if the bounds exclude zero.
        bounds: the box [low, high]^d, or two vectors (d,) with possibly infinite ends; None means R^d.
        outer: function from outputs to losses, required by a `StructuredOptimizer` and ignored by others.

    Raises:
        InputError: the name or an option is unknown, a value is invalid, the backend is missing, or `outer` is missing.
        PluginError: the constructor fails for another reason.
    """
    keys = {"dim": dim, "seed": seed, "budget": budget, "popsize": popsize, "sigma": sigma, "bounds": bounds}
    config = parse(StudyConfig, {**keys, "x0": plain_start(x0, dim)}, where=f"optimizer {name!r}").resolved()
    study = {key: getattr(config, key) for key in keys} | {"x0": config.start, "bounds": config.box}
    optimizer = build("optimizer", name, options, **study, **_outer_for(name, outer))
    if not isinstance(optimizer, Optimizer):
        kind = type(optimizer).__name__
        raise PluginError(f"optimizer {name!r} is a {kind}, which is no subclass of dfo_prompt.Optimizer")
    if missing := study.keys() - vars(optimizer).keys():
        raise PluginError(f"optimizer {name!r} has no {min(missing)}; its __init__ must call super().__init__(**study)")
    return optimizer


def declarations(name: str) -> OptimizerSpec:
    """Return the spec of the optimizer `name`, combined with the declarations of those that it drives, if it `wraps`.

    Raises:
        UnknownNameError, PluginError: there is no such optimizer, or more than one.
    """
    spec = catalogue().optimizers.find(name)
    if not spec.wraps:
        return spec
    try:
        inner = declarations(name.partition(":")[2])
    except UnknownNameError:
        return spec  # the part after the colon is a star or a mistake
    return replace(
        spec,
        deterministic=spec.deterministic and inner.deterministic,
        ignores=tuple(dict.fromkeys((*spec.ignores, *inner.ignores))),
        adapts={**inner.adapts, **spec.adapts},
        least_popsize=max(spec.least_popsize, inner.least_popsize),
    )


def is_deterministic(name: str) -> bool:
    """Tell whether the optimizer `name`, and each that it wraps, is deterministic.

    Raises:
        UnknownNameError, PluginError: see `declarations`.
    """
    return declarations(name).deterministic


def create_objective(name: str, *, dim: int, seed: int = 0, **options: object) -> Objective:
    """Build the objective `name`.

    Args:
        name: a name that `dfo-prompt list objectives` shows; `options` are its options. Objectives of prompts also take
            `problem`, a ProblemConfig, `prompt`, a PromptConfig, and `endpoint`, an EndpointConfig.
        dim: d, the number of coordinates of a candidate.
        seed: seed of all random draws of the objective.

    Raises:
        InputError: the name or an option is unknown, a value is invalid, or the objective has another d.
        PluginError: the objective cannot be built for another reason.
    """
    tables = CONFIG_TABLES & options.keys()
    if foreign := sorted(tables - parameters(target_of("objective", name)).hints.keys()):
        raise InputError(f"objective {name!r} has no {foreign[0]}; it is for objectives of language models")
    objective: Objective = build("objective", name, options, dim=dim, seed=seed)
    if (own := getattr(objective, "dim", dim)) != dim:
        raise InputError(f"objective {name!r} has d = {own}, not {dim}; set dim to that")
    return objective


def _outer_for(name: str, outer: Outer | None) -> dict[str, Outer]:
    target = target_of("optimizer", name)
    if not (isinstance(target, type) and issubclass(target, StructuredOptimizer)):
        return {}
    if outer is None:
        raise InputError(without_outputs(name))
    return {"outer": outer}
