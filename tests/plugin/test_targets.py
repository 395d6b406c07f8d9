"""The targets of specs, strings that import-linter does not read, respect the layers too."""

import re
import tomllib
from dataclasses import fields
from pathlib import Path

from dfo_prompt.plugin.catalogue import BUILT_IN, KINDS, catalogue

LAYERS = tomllib.loads((Path(__file__).parent.parent.parent / "pyproject.toml").read_text())["tool"]["importlinter"][
    "contracts"
][0]
TARGET = re.compile(r"(dfo_prompt\.\w+)[\w.]*:.*")


def levels() -> dict[str, int]:
    """The number of layers above each package."""
    return {room.strip(): level for level, layer in enumerate(LAYERS["layers"]) for room in layer.split("|")}


def targets(spec: object) -> list[str]:
    texts = [value for field in fields(spec) if isinstance(value := getattr(spec, field.name), str)]
    return [match[1] for text in texts if (match := TARGET.fullmatch(text))]


def test_no_target_lies_above_the_module_that_offers_it():
    level, seen = levels(), 0
    for kind in KINDS:
        shelf = getattr(catalogue(), kind)
        for name, spec in shelf.specs.items():
            provider = shelf.providers[name][0]
            for room in targets(spec) if provider in BUILT_IN else ():
                seen += 1
                fault = f"{provider} offers {kind} {name!r}, which lies in {room}"
                assert room == provider or level[room] > level[provider], fault
    assert seen > 80
