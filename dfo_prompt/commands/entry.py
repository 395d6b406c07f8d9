"""One entry of the catalogue as `dfo-prompt list KIND NAME` shows it: its options, with types, defaults and meanings."""

import inspect
import json
import re
from collections.abc import Iterator
from importlib.resources import files
from textwrap import indent
from typing import Any

from dfo_prompt.contracts.spec import Spec
from dfo_prompt.plugin.catalogue import catalogue
from dfo_prompt.plugin.options import defaults_of, parameters

PROVIDED = frozenset(
    ("dim", "seed", "budget", "popsize", "sigma", "x0", "bounds", "outer", "problem", "prompt", "setting", "space", "rng")
)
"""Arguments that the study fills in, or that --set reaches by their own names."""
PARAMETER = re.compile(r"^ {4}(\w[\w, ]*): (.*(?:\n {8}.*)*)", flags=re.M)


def described(kind: str, name: str, *, as_json: bool) -> str:
    """Return everything known of an entry, as text or as JSON; of one that is a file, the file.

    Raises:
        UnknownNameError, PluginError, InputError: see `Shelf.load`.
    """
    shelf = getattr(catalogue(), kind)
    spec = shelf.find(name)
    module, _, inside = spec.target.partition(":")
    if inside.endswith(".toml"):
        text = files(module).joinpath(inside).read_text(encoding="utf-8")
        return json.dumps({"name": name, "summary": spec.summary, "file": text}) if as_json else text.rstrip()
    target = shelf.load(name)
    rows = list(_options(spec, target)) if callable(target) else []
    if as_json:
        return json.dumps({"name": name, "summary": spec.summary, "options": rows}, indent=2)
    parts = [f"{name}: {spec.summary}", (inspect.getdoc(target) or "").partition("\nArgs:")[0].strip()]
    for row in rows:
        default = "required" if row["default"] is None else f"default {row['default']}"
        parts.append(f"{row['name']}: {row['type']}, {default}\n{indent(str(row['meaning']), '    ')}".rstrip())
    if callable(target) and not rows:
        parts.append("It takes no options.")
    return "\n\n".join(part for part in parts if part)


def _options(spec: Spec, target: Any) -> Iterator[dict[str, str | None]]:
    takes, defaults, meanings = parameters(target), defaults_of(target), _meanings(target)
    for name, hint in takes.hints.items():
        if name not in PROVIDED and name not in spec.options:
            default = None if name in takes.needed else repr(spec.defaults.get(name, defaults[name]))
            yield {"name": name, "type": _type(hint), "default": default, "meaning": meanings.get(name, "")}


def _meanings(target: Any) -> dict[str, str]:
    said: dict[str, str] = {}
    for documented in reversed(inspect.getmro(target) if isinstance(target, type) else (target,)):
        arguments = (inspect.getdoc(documented) or "").partition("Args:\n")[2]
        for names, text in PARAMETER.findall(arguments):
            said |= dict.fromkeys(names.split(", "), " ".join(text.split()))
    return said


def _type(hint: Any) -> str:
    text = inspect.formatannotation(hint)
    text = re.sub(r"typing\.Annotated\[(.*?), \w+\(.*\)\]", r"\1", text)
    return re.sub(r"\b(?:\w+\.)+(?=\w)", "", text)
