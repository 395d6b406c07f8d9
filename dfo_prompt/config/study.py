"""The configuration of a study: what the flags of `dfo-prompt run` and a STUDY.toml both become."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from math import log
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from dfo_prompt._util.parsing import STRICT, parse, read_toml
from dfo_prompt._util.paths import relative_to
from dfo_prompt.config.presets import read_preset
from dfo_prompt.plugin.catalogue import plugin_files

DEFAULT_MODEL, DEFAULT_TASK, DEFAULT_SHOTS = "smollm2-135m", "bbc-headlines", 16
STUDY = "study"
"""The method that all optimizers are compared by."""
MOST_CANDIDATES = 100_000
"""Per ask: with more, optimizers take longer to set up than anyone waits."""
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """One study. The defaults are those of Black-Box Tuning (Sun et al., 2022).

    Attributes:
        method: "study", the search by an optimizer; or another that `dfo-prompt list methods` shows, which heeds those keys
            only that say what it is about: seed, and of the objective's options model, task and split.
        budget: queries.
        dim: d, the intrinsic dimension.
        popsize: candidates per ask; None means 4 + floor(3 ln d), the default of CMA-ES (Hansen, 2016).
        sigma: initial step size, in units of z.
        x0: initial point (d); None means zero.
        bounds: the box [low, high]^d; None means unbounded.
        validate_every: queries between two looks at dev; None means every 100, or every tenth of a budget below 1,000;
            never more often than once a batch.
        plugin: a Python file whose plugin the study uses.
        optimizer_options: keyword options of the optimizer; `objective_options` and `method_options`, of those.
    """

    __pydantic_config__ = STRICT

    method: str = STUDY
    optimizer: str = "cma"
    objective: str = "prompt"
    budget: Count = 8000
    seed: Annotated[int, Field(ge=0)] = 0
    dim: Count = 500
    popsize: Annotated[int, Field(ge=1, le=MOST_CANDIDATES)] | None = 20
    sigma: Positive = 1.0
    x0: list[Finite] | None = None
    bounds: tuple[Finite, Finite] | None = None
    validate_every: Count | None = None
    plugin: str | None = None
    optimizer_options: dict[str, Any] = field(default_factory=dict)
    objective_options: dict[str, Any] = field(default_factory=dict)
    method_options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.method == STUDY and self.method_options:
            raise ValueError(f"method_options: a study has no option {min(self.method_options)!r}; name a method")
        if self.bounds and not self.bounds[0] < self.bounds[1]:
            raise ValueError(f"bounds must be [low, high] with low < high, not {list(self.bounds)}")
        if self.x0 is not None and len(self.x0) != self.dim:
            raise ValueError(f"x0 has {len(self.x0)} coordinates, dim is {self.dim}")
        outside = [value for value in self.x0 or [0.0] if self.bounds and not self.bounds[0] <= value <= self.bounds[1]]
        if outside:
            raise ValueError(f"x0 starts at {outside[0]:g}, outside the bounds {list(self.bounds or ())}; set x0")

    def resolved(self) -> "StudyConfig":
        """Return the same study with every default that depends on others filled in."""
        popsize = self.popsize or default_popsize(self.dim)
        every = self.validate_every or max(popsize, min(100, self.budget // 10))
        return replace(self, popsize=popsize, validate_every=every)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, as in a STUDY.toml."""
        return asdict(self)


def default_popsize(dim: int) -> int:
    """Return 4 + floor(3 ln d), the population size that CMA-ES takes by default (Hansen, 2016, table 1)."""
    return 4 + int(3 * log(dim))


def parse_config(data: Mapping[str, Any], *, where: str = "configuration") -> StudyConfig:
    """Check plain data and fill in defaults; the key "preset" names published settings, which other keys win over.

    Relative paths are made absolute, so that the study can be gone on with, and its prompt used, from anywhere.

    Raises:
        InputError: a key is misspelt or a value is not what it must be.
    """
    if "preset" in data:
        given = {key: value for key, value in data.items() if key != "preset"}
        with plugin_files(*([Path(str(given["plugin"]))] if given.get("plugin") else [])):
            data = merge(read_preset(str(data["preset"])), given)
    return parse(StudyConfig, relative_to(Path.cwd(), data), where=where).resolved()


def read_config(path: Path, overrides: Mapping[str, Any]) -> StudyConfig:
    """Read a STUDY.toml; keys in `overrides` (from the command line) win. Its paths (see `paths`) are relative to the file.

    Raises:
        InputError: as `parse_config`, or the file cannot be read.
    """
    return parse_config(merge(relative_to(path.parent, read_toml(path)), overrides), where=str(path))


def merge(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of both, those of `other` winning; tables are merged likewise."""
    merged = dict(one)
    for key, value in other.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def nested(key: str, value: Any) -> dict[str, Any]:
    """Return tables within each other for a key with dots: "a.b" gives {"a": {"b": value}}."""
    first, _, rest = key.partition(".")
    return {first: nested(rest, value) if rest else value}
