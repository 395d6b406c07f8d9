"""Reads texts and labels from data frames, and checks that they can be paired."""

from collections.abc import Iterable, Mapping, Set
from typing import Any

from dfo_prompt.errors import DataError
from dfo_prompt.tasks.template import FIELDS


def is_frame(data: Any) -> bool:
    """Tell whether data have named columns."""
    return hasattr(data, "columns") or hasattr(data, "column_names")


def columns_of(frame: Any, label: Any, *, where: str) -> list[Any]:
    """Return the names of the text columns of a data frame.

    Raises:
        DataError: `label` names no column, two columns have one name, there are no text columns or more than two, or the
            frame is lazy or several data sets.
    """
    if hasattr(frame, "collect"):
        raise DataError(f"{where}: this {type(frame).__name__} holds no rows yet; call its collect() first")
    known = frame.column_names if hasattr(frame, "column_names") else frame.columns
    if isinstance(known, Mapping):
        raise DataError(f"{where}: these are several data sets; choose one: {', '.join(map(str, known))}")
    names = [*known]
    if twice := [name for name in names if names.count(name) > 1]:
        raise DataError(f"{where}: two columns are called {twice[0]!r}; rename one")
    if not isinstance(label, str | int) or label not in names:
        raise DataError(f"{where}: labels must name a column of the data frame: {', '.join(map(str, names))}")
    columns = [name for name in names if name != label]
    if len(columns) not in FIELDS:
        raise DataError(f"{where}: there are {len(columns)} columns besides {label!r}; select one text column, or two")
    return columns


def split_columns(frame: Any, label: Any, where: str) -> tuple[Any, Any]:
    """Return the texts, or pairs of texts, and the labels of a data frame; raises as `columns_of`."""
    columns = [listed(frame[name]) for name in columns_of(frame, label, where=where)]
    return columns[0] if len(columns) == 1 else zip(*columns, strict=True), frame[label]


def listed(column: Any) -> Any:
    """Return a column of a data frame as an iterable of Python objects."""
    return column.to_pylist() if hasattr(column, "to_pylist") else column


def check_list(name: str, values: Any, where: str) -> None:
    """Check that texts or labels have an order.

    Raises:
        DataError: they are a table, a set or no iterable.
    """
    if isinstance(values, Mapping | Set) or not isinstance(values, Iterable):
        raise DataError(f"{where}: {name} must be a list, not a {type(values).__name__}")


def check_lists(texts: Any, labels: Any, where: str) -> None:
    """Check that texts and labels can be paired by their order.

    Raises:
        DataError: either is no list, or their indexes differ.
    """
    for name, values in (("texts", texts), ("labels", labels)):
        if isinstance(values, str | bytes):
            raise DataError(f"{where}: {name} is the text {values!r:.40}; give a list, or a data frame and its label column")
        check_list(name, values, where)
    indexes = [getattr(values, "index", None) for values in (texts, labels)]
    if all(hasattr(index, "equals") for index in indexes) and not indexes[0].equals(indexes[1]):  # type: ignore[union-attr]
        advice = "align them, labels.loc[texts.index], or give lists to pair them by position"
        raise DataError(f"{where}: texts and labels have different indexes; {advice}")
