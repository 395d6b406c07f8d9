"""Builds what a configuration names: objective, optimizer, budget, and the catalogue with its plugin file."""

from collections.abc import Mapping
from contextlib import AbstractContextManager

import numpy as np

from dfo_prompt.config.problem import ProblemConfig
from dfo_prompt.config.prompt import PromptConfig
from dfo_prompt.config.study import StudyConfig
from dfo_prompt.contracts.objective import Objective, Outer
from dfo_prompt.contracts.optimizer import Optimizer
from dfo_prompt.plugin.catalogue import plugin_files
from dfo_prompt.plugin.entries import target_of
from dfo_prompt.plugin.options import parameters
from dfo_prompt.run.factory import create_objective, create_optimizer
from dfo_prompt.study.budget import Budget


def objective_of(config: StudyConfig) -> Objective:
    """Build the objective that `config` names; see `create_objective`."""
    accepted = parameters(target_of("objective", config.objective)).hints
    # Tables at their defaults are not passed to an objective that does not take them; others are, and fail.
    tables: Mapping[str, tuple[object, object]] = {
        "problem": (config.problem, ProblemConfig()),
        "prompt": (config.prompt, PromptConfig()),
        "endpoint": (config.endpoint, None),
    }
    passed = {key: value for key, (value, default) in tables.items() if key in accepted or value != default}
    return create_objective(config.objective, dim=config.dim, seed=config.seed, **passed, **config.objective_options)


def optimizer_of(config: StudyConfig, outer: Outer | None) -> Optimizer:
    """Build the optimizer that `config` names; see `create_optimizer`."""
    return create_optimizer(
        config.optimizer,
        dim=config.dim,
        budget=config.budget,
        seed=config.seed,
        popsize=config.popsize,
        sigma=config.sigma,
        x0=None if config.x0 is None else np.array(config.x0),
        bounds=config.box,
        outer=outer,
        **config.optimizer_options,
    )


def budget_of(config: StudyConfig) -> Budget:
    """Return the budget of a study's search."""
    return Budget(queries=config.budget, limits=config.limits or {})


def plugin_of(config: StudyConfig) -> AbstractContextManager[None]:
    """Return a context with the plugin file that `config` names, if any, in the catalogue."""
    return plugin_files(*([config.plugin] if config.plugin else []))
