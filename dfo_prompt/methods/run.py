"""Runs a method that is no study: in a folder like that of a study, on the same split and test examples."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from dfo_prompt._util.json_files import write_json
from dfo_prompt._util.memory import forget_peak, peak_resident
from dfo_prompt.config.study import StudyConfig
from dfo_prompt.errors import DfoPromptError, InputError, PluginError, one_line
from dfo_prompt.methods.setting import Fitted, Setting
from dfo_prompt.plugin.entries import arguments_of, target_of
from dfo_prompt.prompt.open import open_problem
from dfo_prompt.prompt.problem import Problem
from dfo_prompt.run.code import code_of
from dfo_prompt.run.manifest import describe_run
from dfo_prompt.study.costs import Spent
from dfo_prompt.study.folder import CODE, study_folder
from dfo_prompt.study.result import Observer


@dataclass(frozen=True, kw_only=True)
class MethodResult:
    """What a method reached; the names are those of `StudyResult`.

    Attributes:
        dev_metric, test_metric: of the task.
        validation: looks at held-out examples. Of the last ones, at dev and test, it has a row a text, however often the
            method asks for each. Dev is not looked at again where the method learns from it; see `Fitted`.
        seconds: that fitting took, but for looks at dev.
        peak_bytes: of main memory until the last figure was there, libraries and model included; None where the system does
            not say.
    """

    fitted: Fitted
    dev_metric: float
    test_metric: float
    seconds: float
    validation: Spent
    peak_bytes: int | None


def run_method(
    config: StudyConfig, *, out: Path | None = None, observers: Sequence[Observer] = (), lock_seconds: float = 0.0
) -> MethodResult:
    """Fit the method of `config` on train and dev, and score it on dev and test.

    A method that runs studies continues them in the same folder; any other starts anew after it was interrupted.

    Args:
        config: of a method other than "study"; see `dfo_prompt.run.study.run_study` for that.
        out: the folder to write, as that of a study but for the journals; nothing is written without one.
        observers: told of every batch of the studies that it runs, if it does.
        lock_seconds: how long to wait for a folder that another process has locked.

    Raises:
        InputError: a name, an option or a value is wrong, or `out` holds another study.
        PluginError: the method failed.
    """
    if config.objective != StudyConfig.objective:
        raise InputError(f"method {config.method!r} takes objective {StudyConfig.objective!r}, not {config.objective!r}")
    fit, options = target_of("method", config.method), arguments_of("method", config.method, config.method_options)
    problem = open_problem(config.problem, seed=config.seed)
    out = out.absolute() if out else None  # whatever changes the working directory later
    manifest = {**describe_run(config.as_dict(), problem.describe(), {}), CODE: code_of(config)}
    with study_folder(out, manifest, lock_seconds=lock_seconds) if out else nullcontext():
        try:
            setting = Setting(problem=problem, config=config, folder=out, observers=observers)
            result = _result(problem, lambda: fit(setting, **options))
        except (DfoPromptError, OSError):
            raise
        except Exception as error:
            raise PluginError(f"method {config.method!r} failed: {one_line(error)}") from error
        if out:
            write_json(out / "result.json", _figures(result))
    return result


def _result(problem: Problem, fit: Callable[[], Fitted]) -> MethodResult:
    forget_peak()
    started = perf_counter()
    fitted = fit()
    fit_until = perf_counter()
    seconds = fit_until - started - fitted.validation.objective_seconds if fitted.seconds is None else fitted.seconds
    splits = ("dev", "test") if fitted.dev_metric is None else ("test",)
    metrics = {split: problem.metric(fitted.predict, split) for split in splits}
    rows = sum(len(problem.data.part(split)) for split in splits)
    last = Spent(queries=len(splits), rows=rows, objective_seconds=perf_counter() - fit_until)
    return MethodResult(
        fitted=fitted,
        dev_metric=metrics.get("dev", fitted.dev_metric or 0.0),
        test_metric=metrics["test"],
        seconds=seconds,
        validation=fitted.validation + last,
        peak_bytes=peak_resident(),
    )


def _figures(result: MethodResult) -> dict[str, Any]:
    """Return what result.json holds, under the names that a study has there."""
    fitted = result.fitted
    return {
        "held_out": {"dev_metric": result.dev_metric, "test_metric": result.test_metric},
        "failures": 0,
        "spent": asdict(fitted.spent),
        "validation": asdict(result.validation),
        "fit_seconds": result.seconds,
        "user_bytes": fitted.user_bytes,
        "peak_bytes": result.peak_bytes,
        "about": dict(fitted.about),
        "stop_reason": "fitted",
    }
