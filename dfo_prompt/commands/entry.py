"""The description of a catalogue entry for `dfo-prompt list KIND NAME`: options with types, defaults and meanings."""

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from textwrap import fill
from typing import Any, get_type_hints

from dfo_prompt.contracts.spec import OptimizerSpec, Spec
from dfo_prompt.errors import InputError
from dfo_prompt.plugin.catalogue import KINDS, catalogue
from dfo_prompt.plugin.entries import CONFIG_TABLES, PROVIDED, set_by_name
from dfo_prompt.plugin.options import defaults_of, parameters

SET = {
    "optimizers": "--set optimizer.",
    "objectives": "--set objective.",
    "methods": "--set method.",
    "projections": "--set prompt.projection_options.",
    "endpoints": "--set endpoint.options.",
    "executors": "--executor-option ",
    "observers": "--set trackers.{name}.",
}
"""The flag that sets an option, by kind."""
SECTION = re.compile(r"^(?:Args|Returns|Raises|Yields|Attributes):$", flags=re.M)
PARAMETER = re.compile(r"^ {4}(\w[\w, ]*): (.*(?:\n {8}.*)*)", flags=re.M)


def described(kind: str, name: str, *, as_json: bool, width: int) -> str:
    """Return the description of an entry as text in lines of `width` or as JSON; for an entry that is a file, its content.

    Raises:
        UnknownNameError, PluginError: see `Shelf.load`.
    """
    shelf = getattr(catalogue(), kind)
    spec = shelf.find(name)
    module, _, inside = spec.target.partition(":")
    if inside.endswith(".toml"):
        text = files(module).joinpath(inside).read_text(encoding="utf-8")
        return json.dumps({"name": name, "summary": spec.summary, "file": text}) if as_json else text.rstrip()
    try:
        target = shelf.load(name)
    except InputError as missing:  # an extra, without which nothing is known of the options
        entry = {"name": name, "summary": spec.summary, "error": str(missing)}
        return (
            json.dumps(entry, indent=2)
            if as_json
            else "\n\n".join(_filled(part, width) for part in (f"{name}: {spec.summary}", str(missing)))
        )
    if isinstance(target, Mapping):  # the settings of a plugin's preset
        file = json.dumps(target, indent=2)
        return json.dumps({"name": name, "summary": spec.summary, "file": target}) if as_json else file
    rows = list(_options(kind, name, spec, target)) if callable(target) else []
    if as_json:
        return json.dumps({"name": name, "summary": spec.summary, "options": rows}, indent=2)
    description = SECTION.split(_own_docstring(target))[0].strip()
    parts = [_filled(f"{name}: {spec.summary}", width), *(_refilled(part, width) for part in description.split("\n\n"))]
    parts.append("\n".join(_filled(line, width) for line in _declared(spec)))
    if spec.name.endswith(":*"):
        variant = _meanings(target).get("variant", "the name that replaces the star.")
        parts.append(_filled(f"The part behind the colon belongs to the name and is no option: {variant}", width))
    parts += [_option(row, width) for row in rows]
    if KINDS[kind] in PROVIDED:
        flag = (
            f" Set {'it' if len(rows) == 1 else 'them'} with {SET[kind].format(name=name)}KEY=VALUE."
            if rows and kind in SET
            else ""
        )
        parts.append(f"It takes {len(rows) or 'no'} option{'s' * (len(rows) != 1)}.{flag}")
    return "\n\n".join(part for part in parts if part)


def _option(row: Mapping[str, str | None], width: int) -> str:
    default = "required" if row["default"] is None else f"default {row['default']}"
    head = _filled(f"{row['name']}: {row['type']}, {default}", width)
    return "\n".join(part for part in (head, _filled(str(row["meaning"]), width, "    ")) if part)


def _own_docstring(target: Any) -> str:
    """Return the docstring of a function or class without that of a base class, which describes something else."""
    return inspect.cleandoc(target.__doc__ or "")


def _filled(text: str, width: int, indent: str = "") -> str:
    return fill(text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


def _refilled(paragraph: str, width: int) -> str:
    """Rewrap a paragraph of a docstring to `width`; leave a paragraph with its own layout, such as a list, unchanged."""
    plain = all(line[:1].isalnum() or line[:1] in "\"'(`" for line in paragraph.splitlines())
    return _filled(paragraph, width) if plain else paragraph


def _declared(spec: Spec) -> Iterator[str]:
    """Yield sentences about how an optimizer treats the shared keys of a study."""
    if isinstance(spec, OptimizerSpec):
        if spec.least_popsize > 1:
            yield f"Its popsize is at least {spec.least_popsize}; a smaller one is raised to that."
        for key, how in spec.adapts.items():
            yield f"It adapts {key}: {how}."
        if spec.ignores:
            yield f"It ignores {', '.join(spec.ignores)}."
        if not spec.deterministic:
            yield "It is not deterministic: a study that is stopped starts over."


def _options(kind: str, name: str, spec: Spec, target: Any) -> Iterator[dict[str, str | None]]:
    """Yield the options that a user can set; entries of kinds such as losses have none."""
    if KINDS[kind] not in PROVIDED:
        return
    supplied = PROVIDED[KINDS[kind]] | set_by_name(name) | (CONFIG_TABLES if kind == "objectives" else frozenset())
    accepted, defaults, meanings = parameters(target), defaults_of(target), _meanings(target)
    for option, hint in accepted.hints.items():
        if option not in supplied and option not in spec.options:
            default = None if option in accepted.needed else repr(spec.defaults.get(option, defaults[option]))
            yield {"name": option, "type": _type(hint), "default": default, "meaning": meanings.get(option, "")}


def _meanings(target: Any) -> dict[str, str]:
    meanings: dict[str, str] = {}
    for documented in reversed(inspect.getmro(target) if isinstance(target, type) else (target,)):
        arguments = (inspect.getdoc(documented) or "").partition("Args:\n")[2]
        for names, text in PARAMETER.findall(arguments):
            meanings |= dict.fromkeys(names.split(", "), " ".join(text.split()))
    return meanings


def _type(hint: Any) -> str:
    bare = get_type_hints(type("_", (), {"__annotations__": {"hint": hint}}))["hint"]  # without Annotated
    text = inspect.formatannotation(bare)
    text = re.sub(r"\b(?:\w+\.)+(?=\w)", "", text)
    return re.sub(r"\bLiteral\[(.*?)\]", lambda match: match[1].replace(", ", " | "), text)
