"""Writes the report of a suite: one page, and everything on it as files."""

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from shutil import rmtree
from typing import Any

import pandas as pd
from jinja2 import Environment
from matplotlib import rc_context
from matplotlib.figure import Figure

from dfo_prompt._util.json_files import write_json
from dfo_prompt.config.paths import by_name
from dfo_prompt.config.study import STUDY
from dfo_prompt.report.analysis import Analysis, analyse, counted
from dfo_prompt.report.figures import draw_all
from dfo_prompt.report.ioh import write_ioh
from dfo_prompt.report.picture import Picture
from dfo_prompt.report.section import Section
from dfo_prompt.report.tables import all_tables
from dfo_prompt.report.verdict import verdict
from dfo_prompt.study.folder import read_manifest
from dfo_prompt.suite.folder import study_path

FOLDER = "report"
DIFFERS = "differs"


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that a report says, in whatever form."""

    analysis: Analysis
    intro: str
    missing: str
    verdict: str
    tables: list[Section]
    pictures: list[Picture]
    manifest: dict[str, Any]


def write_report(folder: Path | str) -> Path:
    """Write the report of the suite in `folder` and return its page.

    Beside report/index.html lie: report.md and report.json (tables and verdict), a CSV for each table and picture, each
    picture as PNG and SVG, studies.csv (a row a study), and ioh/ (the curves in the format of IOHanalyzer). What lay in
    report/ before gives way.

    Raises:
        InputError: it is not a suite folder, or no study in it is finished.
    """
    analysis = analyse(Path(folder))
    out = Path(folder) / FOLDER
    if out.exists():
        rmtree(out)
    out.mkdir()
    report = Report(
        analysis=analysis,
        intro=_intro(analysis),
        missing=_missing(analysis),
        verdict=verdict(analysis),
        tables=all_tables(analysis),
        pictures=list(draw_all(analysis)),
        manifest=_manifest(Path(folder), analysis),
    )
    analysis.studies.to_csv(out / "studies.csv", index=False)
    for table in report.tables:
        (table.table if table.data is None else table.data).to_csv(out / f"{table.name}.csv", index=False)
    drawn = {picture.name: _svg(picture.figure) for picture in report.pictures}
    for picture in report.pictures:
        picture.data.to_csv(out / f"{picture.name}.csv", index=False)
        picture.figure.savefig(out / f"{picture.name}.png", dpi=150)
        (out / f"{picture.name}.svg").write_text(drawn[picture.name], encoding="utf-8")
    write_json(out / "report.json", _as_json(report))
    (out / "report.md").write_text(_markdown(report), encoding="utf-8")
    (out / "index.html").write_text(_page(report, drawn), encoding="utf-8")
    write_ioh(analysis, out / "ioh")
    return out / "index.html"


def _page(report: Report, svg: dict[str, str]) -> str:
    first, *others = [_table_section(table) for table in report.tables]
    drawn = [
        {"id": one.name, "title": one.title, "text": one.text, "svg": _inline(svg[one.name])} for one in report.pictures
    ]
    made = {
        "id": "manifest",
        "title": "Manifest",
        "text": "What the studies ran on.",
        "code": json.dumps(report.manifest, indent=2),
    }
    template = Environment(autoescape=True, trim_blocks=True).from_string(
        files("dfo_prompt.report").joinpath("page.html.in").read_text(encoding="utf-8")
    )
    return template.render(
        name=report.analysis.suite.settings.name,
        intro=report.intro,
        missing=report.missing,
        verdict=report.verdict,
        sections=[first, *drawn, *others, made],
    )


def _markdown(report: Report) -> str:
    parts = [f"# {report.analysis.suite.settings.name}", report.intro, report.missing, f"**{report.verdict}**"]
    for table in report.tables:
        parts += [f"## {table.title}", table.text, _markdown_table(table.printed)]
    for picture in report.pictures:
        parts += [f"## {picture.title}", picture.text, f"![{picture.title}]({picture.name}.png)"]
    return "\n\n".join(part for part in parts if part) + "\n"


def _markdown_table(table: pd.DataFrame) -> str:
    if table.empty:
        return ""
    rows = [list(map(str, table.columns)), ["---"] * table.shape[1], *table.astype(str).to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _as_json(report: Report) -> dict[str, Any]:
    analysis = report.analysis
    return {
        "name": analysis.suite.settings.name,
        "verdict": report.verdict,
        "missing": report.missing,
        "measure": analysis.measure,
        "leaderboard": json.loads(analysis.leaderboard.to_json(orient="records")),
        "friedman_p": analysis.friedman,
        "pairs": json.loads(analysis.pairs.to_json(orient="records")),
        "tables": {table.name: table.text for table in report.tables},
        "manifest": report.manifest,
    }


def _intro(analysis: Analysis) -> str:
    studies = analysis.studies
    queries, repeated = int(studies["queries"].sum()), int(studies["repeated"].sum())
    again = f", besides {repeated:,} that were cut off and ran again" if repeated else ""
    searched = studies["method"] == STUDY
    what = counted(studies["optimizer"].nunique(), "optimizer" if searched.all() else "method")
    sample = f"{what} on {counted(len(analysis.problems), 'problem')}"
    budgets, number, others = sorted({*studies.loc[searched, "budget"]}), int(searched.sum()), int((~searched).sum())
    each = " to ".join(f"{one:,}" for one in (*budgets[:1], *budgets[1:][-1:]))
    parts = [f"{number:,} {'study' if number == 1 else 'studies'} of {each} queries"] if number else []
    parts += [f"{counted(others, 'result')} of other methods"] if others else []
    spent = f"{' and '.join(parts)}, {queries:,} queries in all{again}"
    return f"{sample} ({'; '.join(analysis.problems)}), {counted(len(analysis.seeds), 'seed')}, {spent}."


def _missing(analysis: Analysis) -> str:
    unfinished = int((~analysis.studies["finished"]).sum())
    unranked = [name for name in dict.fromkeys(analysis.studies["optimizer"]) if name not in analysis.complete]
    said = [f"{unfinished} of {len(analysis.studies)} studies have no result."] if unfinished else []
    said += [f"Not ranked, for want of a result on every problem and seed: {', '.join(unranked)}."] if unranked else []
    return " ".join(said)


def _table_section(table: Section) -> dict[str, Any]:
    rows = table.printed.astype(str).to_numpy().tolist()
    return {"id": table.name, "title": table.title, "text": table.text, "heads": list(table.table.columns), "rows": rows}


def _manifest(folder: Path, analysis: Analysis) -> dict[str, Any]:
    """Return what all studies share, of their manifests and of what the suite asks of them; what each entry has besides."""
    manifests = [
        read_manifest(study_path(folder, study)) for study in analysis.studies.loc[analysis.studies["finished"], "study"]
    ]
    made = _shared([{key: one.get(key) for key in ("versions", "machine")} for one in manifests] or [{}], _each)
    commits = sorted({str(one["git_commit"]) for one in manifests if one.get("git_commit")})
    suite = json.loads(json.dumps(asdict(analysis.suite.settings)))
    configs = [(plan.optimizer, by_name(plan.config.as_dict())) for plan in analysis.suite.plans]
    study = _shared([config for _, config in configs])
    entries = {
        name: _besides(_shared([config for other, config in configs if other == name]), study)
        for name in dict.fromkeys(name for name, _ in configs)
    }
    return {**made, "git_commits": commits, "suite": suite, "study": study, "entries": entries}


def _shared(values: list[Any], otherwise: Callable[[list[Any]], Any] = lambda _: DIFFERS) -> Any:
    """Return what all values are, of tables key by key; where they are not the same, what `otherwise` makes of them."""
    if all(isinstance(one, dict) for one in values):
        keys = dict.fromkeys(key for one in values for key in one)
        return {key: _shared([one.get(key) for one in values], otherwise) for key in keys}
    return values[0] if all(one == values[0] for one in values) else otherwise(values)


def _each(values: list[Any]) -> str:
    return " or ".join(sorted({str(one) for one in values}))


def _besides(own: dict[str, Any], shared: dict[str, Any]) -> dict[str, Any]:
    """Return the keys in which an entry differs from what all share."""
    found = {
        key: _besides(value, shared[key]) if isinstance(value, dict) and isinstance(shared.get(key), dict) else value
        for key, value in own.items()
        if key not in shared or (value != shared[key] and value != DIFFERS)
    }
    return {key: value for key, value in found.items() if value != {}}


def _svg(figure: Figure) -> str:
    buffer = BytesIO()
    # Without a date, and with names of its parts from a fixed salt, the same figures give the same bytes.
    with rc_context({"svg.hashsalt": "dfo-prompt"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    return buffer.getvalue().decode()


def _inline(svg: str) -> str:
    """Return the picture for a page: without the XML prologue, black drawn in the colour of the text around it."""
    return re.sub(r"#000000\b", "currentColor", svg[svg.index("<svg") :])
