"""Renders the report as a self-contained HTML page, whose security policy forbids requests."""

import json
from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

import vl_convert
from jinja2 import Environment
from markupsafe import Markup

from dfo_prompt.report.content import Report
from dfo_prompt.report.latex import latex_table
from dfo_prompt.report.pictures.picture import STYLE, Picture
from dfo_prompt.report.pictures.render import VEGA_LITE
from dfo_prompt.report.section import Section
from dfo_prompt.report.spreadsheet import csv_text
from dfo_prompt.report.texts import printable


def page(report: Report) -> str:
    """Return the report's HTML page."""
    leaderboard, *tables = [_table(table) for table in report.tables]
    manifest = {
        "id": "manifest",
        "title": "Manifest",
        "text": "Versions, machines and settings of the studies.",
        "code": json.dumps(report.manifest, indent=2).splitlines(),
    }
    problems = [printable(problem) for problem in report.analysis.problems]
    drawn = {picture.name: {"spec": picture.spec, "columns": picture.columns} for picture in report.pictures}
    scripts = [_bundle(), _file("page.js.in")]
    template = Environment(autoescape=True, trim_blocks=True, finalize=_shown).from_string(_file("page.html.in"))
    return template.render(
        name=report.name,
        verdict=report.verdict,
        intro=report.intro,
        notes=report.notes,
        problems=problems,
        sections=[leaderboard, *map(_picture, report.pictures), *tables, manifest],
        style=Markup(_file("page.css.in")),  # noqa: S704 - a file of this package, like the scripts
        pictures=_json({"style": STYLE, "pictures": drawn, "problems": problems}),
        scripts=[Markup(script) for script in scripts],  # noqa: S704
        hashes=Markup(" ".join(map(_hash, scripts))),  # noqa: S704
    )


def _shown(value: Any) -> Any:
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _table(table: Section) -> dict[str, Any]:
    return {
        "id": table.name,
        "title": table.title,
        "text": table.text,
        "heads": list(table.table.columns),
        "rows": table.printed.astype(str).to_numpy().tolist(),
        "texts": [("CSV", _lines(csv_text(table.numbers))), ("LaTeX", _lines(latex_table(table.printed)))],
    }


def _picture(picture: Picture) -> dict[str, Any]:
    return {
        "id": picture.name,
        "title": picture.title,
        "text": picture.text,
        "picture": True,
        "looks": picture.looks,
        "problem": printable(picture.problem),
    }


def _lines(text: str) -> Markup:
    """Return the text escaped, with unprintable characters replaced and line ends kept."""
    return Markup("\n").join(map(printable, text.splitlines()))


def _json(value: Any) -> Markup:
    """Return JSON that cannot close its script element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026"))  # noqa: S704


def _hash(script: str) -> str:
    """Return the script's hash source for the security policy."""
    return f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'"


def _file(name: str) -> str:
    return files("dfo_prompt.report").joinpath(name).read_text(encoding="utf-8")


@cache
def _bundle() -> str:
    """Return the script of Vega, Vega-Lite and Vega-Embed."""
    return vl_convert.javascript_bundle(snippet="window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE)
