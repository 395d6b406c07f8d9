"""`dfo-prompt list`: installed entries, listed without importing them."""

import sys
from collections import Counter
from dataclasses import MISSING, asdict, fields
from shutil import get_terminal_size
from textwrap import wrap
from typing import Any

import click
from click.shell_completion import CompletionItem

from dfo_prompt.commands.names import completions
from dfo_prompt.contracts.spec import Spec
from dfo_prompt.errors import InputError
from dfo_prompt.plugin.catalogue import KINDS, Catalogue, catalogue

LISTED = (*KINDS, "plugins")
HIDDEN = ("target", "options", "defaults", "budgets", "describe", "variants", "dimension")
"""Fields of a spec that are never shown."""
IN_DETAIL = ("least_popsize", "adapts", "ignores", "deterministic")
"""Fields of a spec that only `list KIND NAME` and JSON show."""
ALONE = "others"
"""The heading of entries outside any family."""
WIDEST = 120
"""The most characters of a line, even on a wider terminal."""


def _names_of_kind(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    kind = context.params.get("kind")
    return completions(kind, incomplete) if kind in KINDS else []


@click.command("list")
@click.argument("kind", type=click.Choice(LISTED))
@click.argument("name", required=False, shell_complete=_names_of_kind)
@click.option("--registry", metavar="NAME", help="Of optimizers: try every name of a registry, for instance nevergrad.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(kind: str, name: str | None, registry: str | None, *, as_json: bool) -> None:
    """List the installed entries of a KIND, such as optimizers, or the installed plugins.

    With a NAME, show only that entry, with its options, their types and defaults.
    """
    if registry and kind != "optimizers":
        raise InputError(f"--registry is for optimizers, not for {kind}")
    if registry and name:
        raise InputError("give a NAME or --registry, not both")
    if name and kind == "plugins":
        raise InputError("a NAME is of something that plugins give, such as optimizers; plugins are listed together")
    if name:
        from dfo_prompt.commands.entry import described  # noqa: PLC0415 - imports the entry's own code

        click.echo(described(kind, name, as_json=as_json, width=min(get_terminal_size().columns, WIDEST)))
        return
    if registry:
        rows = _tried(registry)
    else:
        rows = _plugins(catalogue()) if kind == "plugins" else [row_of(spec) for spec in getattr(catalogue(), kind)]
    if not as_json:
        click.echo(_aligned(rows))
        return
    import json  # noqa: PLC0415 - slow relative to a plain list

    click.echo(json.dumps(rows, indent=2))


def row_of(spec: Spec) -> dict[str, Any]:
    """Return the name, the summary, and the fields of a spec that differ from their defaults."""
    defaults = {field.name: {} if field.default is MISSING else field.default for field in fields(spec)}
    row = {name: value for name, value in asdict(spec).items() if name not in HIDDEN}
    return {name: value for name, value in row.items() if name in ("name", "summary") or value != defaults[name]}


def _tried(registry: str) -> list[dict[str, Any]]:
    from dfo_prompt.commands.registry_probe import names_of, try_registry  # noqa: PLC0415 - brings numpy, which a plain list does not need

    spec = catalogue().optimizers.find(f"{registry}:*")
    with click.progressbar(try_registry(spec), length=len(names_of(spec)), label="trying", file=sys.stderr) as trials:
        rows = [asdict(trial) for trial in trials]
    states = Counter(row["state"] for row in rows)
    click.echo(", ".join(f"{count} {state}" for state, count in states.most_common()), err=True)
    return rows


def _plugins(installed: Catalogue) -> list[dict[str, Any]]:
    return [
        {
            "name": info.name,
            "origin": f"{info.origin} {info.version}".strip(),
            "state": info.error or "works",
            **({"note": info.note} if info.note else {}),
            "gives": tuple(_counted(kind, number) for kind, number in info.gives.items() if number) or "nothing",
        }
        for info in installed.plugins
    ]


def _counted(kind: str, number: int) -> str:
    return f"{number} {KINDS[kind] if number == 1 else kind}"


def _aligned(rows: list[dict[str, Any]]) -> str:
    """Format the rows as aligned lines, grouped into families (the part of a name before a colon), other rows last."""
    indent = max((len(row["name"]) for row in rows), default=0) + 2
    width = max(min(get_terminal_size().columns, WIDEST), indent + 20)
    families: dict[str, list[dict[str, Any]]] = {}
    sizes = Counter(_family(row["name"]) for row in rows)
    for row in rows:
        family = _family(row["name"])
        families.setdefault(family if sizes[family] > 1 else ALONE, []).append(row)
    alone = families.pop(ALONE, [])
    parts = [["", _heading(f"{family} ({len(of)})"), *_table(of, indent, width)] for family, of in families.items()]
    parts += [["", _heading(ALONE)] * bool(parts) + _table(alone, indent, width)] * bool(alone)
    return "\n".join(line for part in parts for line in part).lstrip("\n")


def _heading(text: str) -> str:
    return click.style(text, bold=True)  # click drops the style outside a terminal


def _family(name: str) -> str:
    """Return the part of a name before the colon: a library, or a wrapper."""
    return name.partition(":")[0]


def _table(rows: list[dict[str, Any]], indent: int, width: int) -> list[str]:
    return [line for row in rows for line in _lines(row, indent, width)]


def _lines(row: dict[str, Any], indent: int, width: int) -> list[str]:
    first, *rest = [line for cell in _cells(row) for line in wrap(cell, width - indent, break_on_hyphens=False)] or [""]
    return [f"{row['name']:<{indent}}{first}", *(" " * indent + line for line in rest)]


def _cells(row: dict[str, Any]) -> list[str]:
    plain = [str(row[key]) for key in ("summary", "origin", "state", "note") if key in row]
    rest = {
        key: value for key, value in row.items() if key not in ("name", "summary", "origin", "state", "note", *IN_DETAIL)
    }
    return [*plain, *(f"{key.replace('_', ' ')}: {text_of(value)}" for key, value in rest.items())]


def text_of(value: object) -> str:
    """Format the value of a spec's field as text."""
    if isinstance(value, dict):
        return ", ".join(f"{key} ({how})" for key, how in value.items())
    return ", ".join(value) if isinstance(value, tuple) else str(value)
