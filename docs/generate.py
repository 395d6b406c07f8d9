"""Writes the pages that follow from the code and from the shipped reports: python docs/generate.py, ahead of every build."""

import ast
import inspect
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from shutil import copytree, rmtree
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import click

import dfo_prompt
from dfo_prompt.commands.group import program
from dfo_prompt.config.study import StudyConfig
from dfo_prompt.plugin import hookspecs
from dfo_prompt.plugin.catalogue import KINDS, catalogue
from dfo_prompt.suite.config import SuiteConfig

PAGES = Path(__file__).parent / "pages"
EXAMPLES = Path(__file__).parent / "examples"
RESULTS = Path(__file__).parent.parent / "benchmarks" / "results"
OF_SUITES = ("manifest.json", "report.json")
NOT_IN_TABLES = {"name", "summary", "target", "options", "defaults", "budgets", "variants"}


def write(page: str, parts: Iterable[str]) -> None:
    """Write a page of the site."""
    (PAGES / page).parent.mkdir(parents=True, exist_ok=True)
    (PAGES / page).write_text("\n\n".join(parts) + "\n")


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a Markdown table."""
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines
    )


def command_line() -> Iterator[str]:
    """Give the help of every command."""
    yield "# Command line"
    context = click.Context(program, info_name="dfo-prompt")
    yield from _command(program, context)


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"## {context.command_path}"
    yield f"```text\n{command.get_help(context)}\n```"
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            if found and not found.hidden:
                yield from _command(found, click.Context(found, info_name=child, parent=context))


def configuration() -> Iterator[str]:
    """Give the keys of study and suite files with their types and defaults."""
    yield "# Configuration"
    yield "Keys of a study file and of a suite file. `--set KEY=VALUE` sets any key of a study."
    yield from _keys("A study", StudyConfig, "")
    yield from _keys("A suite", SuiteConfig, "")


def _keys(title: str, kind: Any, prefix: str) -> Iterator[str]:
    yield f"## {title}"
    yield (inspect.getdoc(kind) or "").split("\n\nAttributes:")[0]
    said, hints, nested, rows = _attributes(kind), get_type_hints(kind), [], []
    for field in fields(kind):
        default = field.default_factory() if callable(field.default_factory) else field.default  # type: ignore[misc]
        hint = hints[field.name]
        inner = next((part for part in (hint, *_alternatives(hint)) if is_dataclass(part)), None)
        if inner:
            absent = " (none by default)" if default is None else ""
            nested.append((f"`[{prefix}{field.name}]`{absent}", inner, f"{prefix}{field.name}."))
            continue
        shown = "required" if "MISSING" in repr(default) else f"`{default!r}`"
        rows.append((f"`{prefix}{field.name}`", f"`{_type(hint)}`", shown, said.get(field.name, "")))
    yield table(("key", "type", "default", "meaning"), rows)
    for inner in nested:
        yield from _keys(*inner)


def _type(annotation: Any) -> str:
    return re.sub(r"(?:[a-z_]+\.)+", "", inspect.formatannotation(annotation))


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    """Return the types of a union; () for other types."""
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else ()


def _attributes(kind: Any) -> dict[str, str]:
    said: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        part = (inspect.getdoc(base) or "").partition("Attributes:\n")[2]
        for names, text in re.findall(r"^    ([\w, ]+): (.*(?:\n {8}.*)*)", part, flags=re.M):
            said |= dict.fromkeys(names.split(", "), " ".join(text.split()))
    return said


def listed() -> Iterator[str]:
    """Give everything that can be named, by kind."""
    yield "# Catalogue"
    yield "What dfo-prompt and the plugins beside it offer by name; `dfo-prompt list KIND` shows what your environment has."
    for kind in KINDS:
        specs = list(getattr(catalogue(), kind))
        if not specs:
            continue
        yield f"## {kind.capitalize()}"
        yield table(("name", "summary", "notes"), [(f"`{spec.name}`", spec.summary, _notes(spec)) for spec in specs])


def _notes(spec: Any) -> str:
    usual = {field.name: field.default for field in fields(spec)}
    rest = {
        name: value for name, value in vars(spec).items() if name not in NOT_IN_TABLES and value and value != usual[name]
    }
    return "; ".join(f"{name.replace('_', ' ')}: {_note(value)}" for name, value in rest.items() if name != "variants")


def _note(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} ({how})" for name, how in value.items())
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def hooks() -> Iterator[str]:
    """Give every hook with its documentation."""
    yield "# Hooks"
    yield "A plugin is a module with some of these functions, marked with `dfo_prompt.hookimpl`."
    yield "::: dfo_prompt.plugin.hookspecs\n    options:\n      show_root_heading: false\n      filters: ['^dfo_prompt_']"
    assert hookspecs.HOOKS  # noqa: S101


def python() -> Iterator[str]:
    """Give every public name."""
    yield "# Python"
    yield "Everything below is an attribute of `dfo_prompt`: `import dfo_prompt as dp`."
    for name in sorted(dfo_prompt.__all__, key=str.lower):
        yield f"::: dfo_prompt.{dfo_prompt._HOME[name]}.{name}"


def results() -> Iterator[str]:
    """Copy the shipped reports and measurements, and index them."""
    yield "# Results"
    yield "Reports of the suites in `benchmarks/suites`, by `dfo-prompt suite report`."
    rmtree(PAGES / "results", ignore_errors=True)  # reports that are shipped no more have no page
    copytree(RESULTS, PAGES / "results")
    yield table(("suite", "compared", "verdict"), map(_reported, sorted(RESULTS.glob("*/report.md"))))
    yield "## Measurements"
    yield "Figures of single scripts. Each runs again by its command."
    yield table(("figures", "measures", "command"), _measured())


def _reported(report: Path) -> tuple[str, str, str]:
    """Return the row of a report: its pages, what it compares, its verdict."""
    name, lines = report.parent.name, report.read_text().partition("\n## ")[0].splitlines()
    verdict = next((line.strip("*") for line in lines if line.startswith("**")), "")
    compared = next((line for line in lines if line[:1].isdigit()), "")
    page = f", [interactive](results/{name}/index.html)" * (report.parent / "index.html").is_file()
    return f"[{name}](results/{name}/report.md){page}", compared, "" if verdict.startswith("Fewer than two") else verdict


def _measured() -> Iterator[tuple[str, str, str]]:
    """Give a row for each command in a script's documentation that writes figures into a folder of results."""
    found = {}
    for script in RESULTS.parent.rglob("*.py"):
        said = (ast.get_docstring(ast.parse(script.read_text())) or "").split("\n")
        for command, name in re.findall(r"^ *(python .*--out benchmarks/results/(\S+))$", "\n".join(said), flags=re.M):
            found[name] = said[0], f"`{command}`"
    for name, (measures, command) in sorted(found.items()):
        for figures in [path for path in RESULTS.joinpath(name).glob("*.json") if path.name not in OF_SUITES]:
            yield f"[{name}](results/{name}/{figures.name})", measures, command


def example(notebook: Path) -> Iterator[str]:
    """Give the cells of a notebook with their outputs."""
    for cell in json.loads(notebook.read_text())["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            yield source
            continue
        yield f"```python\n{source}\n```"
        for output in cell["outputs"]:
            data = output.get("data", {"text/plain": output.get("text", "")})
            html = "".join(data.get("text/html", ""))
            yield f"<div>\n{html}\n</div>" if html else f"```text\n{''.join(data['text/plain'])}\n```"


if __name__ == "__main__":
    for path in sorted(EXAMPLES.glob("*.ipynb")):
        write(f"examples/{path.stem}.md", example(path))
    write("reference/cli.md", command_line())
    write("reference/configuration.md", configuration())
    write("reference/catalogue.md", listed())
    write("reference/hooks.md", hooks())
    write("reference/python.md", python())
    write("results.md", results())
