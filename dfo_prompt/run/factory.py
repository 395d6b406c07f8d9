"""From names to objects: builds optimizers and objectives that plugins offer."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from dfo_prompt._util.parsing import parse
from dfo_prompt.config.study import StudyConfig
from dfo_prompt.contracts.objective import Objective, Outer
from dfo_prompt.contracts.optimizer import Optimizer, StructuredOptimizer
from dfo_prompt.contracts.spec import OptimizerSpec
from dfo_prompt.errors import DfoPromptError, InputError, PluginError, UnknownNameError, one_line
from dfo_prompt.plugin.catalogue import catalogue
from dfo_prompt.plugin.entries import arguments_of, target_of
from dfo_prompt.plugin.options import parameters
from dfo_prompt.study.answers import without_outputs
from dfo_prompt.types import Bounds, Vector


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
    """Build the optimizer `name`, for use through ask and tell by hand.

    Args:
        name: as `dfo-prompt list optimizers` shows; `options` are its own.
        dim: d.
        budget: queries that the study will spend; schedules depend on it.
        seed: of the optimizer's own random generator.
        popsize: candidates per ask; by default that of CMA-ES.
        sigma: initial step size.
        x0: initial point (d,); zero by default, or see `StudyConfig` where bounds leave it out.
        bounds: the box [low, high]^d, or two vectors (d,), whose ends may be infinite; None means R^d.
        outer: the objective's function from outputs to losses, for a `StructuredOptimizer`; others are not given it.

    Raises:
        InputError: the name or an option is unknown, a value is bad, the backend is not installed, or the optimizer learns
            from outputs and `outer` is not given.
        PluginError: the constructor fails otherwise.
    """
    if x0 is not None and np.shape(x0) != (dim,):
        raise InputError(f"x0 has the shape {np.shape(x0)}, not ({dim},)")
    asked = {"dim": dim, "seed": seed, "budget": budget, "popsize": popsize, "sigma": sigma, "bounds": bounds}
    start = None if x0 is None else np.asarray(x0, dtype=np.float64).tolist()
    config = parse(StudyConfig, {**asked, "x0": start}, where=f"optimizer {name!r}").resolved()
    given = {key: getattr(config, key) for key in asked} | {"x0": config.start, "bounds": config.box}
    built = _build("optimizer", name, given | _outer_for(name, outer), options)
    if not isinstance(built, Optimizer):
        raise PluginError(f"optimizer {name!r} is a {type(built).__name__}, which is no subclass of dfo_prompt.Optimizer")
    if missing := given.keys() - vars(built).keys():
        raise PluginError(f"optimizer {name!r} has no {min(missing)}; its __init__ must call super().__init__(**study)")
    return built


def declarations(name: str) -> OptimizerSpec:
    """Return the spec of the optimizer `name`, with what each optimizer that it is built around declares as well.

    Raises:
        UnknownNameError, PluginError: there is no such optimizer, or two.
    """
    spec = catalogue().optimizers.find(name)
    try:
        inner = declarations(name.partition(":")[2])
    except UnknownNameError:
        return spec  # what follows the colon is a backend's own name, or nothing
    return replace(
        spec,
        deterministic=spec.deterministic and inner.deterministic,
        ignores=tuple(dict.fromkeys((*spec.ignores, *inner.ignores))),
        adapts={**inner.adapts, **spec.adapts},
        least_popsize=max(spec.least_popsize, inner.least_popsize),
    )


def is_deterministic(name: str) -> bool:
    """Tell whether the optimizer `name`, and each that it is built around, gives the same candidates again.

    Raises:
        UnknownNameError, PluginError: see `declarations`.
    """
    return declarations(name).deterministic


def create_objective(name: str, *, dim: int, seed: int = 0, **options: object) -> Objective:
    """Build the objective `name`.

    Args:
        name: as `dfo-prompt list objectives` shows; `options` are its own. Objectives of prompts also take `problem`, a
            ProblemConfig, `prompt`, a PromptConfig, and `endpoint`, an EndpointConfig.
        dim: d, the number of coordinates of a candidate.
        seed: of everything that the objective draws.

    Raises:
        InputError: the name or an option is unknown, or a value is bad.
        PluginError: the objective cannot be built otherwise.
    """
    taken = {"problem", "prompt", "endpoint"} & options.keys()
    if foreign := sorted(taken - parameters(target_of("objective", name)).hints.keys()):
        raise InputError(f"objective {name!r} has no {foreign[0]}; it is for objectives of language models")
    built: Objective = _build("objective", name, {"dim": dim, "seed": seed}, options)
    return built


def _outer_for(name: str, outer: Outer | None) -> dict[str, Outer]:
    target = target_of("optimizer", name)
    if not (isinstance(target, type) and issubclass(target, StructuredOptimizer)):
        return {}
    if outer is None:
        raise InputError(without_outputs(name))
    return {"outer": outer}


def _build(kind: str, name: str, given: dict[str, Any], options: Mapping[str, object]) -> Any:
    target, settings = target_of(kind, name), arguments_of(kind, name, options)
    try:
        return target(**given, **settings)
    except DfoPromptError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(f"{kind} {name!r}: {error}") from error
    except Exception as error:
        raise PluginError(f"{kind} {name!r} cannot be built: {one_line(error)}") from error
