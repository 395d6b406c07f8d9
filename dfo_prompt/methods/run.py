"""Runs a method, a study or another, in its folder and returns its result in a common form."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

from dfo_prompt._util.locks import PROBE_SECONDS
from dfo_prompt._util.memory import forget_peak, peak_resident
from dfo_prompt.config.prices import Prices
from dfo_prompt.config.study import STUDY, StudyConfig
from dfo_prompt.contracts.method import MethodSpec
from dfo_prompt.contracts.spec import load_target
from dfo_prompt.errors import DfoPromptError, InputError, PluginError, one_line
from dfo_prompt.methods.setting import Fitted, Setting
from dfo_prompt.objectives.outer import LeastSquares
from dfo_prompt.plugin.catalogue import catalogue
from dfo_prompt.plugin.entries import arguments_of, target_of
from dfo_prompt.run.built import optimizer_of
from dfo_prompt.run.code import code_of
from dfo_prompt.run.manifest import describe_run, manifest_of
from dfo_prompt.run.objectives import Objectives
from dfo_prompt.run.raised_budget import as_begun, raise_budget
from dfo_prompt.run.start import start_at
from dfo_prompt.run.study import opened
from dfo_prompt.study.costs import Spent
from dfo_prompt.study.folder import study_folder
from dfo_prompt.study.identity import CODE
from dfo_prompt.study.result import HeldOut, Observer, Result
from dfo_prompt.study.saved import save_result
from dfo_prompt.tasks.examples import Texts, check_some
from dfo_prompt.types import Json, Matrix

ROUNDING = 1e-6
"""The most by which a probability may exceed 1."""


@dataclass(frozen=True, kw_only=True)
class MethodResult:
    """A fitted method and its figures."""

    fitted: Fitted
    result: Result


def run_method(
    config: StudyConfig,
    *,
    out: Path | None = None,
    start_from: Path | None = None,
    observers: Sequence[Observer] = (),
    lock_seconds: float = PROBE_SECONDS,
    objectives: Objectives | None = None,
) -> MethodResult:
    """Run the method of `config`, "study" or another, and score it on dev and test.

    Studies, and methods that run studies, continue where they were interrupted; decoders query for answers that the
    folder lacks; other methods start again.

    Args:
        config: the configuration of the entry.
        out: the folder to write, or None to write nothing.
        start_from: the folder of a study whose answer is the initial point; for methods that tune.
        observers: observers of the batches of its studies.
        lock_seconds: how long to wait for a folder that another process has locked.
        objectives: builds the objective, possibly shared with other studies.

    Raises:
        InputError: a name, an option or a value is wrong, or `out` holds another study.
        StudyError: a study cannot continue.
        PluginError: the method failed.
    """
    spec = catalogue().methods.find(config.method)
    _check_suits(spec, config, start_from)
    fit = fit_of(config)
    out = out.absolute() if out else None  # the working directory may change later
    start = start_at(as_begun(config, out, searches=spec.searches), start_from, out)
    setting = Setting(config=start.config, folder=out, observers=observers, objectives=objectives or Objectives())
    manifest = {**_manifest(spec, setting), **start.manifest}

    def raising(path: Path) -> None:
        nonlocal setting
        if _raise_budget(setting, manifest, path):
            setting = replace(setting, checked=True)

    with study_folder(out, manifest, lock_seconds=lock_seconds, ahead=raising):
        if not spec.tunes:  # studies collect garbage themselves, outside their measured time
            forget_peak()
        with blaming(config.method):
            outcome = _outcome(setting, fit)
        if out:
            save_result(out, outcome.result)
    return outcome


def fit_of(config: StudyConfig) -> Callable[[Setting], Fitted]:
    """Return the method of `config` with its options; what its classifier returns is checked.

    Raises:
        InputError: name or options are wrong.
    """
    name = config.method
    fit = partial(target_of("method", name), **arguments_of("method", name, config.method_options))
    tunes = catalogue().methods.find(name).tunes  # its objective may have no task here

    def checked(setting: Setting) -> Fitted:
        fitted: Fitted = fit(setting)

        def predict(texts: Texts) -> Matrix:
            check_some(texts)
            found = _probabilities(fitted.predict(texts), len(texts), name)
            if not tunes and found.shape[1] != (classes := len(setting.problem.task.classes)):
                raise PluginError(
                    f"method {name!r} returned probabilities of {found.shape[1]} classes; the task has {classes}"
                )
            return found

        return replace(fitted, predict=predict)

    return checked


def _probabilities(found: Matrix, count: int, method: str) -> Matrix:
    if found.ndim != 2 or len(found) != count or not ((found >= 0) & (found <= 1 + ROUNDING)).all():  # noqa: PLR2004
        raise PluginError(f"method {method!r} returned no probabilities (N, C) of {count} texts, but {found!r:.60}")
    return found


@contextmanager
def blaming(method: str) -> Iterator[None]:
    """Convert an unexpected error inside to a one-line PluginError that names the method."""
    try:
        yield
    except (DfoPromptError, OSError):
        raise
    except Exception as error:
        raise PluginError(f"method {method!r} failed: {one_line(error)}") from error


def describe_method(spec: MethodSpec, setting: Setting) -> dict[str, Json]:
    """Return the problem of a method that does not tune, and what the method adds, for the manifest."""
    more = load_target(spec.describe, needed_by=spec.name)(setting) if spec.describe else {}
    return {**setting.problem.describe(), **more}


def _check_suits(spec: MethodSpec, config: StudyConfig, start_from: Path | None) -> None:
    if spec.tunes:
        return
    if config.endpoint:
        raise InputError(f"method {config.method!r} needs the model in this process; leave out [endpoint]")
    if start_from:
        raise InputError(f"--start-from is for studies; method {config.method!r} has no initial point")
    if config.objective != StudyConfig.objective:
        raise InputError(f"method {config.method!r} takes objective {StudyConfig.objective!r}, not {config.objective!r}")


def _manifest(spec: MethodSpec, setting: Setting) -> Mapping[str, Any]:
    config = setting.config
    if spec.tunes:
        optimizer_of(config, LeastSquares(size=1))  # reject invalid settings before a model is loaded
        return manifest_of(config, setting.objectives.get(config))
    return describe_run(config.as_dict(), describe_method(spec, setting), {}) | {CODE: code_of(config)}


def _raise_budget(setting: Setting, manifest: Mapping[str, Any], path: Path) -> bool:
    if setting.config.method != STUDY:
        return False
    return raise_budget(setting.config, setting.objectives.get(setting.config), manifest, path, fresh=opened)


def _outcome(setting: Setting, fit: Callable[[Setting], Fitted]) -> MethodResult:
    started = perf_counter()
    fitted = fit(setting)
    seconds = perf_counter() - started - fitted.validation.objective_seconds
    return MethodResult(fitted=fitted, result=fitted.result or _scored(setting, fitted, seconds))


def _scored(setting: Setting, fitted: Fitted, seconds: float) -> Result:
    """Return the figures of a method that does not score itself. The final evaluation on dev and test counts a row per text.

    A method that learns from dev is not evaluated on it again; see `Fitted`.
    """
    problem, started = setting.problem, perf_counter()
    splits = ("dev", "test") if fitted.dev_metric is None else ("test",)
    metrics = {split: problem.metric(fitted.predict, split) for split in splits}
    last = Spent(
        queries=len(splits),
        rows=sum(len(problem.data.part(split)) for split in splits),
        objective_seconds=perf_counter() - started,
    )
    return Result(
        held_out=HeldOut(dev_metric=metrics.get("dev", fitted.dev_metric), test_metric=metrics["test"]),
        spent=_priced(fitted.spent, setting.config.prices),
        validation=fitted.validation + last,
        training_seconds=seconds if fitted.seconds is None else fitted.seconds,
        failures=fitted.failures,
        user_bytes=fitted.user_bytes,
        peak_bytes=peak_resident(),
        about=fitted.about,
        stop_reason="fitted",
    )


def _priced(spent: Spent, prices: Prices | None) -> Spent:
    """Return the costs of fitting with their price; that of inner studies is there already, each batch rounded up."""
    return replace(spent, nanodollars=max(spent.nanodollars, prices.of(spent))) if prices else spent
