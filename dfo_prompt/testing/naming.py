"""Runs the tests of a conformance class once for each of its names."""

import pytest


def parametrize_names(metafunc: pytest.Metafunc, names: str | tuple[str, ...]) -> None:
    """Run a test once for each name; a text is one name, as in `names = ("mine")`.

    Raises:
        UsageError: there is no name, so that the class would pass with nothing tested.
    """
    if not names:
        kind = metafunc.cls.__name__ if metafunc.cls else "the class"
        raise pytest.UsageError(f"{kind}: set names, such as names = ('mine',)")
    metafunc.parametrize("name", (names,) if isinstance(names, str) else names, scope="class")
