"""The hooks of plugins. Every hook returns specs; nothing is registered by side effect.

A plugin is a module (or object) that implements some of these functions, marked with `dfo_prompt.hookimpl`, and is named in
the entry point group "dfo_prompt".
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
    """Provide optimizers: targets are subclasses of `Optimizer`."""


@hookspec
def dfo_prompt_methods() -> Iterable[MethodSpec]:  # type: ignore[empty-body]
    """Provide methods to compare with studies: targets are callables `(setting: Setting, **options) -> Fitted`."""


@hookspec
def dfo_prompt_objectives() -> Iterable[Spec]:  # type: ignore[empty-body]
    """Provide objectives: targets are callables `(*, dim: int, seed: int, **options) -> Objective`.

    If the dimension follows from the settings, use an `ObjectiveSpec`, which names the function that returns it.
    """


@hookspec
def dfo_prompt_projections() -> Iterable[Spec]:  # type: ignore[empty-body]
    """Provide projections: targets are callables `(space: Space, rng: Generator, **options)`.

    A target returns A, an array (P * E, d) or a torch module from z (d,) to A z (P * E,); see
    `dfo_prompt.prompt.projections.affine`.
    """


@hookspec
def dfo_prompt_losses() -> Iterable[Spec]:  # type: ignore[empty-body]
    """Provide losses: targets are callables `(logits: Tensor, labels: Tensor) -> Tensor`.

    A target maps label-word logits (B, N, C) and classes (N,) to a loss per candidate (B,); smaller is better.
    """


@hookspec
def dfo_prompt_calibrations() -> Iterable[Spec]:  # type: ignore[empty-body]
    """Provide calibrations of label words: targets are callables `(task: Task, sample: Texts) -> Calibration`.

    `sample` holds the training texts, without labels; see `dfo_prompt.lm.calibration`.
    """


@hookspec
def dfo_prompt_metrics() -> Iterable[MetricSpec]:  # type: ignore[empty-body]
    """Provide metrics of tasks: targets are callables `(predictions: Classes, labels: Classes) -> Vector`.

    A target maps predicted classes (B, N) and true classes (N,) to a score per candidate (B,); larger is better. The target
    of a spec with `texts` is a callable `(answers: Sequence[str], references: Sequence[str]) -> float`, of N of each.
    """


@hookspec
def dfo_prompt_tasks() -> Iterable[Spec]:  # type: ignore[empty-body]
    """Provide tasks: targets are "package:file.toml", a task file inside an importable package."""


@hookspec
def dfo_prompt_models() -> Iterable[Spec]:  # type: ignore[empty-body]
    """Provide named models: targets return a folder or GGUF file, downloaded if needed, as a path, or a hub id as text."""


@hookspec
def dfo_prompt_endpoints() -> Iterable[Spec]:  # type: ignore[empty-body]
    """Provide kinds of endpoints: targets are callables `(*, url: str, model: str, ..., **options) -> Endpoint`.

    A target may also declare `key`, `timeout`, `patience` and `concurrency` as parameters; see
    `dfo_prompt.contracts.endpoint`.
    """


@hookspec
def dfo_prompt_presets() -> Iterable[Spec]:  # type: ignore[empty-body]
    """Provide settings of studies: targets are "package:file.toml", or a mapping in a module.

    The keys are those of a study file; the user's keys take precedence.
    """


@hookspec
def dfo_prompt_exporters() -> Iterable[ExporterSpec]:  # type: ignore[empty-body]
    """Provide formats of `export`: targets are callables `(objective: SoftPrompts, candidate: Vector, out: Path)`.

    `SoftPrompts` is a `PromptObjective` or a `GenerationObjective`.
    If the spec `takes` "text", the target receives a `Textual` objective instead.
    """


@hookspec
def dfo_prompt_sections() -> Iterable[Spec]:  # type: ignore[empty-body]
    """Provide sections of reports: targets are callables `(analysis: Analysis) -> Section | Iterable[Section]`."""


@hookspec
def dfo_prompt_commands() -> Iterable[Spec]:  # type: ignore[empty-body]
    """Provide commands of the `dfo-prompt` program: targets are `click.Command` objects."""


@hookspec
def dfo_prompt_observers() -> Iterable[Spec]:  # type: ignore[empty-body]
    """Provide observers of studies: targets are classes with the methods of `dfo_prompt.study.result.Observer`.

    An observer with an `ObserverSpec` watches only the studies that request it; others watch every study.
    """


@hookspec
def dfo_prompt_executors() -> Iterable[Spec]:  # type: ignore[empty-body]
    """Provide executors of suites: targets are callables `(*, jobs, threads, folder, **options) -> Executor`.

    See `dfo_prompt.suite.executor`; `dfo_prompt.suite.process.WorkerProcess.run` runs an order on any machine.
    """


HOOKS = tuple(name for name in list(globals()) if name.startswith(f"{PROJECT}_"))
