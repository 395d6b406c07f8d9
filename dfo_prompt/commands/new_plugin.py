"""`dfo-prompt new-plugin`: a package with a new optimizer, ready to install."""

import re
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

import click

from dfo_prompt._util.durable import replacing, writing
from dfo_prompt._util.reading import read_bytes
from dfo_prompt.errors import InputError
from dfo_prompt.plugin.catalogue import catalogue

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
SUFFIX = ".in"


@click.command("new-plugin")
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write [default: dfo-prompt-NAME].")
def command(name: str, out: Path | None) -> None:
    """Write a package that gives the optimizer NAME. It installs, lists and passes the conformance suite at once."""
    if not NAME.fullmatch(name):
        raise InputError(f"{name!r} cannot name a plugin; write lower-case words joined by hyphens, such as step-halving")
    if name in catalogue().optimizers.specs or f"{name}:*" in catalogue().optimizers.specs:
        raise InputError(f"there is an optimizer {name!r} already; choose another name")
    folder = out or Path(f"dfo-prompt-{name}")
    contents = {path: content.encode() for path, content in scaffold(name).items()}
    if folder.exists() and any(folder.iterdir()) and not _was_cut_off(folder, contents):
        raise InputError(f"{folder} is not empty; choose another with --out")
    with writing(folder):
        for path, content in contents.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            with replacing(folder / path) as file:
                file.write(content)
    click.echo(f"wrote {folder}\n\nnext:\n  pip install -e {folder}\n  dfo-prompt list optimizers\n  pytest {folder}")


def _was_cut_off(folder: Path, contents: Mapping[Path, bytes]) -> bool:
    """Tell whether the folder holds some of these files and nothing else, as after a kill of this command."""
    files = {file.relative_to(folder): file for file in folder.rglob("*") if not file.is_dir()}
    left = {path: file for path, file in files.items() if path.with_suffix("") not in contents or path.suffix != ".part"}
    return left.keys() < contents.keys() and all(read_bytes(file) == contents[path] for path, file in left.items())


def scaffold(name: str) -> dict[Path, str]:
    """Return the contents of a plugin package's files, by path."""
    package = f"dfo_prompt_{name.replace('-', '_')}"
    values = {"name": name, "package": package, "title": "".join(word.capitalize() for word in name.split("-"))}
    contents = {}
    for path, file in _templates(files("dfo_prompt.commands") / "scaffold", Path()).items():
        parts = [package if part == "package" else part for part in path.parts]
        contents[Path(*parts)] = Template(file.read_text(encoding="utf-8")).substitute(values)
    return contents


def _templates(folder: Traversable, place: Path) -> dict[Path, Traversable]:
    templates: dict[Path, Traversable] = {}
    for entry in sorted(folder.iterdir(), key=lambda path: path.name):
        if entry.is_dir():
            templates |= _templates(entry, place / entry.name)
        elif entry.name.endswith(SUFFIX):
            templates[place / entry.name.removesuffix(SUFFIX)] = entry
    return templates
