"""Entry points of installed distributions, each read on its own: a damaged one must not hide the others."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions

from dfo_prompt.errors import one_line, shortened
from dfo_prompt.plugin.hookspecs import PROJECT


@dataclass(frozen=True, kw_only=True)
class Point:
    """An entry point, and the distribution that it belongs to.

    Attributes:
        load: imports the plugin.
        error: why it cannot be used.
    """

    name: str
    distribution: str
    version: str
    load: Callable[[], object]
    error: str = ""


def installed_points() -> list[Point]:
    """Return the entry points of all plugins, by name; of a distribution that is found twice, those found first."""
    found: dict[tuple[str, str], Point] = {}
    for distribution in distributions():
        for point in _points(distribution):
            found.setdefault((point.distribution or str(id(distribution)), point.name), point)
    return sorted(found.values(), key=lambda point: point.name)


def metadata_of(distribution: Distribution, key: str) -> str:
    """Return the name or the version of a distribution; nothing where its metadata do not say it in plain text."""
    try:
        value = distribution.metadata[key]
    except (Exception, SystemExit):  # damaged metadata raise whatever the parser meets
        return ""
    return value if isinstance(value, str) and value.isprintable() else ""


def _points(distribution: Distribution) -> Iterator[Point]:
    try:
        # Names and versions are in another file, which takes longer to read.
        if f"[{PROJECT}]" not in (distribution.read_text("entry_points.txt") or ""):
            return
        points = [point for point in distribution.entry_points if point.group == PROJECT]
    except Exception as error:
        name = metadata_of(distribution, "Name") or "a distribution without a name"
        yield Point(name=name, distribution=name, version="", load=list, error=f"entry points: {one_line(error)}")
        return
    name, version = metadata_of(distribution, "Name"), metadata_of(distribution, "Version")
    said = {"name": name, "version": version}
    missing = " and ".join(key for key, value in said.items() if not value)
    fault = f"its distribution has no {missing}; install it again" if missing else ""
    for point in points:
        called = shortened(point.name)
        yield Point(name=called, distribution=name, version=version, load=point.load, error=fault)
