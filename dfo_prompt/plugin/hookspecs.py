"""What a plugin may give. Every hook returns specs; nothing is registered by side effect.

A plugin is a module (or object) with some of these functions, marked with `dfo_prompt.hookimpl`, and named in the entry
point group "dfo_prompt".
"""

from collections.abc import Iterable

import pluggy

from dfo_prompt.contracts.method import MethodSpec
from dfo_prompt.contracts.spec import ExporterSpec, MetricSpec, OptimizerSpec, Spec

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
    """Give objectives: targets are callables `(*, dim: int, seed: int, **options) -> Objective`.

    One whose dimension follows from its settings has an `ObjectiveSpec`, which names the function that returns it.
    """


@hookspec
def dfo_prompt_projections() -> Iterable[Spec]:  # type: ignore[empty-body]
    """Give projections: targets are callables `(space: Space, rng: Generator, **options)`.

    They return A, an array (P * E, d) or a torch module from z (d,) to A z (P * E,); see
    `dfo_prompt.prompt.projections.affine`.
    """


@hookspec
def dfo_prompt_losses() -> Iterable[Spec]:  # type: ignore[empty-body]
    """Give losses: targets are callables `(logits: Tensor, labels: Tensor) -> Tensor`.

    Label-word logits (B, N, C) and classes (N,) give a loss for each candidate (B,); smaller is better.
    """


@hookspec
def dfo_prompt_calibrations() -> Iterable[Spec]:  # type: ignore[empty-body]
    """Give calibrations of label words: targets are callables `(task: Task, sample: Texts) -> Calibration`.

    `sample` holds the training texts, without labels; see `dfo_prompt.lm.calibration`.
    """


@hookspec
def dfo_prompt_metrics() -> Iterable[MetricSpec]:  # type: ignore[empty-body]
    """Give metrics of tasks: targets are callables `(predictions: Classes, labels: Classes) -> Vector`.

    Predicted classes (B, N) and true ones (N,) give a score for each candidate (B,); larger is better. One whose spec has
    `texts` is a callable `(answers: Sequence[str], references: Sequence[str]) -> float` of N answers and their references.
    """


@hookspec
def dfo_prompt_tasks() -> Iterable[Spec]:  # type: ignore[empty-body]
    """Give tasks: targets are "package:file.toml", a task file inside an importable package."""


@hookspec
def dfo_prompt_models() -> Iterable[Spec]:  # type: ignore[empty-body]
    """Give named models: targets are callables `() -> Path` that return a local model folder, fetching it when needed."""


@hookspec
def dfo_prompt_endpoints() -> Iterable[Spec]:  # type: ignore[empty-body]
    """Give kinds of endpoints: targets are callables `(*, url: str, model: str, ..., **options) -> Endpoint`.

    They are given those of `key`, `timeout`, `patience` and `concurrency` too that they name; see
    `dfo_prompt.contracts.endpoint`.
    """


@hookspec
def dfo_prompt_presets() -> Iterable[Spec]:  # type: ignore[empty-body]
    """Give settings of studies: targets are "package:file.toml", or a table of keys in a module.

    The keys are those of a study file; what the user sets wins over them.
    """


@hookspec
def dfo_prompt_exporters() -> Iterable[ExporterSpec]:  # type: ignore[empty-body]
    """Give formats of `export`: targets are callables `(objective: PromptObjective, candidate: Vector, out: Path)`.

    One whose spec `takes` "text" is given an objective that is `Textual` instead.
    """


@hookspec
def dfo_prompt_sections() -> Iterable[Spec]:  # type: ignore[empty-body]
    """Give tables of reports: targets are callables `(analysis: Analysis) -> Section | Iterable[Section]`."""


@hookspec
def dfo_prompt_commands() -> Iterable[Spec]:  # type: ignore[empty-body]
    """Give commands of the `dfo-prompt` program: targets are `click.Command` objects."""


@hookspec
def dfo_prompt_observers() -> Iterable[Spec]:  # type: ignore[empty-body]
    """Give observers of every study: targets are classes with the methods of `dfo_prompt.study.result.Observer`.

    They may have the further methods that it names. One with an `ObserverSpec` watches only the studies that ask for it.
    """


@hookspec
def dfo_prompt_executors() -> Iterable[Spec]:  # type: ignore[empty-body]
    """Give what runs the studies of suites: targets are callables `(*, jobs, threads, folder, **options) -> Executor`.

    See `dfo_prompt.suite.executor`; `dfo_prompt.suite.process.events_of` carries out an order on whatever machine.
    """


HOOKS = tuple(name for name in list(globals()) if name.startswith(f"{PROJECT}_"))
