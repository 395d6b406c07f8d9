"""The report as one HTML page that needs no other file."""

import json
import re
from importlib.resources import files
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from dfo_prompt.report.content import Report
from dfo_prompt.report.section import Section
from dfo_prompt.report.texts import printable


def page(report: Report, svg: dict[str, str]) -> str:
    """Return the page; `svg` has the pictures by name."""
    first, *others = [_table(table) for table in report.tables]
    drawn = [
        {"id": one.name, "title": one.title, "text": one.text, "svg": Markup(_inline(svg[one.name], one.name))}  # noqa: S704
        for one in report.pictures
    ]
    manifest = {
        "id": "manifest",
        "title": "Manifest",
        "text": "Versions, machines and settings of the studies.",
        "code": json.dumps(report.manifest, indent=2).splitlines(),
    }
    template = Environment(autoescape=True, trim_blocks=True, finalize=_shown).from_string(
        files("dfo_prompt.report").joinpath("page.html.in").read_text(encoding="utf-8")
    )
    return template.render(
        name=report.name,
        intro=report.intro,
        notes=[note for note in (report.missing, *report.identical, report.verdict) if note],
        sections=[first, *drawn, *others, manifest],
    )


def _shown(value: Any) -> Any:
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _table(table: Section) -> dict[str, Any]:
    rows = table.printed.astype(str).to_numpy().tolist()
    return {"id": table.name, "title": table.title, "text": table.text, "heads": list(table.table.columns), "rows": rows}


def _inline(svg: str, name: str) -> str:
    """Return the picture for a page: without the XML prologue, black drawn in the colour of the text around it.

    Its ids begin with its name: those of two pictures would be the same.
    """
    coloured = re.sub(r"#000000\b", "currentColor", svg[svg.index("<svg") :])
    return re.sub(r'(\bid="|\bhref="#|url\(#)', rf"\g<1>{name}-", coloured)
