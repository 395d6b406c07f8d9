"""Minimizes a Python function in one call."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from dfo_prompt._util.parsing import parse
from dfo_prompt.api.minimize_result import MinimizeResult, Recorder
from dfo_prompt.api.paths import path_of
from dfo_prompt.api.progress import study_progress
from dfo_prompt.config.prices import Prices
from dfo_prompt.config.study import StudyConfig
from dfo_prompt.contracts.objective import Objective
from dfo_prompt.errors import InputError
from dfo_prompt.objectives.plain import FunctionObjective
from dfo_prompt.run.factory import plain_start
from dfo_prompt.run.study import run_study
from dfo_prompt.study.result import Observer
from dfo_prompt.types import Bounds, Function, Vector

WHERE = "minimize()"


def minimize(
    objective: Objective | Function,
    *,
    dim: int | None = None,
    vectorized: bool = False,
    optimizer: str = "cma",
    budget: int,
    seed: int = 0,
    popsize: int | None = None,
    sigma: float = 1.0,
    x0: Vector | None = None,
    bounds: Bounds | None = None,
    validate_every: int | None = None,
    limits: Mapping[str, int | float | str] | None = None,
    prices: Prices | None = None,
    stop: Mapping[str, object] | None = None,
    out: Path | str | None = None,
    start_from: Path | str | None = None,
    observers: Sequence[Observer] = (),
    progress: bool | None = None,
    **options: object,
) -> MinimizeResult:
    """Minimize `objective` with `budget` queries.

    Args:
        objective: an object with `dim` and `evaluate`, or a function of a candidate (d,) that returns a number; a
            candidate for which the function raises fails alone, with a warning, unless all of its batch fail. Set the
            attribute `deterministic = False` on either if its losses vary; else a continued study refuses another loss.
        dim: d, for a function.
        vectorized: True if the function takes several candidates (B, d) and returns (B,) numbers.
        optimizer: a name that `dfo-prompt list optimizers` shows; `options` are its options.
        budget: number of queries.
        seed: seed of split, projection, start and optimizer.
        popsize: candidates per ask; the default of CMA-ES if None.
        sigma: initial step size.
        x0: (d,) initial point; zero by default.
        bounds: the box [low, high]^d, or two vectors (d,) with possibly infinite ends; None means R^d.
        validate_every: queries between evaluations on dev, if the objective has a dev split.
        limits: limits in other currencies, by name; see `StudyConfig`.
        prices: prices of the objective's consumption.
        stop: rules that end the search early, by key; see `StopConfig`.
        out: study folder; a call with the same arguments continues it. Without a folder nothing is written.
        start_from: folder of another study, finished or not, whose answer is the initial point.
        observers: observers to notify of every batch.
        progress: True to show progress, False to hide it; by default shown on a terminal and in a notebook.

    Raises:
        InputError: a name, an option or a value is invalid, or `out` holds another study.
        StudyError, PluginError: see `Study.run`.
    """
    name = getattr(objective, "__name__", type(objective).__name__)
    objective = plain_objective(objective, dim, vectorized=vectorized)
    data = {
        "optimizer": optimizer,
        "objective": name,
        "budget": budget,
        "seed": seed,
        "dim": objective.dim,
        "popsize": popsize,
        "sigma": sigma,
        "x0": plain_start(x0, objective.dim),
        "bounds": bounds,
        "validate_every": validate_every,
        "limits": plain_table(limits),
        "prices": prices,
        "stop": plain_table(stop),
        "optimizer_options": dict(options),
    }
    config = parse(StudyConfig, data, where=WHERE).resolved()
    folder, source = (path_of(*place, where=WHERE) for place in ((out, "out"), (start_from, "start_from")))
    if not isinstance(observers, Iterable):
        raise InputError(f"{WHERE}: observers must be a list, not {observers!r:.40}")
    recorder = Recorder()
    with study_progress(progress) as shown:
        watching = [*observers, *shown, recorder]
        result = run_study(config, objective, out=folder, start_from=source, observers=watching)
    return recorder.with_losses(result, optimizer)


def plain_table(value: object) -> object:
    """Return a mapping as a dict, and anything else as it is, for the parser to check."""
    return dict(value) if isinstance(value, Mapping) else value


def plain_objective(objective: Objective | Function, dim: int | None, *, vectorized: bool) -> Objective:
    """Return the objective, wrapping a function in one.

    Raises:
        InputError: it is neither an objective nor a function, or `dim` is missing or wrong.
    """
    if isinstance(objective, type):
        raise InputError(f"the objective is the class {objective.__name__}; give an object of it")
    if isinstance(objective, Objective):
        if dim is not None and dim != objective.dim:
            raise InputError(f"dim is {dim}, but the objective's own is {objective.dim}; leave it out")
        return objective
    if not callable(objective):
        raise InputError(f"the objective is a {type(objective).__name__} without dim and evaluate; see dfo_prompt.Objective")
    if dim is None:
        raise InputError("a function does not say how many coordinates it takes; give dim=...")
    return FunctionObjective(objective, dim=dim, vectorized=vectorized)
