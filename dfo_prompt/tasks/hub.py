"""Reads the rows of data sets on the hub."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from dfo_prompt._util.logs import only_errors
from dfo_prompt.errors import DataError, InputError, needs_extra
from dfo_prompt.tasks.rows import Row, cell
from dfo_prompt.tasks.sections import Source


def read_hub(source: Source, split: str) -> Iterator[Row]:
    """Read a split of `source.hub`, with the names of class labels instead of their numbers.

    Raises:
        InputError: the extra that reads the hub is not installed.
        DataError: the data set or the split cannot be loaded.
    """
    data = _load(source, split)
    names = {column: feature.names for column, feature in data.features.items() if hasattr(feature, "names")}
    for number, record in enumerate(data, start=1):
        cells = {column: _label_name(value, names.get(column, ())) for column, value in record.items()}
        yield Row(place=f"{source.hub} {split}, row {number}", cells=cells)


def _load(source: Source, split: str) -> Any:
    try:
        datasets = import_module("datasets")
    except ImportError as error:
        fault = needs_extra(f"data set {source.hub!r}", "hub", otherwise="give local files with --data")
        raise InputError(fault) from error
    revision = {"revision": source.revision} if source.revision else {}
    try:
        with only_errors("huggingface_hub"):
            return datasets.load_dataset(source.hub, source.config or None, split=split, **revision)
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"cannot get {split} of data set {source.hub!r}: {reason}; or give local files with --data"
        ) from error


def _label_name(value: object, names: list[str] | tuple[()]) -> str:
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else cell(value)
