"""Validates the results of an objective: arrays with a number per candidate, usage, and plain metadata."""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from dfo_prompt._util.parsing import plain_copy
from dfo_prompt.contracts.objective import Composite, Described, Evaluation, Numbered, Objective, Outer
from dfo_prompt.contracts.usage import Usage
from dfo_prompt.errors import PluginError, one_line
from dfo_prompt.types import Json, Matrix, Vector


def checked_evaluation(evaluation: object, count: int, outputs: int | None = None) -> Evaluation:
    """Return an evaluation of `count` candidates with its torch, NumPy or pandas arrays converted to float64.

    With `outputs`, M, the evaluation has outputs (count, M); a row is all NaN if its loss or any of its outputs is not
    finite.

    Raises:
        PluginError: it is no evaluation, or a part has the wrong type or shape.
    """
    if not isinstance(evaluation, Evaluation):
        raise PluginError(f"the objective gave a {type(evaluation).__name__}, not an Evaluation")
    metrics = evaluation.metrics
    if not isinstance(metrics, Mapping) or not all(isinstance(name, str) for name in metrics):
        raise PluginError(f"the objective gave metrics of type {type(metrics).__name__}, not arrays by name")
    losses = _numbers("losses", evaluation.losses, count)
    return replace(
        evaluation,
        losses=losses,
        metrics={name: _numbers(name, values, count) for name, values in metrics.items()},
        usage=checked_usage(evaluation.usage),
        outputs=None if outputs is None else _outputs(evaluation.outputs, losses, outputs),
    )


def checked_probabilities(values: object, count: int, classes: int) -> Matrix:
    """Return the probabilities (count, classes) of texts, converted to float64.

    Raises:
        PluginError: they are no array of numbers of this shape.
    """
    return _numbers("probabilities", values, count, classes)


def describe(objective: Objective, *, name: str) -> dict[str, Json]:
    """Return the metadata of the objective `name` as plain data; {} if it has no `describe`.

    Raises:
        PluginError: `describe` raises, or returns data that JSON cannot hold.
    """
    if not isinstance(objective, Described):
        return {}
    try:
        metadata = plain_copy(objective.describe())
    except Exception as error:
        raise PluginError(f"objective {name!r} failed in describe: {one_line(error)}") from error
    if not isinstance(metadata, dict):
        raise PluginError(f"objective {name!r} describes itself by a {type(metadata).__name__}, not by values by name")
    return metadata


def outer_of(objective: Objective, *, name: str) -> Outer | None:
    """Return the function from outputs to losses of the objective `name`; None if it has none.

    Raises:
        PluginError: the property raises.
    """
    try:
        return objective.outer if isinstance(objective, Composite) else None
    except Exception as error:
        raise PluginError(f"objective {name!r} failed in outer: {one_line(error)}") from error


def expecting(objective: Objective, *, name: str) -> Callable[[str, int], None]:
    """Return the function that announces the next evaluation to the objective `name`; see `Numbered`.

    The function raises PluginError if the objective does.
    """

    def expect(account: str, first: int) -> None:
        if isinstance(objective, Numbered):
            try:
                objective.expect(account, first)
            except Exception as error:
                raise PluginError(f"objective {name!r} failed in expect: {one_line(error)}") from error

    return expect


def without_outputs(optimizer: str, objective: str = "") -> str:
    """Return the error message for an optimizer that learns from outputs when the objective gives none."""
    which = f"objective {objective!r}" if objective else "the objective, or a wrapper ahead of it,"
    return f"optimizer {optimizer!r} learns from outputs, which {which} does not give in these settings; choose another"


def as_array(values: Any) -> Any:
    """Convert a torch, NumPy or pandas array, or a list, to a NumPy array.

    Raises:
        ValueError: a pandas index is not 0, 1, ... in order, so the order of the values is ambiguous.
    """
    if hasattr(values, "detach"):  # a torch tensor, possibly on a device, with a gradient, or bfloat16
        return values.detach().cpu().double().numpy()
    if isinstance(values, np.ma.MaskedArray):
        return np.ma.filled(values.astype(np.float64), np.nan)
    if hasattr(values, "index") and hasattr(values, "to_numpy") and list(values.index) != list(range(len(values))):
        raise ValueError("its labels are not 0, 1, ... in order; give its to_numpy()")
    return np.asarray(values)


def _outputs(values: object, losses: Vector, size: int) -> Matrix:
    if values is None:
        raise PluginError("the objective gave no outputs, which its outer function is of")
    outputs = _numbers("outputs", values, len(losses), size)
    known = np.isfinite(losses) & np.isfinite(outputs).all(axis=1)
    return np.where(known[:, None], outputs, np.nan)


def _numbers(name: str, values: object, *shape: int) -> Matrix:
    try:
        array = as_array(values)
    except Exception as error:  # ragged lists, unsupported tensors
        fault = f"a {type(values).__name__} that is no array of numbers: {one_line(error)}"
        raise PluginError(f"the objective gave {name} as {fault}") from error
    if array.shape != shape:
        raise PluginError(f"the objective gave {name} of shape {array.shape}, not {shape}")
    if array.dtype.kind not in "fiub":
        raise PluginError(f"the objective gave {name} of type {array.dtype}, not numbers")
    with np.errstate(over="ignore"):  # extended precision may overflow float64
        numbers: Matrix = array.astype(np.float64)
    return numbers


def checked_usage(usage: object) -> Usage:
    """Return a usage with its figures as Python integers.

    Raises:
        PluginError: it is no `Usage`, or a figure is not a whole number >= 0.
    """
    if not isinstance(usage, Usage):
        raise PluginError(f"the objective gave a {type(usage).__name__} for usage, not a Usage")
    figures = {field.name: getattr(usage, field.name) for field in fields(Usage)}
    for name, value in figures.items():
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 0:
            raise PluginError(f"the objective gave {value!r} for {name}, not a whole number from 0 on")
    return Usage(**{name: int(value) for name, value in figures.items()})
