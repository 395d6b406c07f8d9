"""What a plugin may give. Every hook returns specs; nothing is registered by side effect.

A plugin is a module (or object) with some of these functions, marked with `dfo_prompt.hookimpl`, and named in the entry
point group "dfo_prompt".
"""

from collections.abc import Iterable

import pluggy

from dfo_prompt.contracts.method import MethodSpec
from dfo_prompt.contracts.optimizer import OptimizerSpec
from dfo_prompt.contracts.spec import Spec

PROJECT = "dfo_prompt"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def dfo_prompt_optimizers() -> Iterable[OptimizerSpec]:  # type: ignore[empty-body]
    """Give optimizers: targets are subclasses of `Optimizer`."""


@hookspec
def dfo_prompt_methods() -> Iterable[MethodSpec]:  # type: ignore[empty-body]
    """Give methods to compare studies with: targets are callables `(setting: Setting, **options) -> Fitted`."""


@hookspec
def dfo_prompt_objectives() -> Iterable[Spec]:  # type: ignore[empty-body]
    """Give objectives: targets are callables `(*, dim: int, seed: int, **options) -> Objective`."""


@hookspec
def dfo_prompt_projections() -> Iterable[Spec]:  # type: ignore[empty-body]
    """Give projections: targets are callables `(space: Space, rng: Generator, **options)`.

    They return A, an array (P * E, d) or a torch module from z (d,) to A z (P * E,); see
    `dfo_prompt.prompt.projections.affine`.
    """


@hookspec
def dfo_prompt_tasks() -> Iterable[Spec]:  # type: ignore[empty-body]
    """Give tasks: targets are "package:file.toml", a task file inside an importable package."""


@hookspec
def dfo_prompt_models() -> Iterable[Spec]:  # type: ignore[empty-body]
    """Give named models: targets are callables `() -> Path` that return a local model folder, fetching it when needed."""


@hookspec
def dfo_prompt_commands() -> Iterable[Spec]:  # type: ignore[empty-body]
    """Give commands of the `dfo-prompt` program: targets are `click.Command` objects."""


@hookspec
def dfo_prompt_observers() -> Iterable[Spec]:  # type: ignore[empty-body]
    """Give observers of every study: targets are classes with the methods of `dfo_prompt.study.result.Observer`.

    They may have the two further methods that it names.
    """
