"""Entry points of installed distributions, read one by one so that a damaged distribution does not hide the others."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions

from dfo_prompt.errors import one_line, shortened
from dfo_prompt.plugin.hookspecs import PROJECT


@dataclass(frozen=True, kw_only=True)
class Point:
    """An entry point and its distribution.

    Attributes:
        load: imports and returns the plugin.
        error: why the plugin cannot be used; "" if it can.
    """

    name: str
    distribution: str
    version: str
    load: Callable[[], object]
    error: str = ""


def installed_points() -> list[Point]:
    """Return the entry points of all plugins, sorted by name; if a distribution is listed twice, the first one counts."""
    points: dict[tuple[str, str], Point] = {}
    for distribution in distributions():
        for point in _points(distribution):
            points.setdefault((point.distribution or str(id(distribution)), point.name), point)
    return sorted(points.values(), key=lambda point: point.name)


def metadata_of(distribution: Distribution, key: str) -> str:
    """Return a metadata field of a distribution, such as its name or version; "" if missing or not printable."""
    try:
        value = distribution.metadata[key]
    except (Exception, SystemExit):  # damaged metadata can raise anything
        return ""
    return value if isinstance(value, str) and value.isprintable() else ""


def _points(distribution: Distribution) -> Iterator[Point]:
    try:
        # Check the entry points first: names and versions are in a file that is slower to read.
        if f"[{PROJECT}]" not in (distribution.read_text("entry_points.txt") or ""):
            return
        points = [point for point in distribution.entry_points if point.group == PROJECT]
    except Exception as error:
        name = metadata_of(distribution, "Name") or "a distribution without a name"
        yield Point(name=name, distribution=name, version="", load=list, error=f"entry points: {one_line(error)}")
        return
    name, version = metadata_of(distribution, "Name"), metadata_of(distribution, "Version")
    missing = " and ".join(key for key, value in {"name": name, "version": version}.items() if not value)
    fault = f"its distribution has no {missing}; install it again" if missing else ""
    for point in points:
        yield Point(name=shortened(point.name), distribution=name, version=version, load=point.load, error=fault)
