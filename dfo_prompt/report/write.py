"""Writes the report of a suite: a page, and its content as files."""

import json
import math
from pathlib import Path
from shutil import rmtree
from typing import Any

import pandas as pd

from dfo_prompt.errors import InputError, StudyError
from dfo_prompt.report.content import Report, report_of
from dfo_prompt.report.ioh import write_ioh
from dfo_prompt.report.latex import latex_table
from dfo_prompt.report.markdown import markdown
from dfo_prompt.report.packed import PACKED, packed_bytes
from dfo_prompt.report.page import page
from dfo_prompt.report.pictures.render import png_of, svg_of
from dfo_prompt.report.spreadsheet import write_csv
from dfo_prompt.report.texts import printable

FOLDER = "report"


def write_report(folder: Path | str) -> Path:
    """Write the report of the suite in `folder` and return its page.

    The folder report/ is replaced. Beside index.html it holds report.md and report.json (tables and verdict), a CSV for each
    table and picture, each picture as PNG and SVG, studies.csv (one row per study), studies.json.gz (packed studies, for
    comparisons with later suites), and ioh/ (the curves in the format of IOHanalyzer).

    Raises:
        InputError: `folder` is not a suite folder, no study in it is finished, or its report/ is a link or a file.
        StudyError: the report cannot be written.
    """
    out = Path(folder) / FOLDER
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        kind = "link" if out.is_symlink() else "file"
        raise InputError(f"{out} is a {kind}, where the report will be a folder; move it away")
    report = report_of(Path(folder))  # may fail, so before the old report is removed
    try:
        if out.exists():
            rmtree(out)
        out.mkdir()
        _write(report, out)
    except OSError as error:
        raise StudyError(f"cannot write {out}: {error.strerror or error}") from error
    return out / "index.html"


def _write(report: Report, out: Path) -> None:
    findings = report.analysis.findings
    write_csv(report.analysis.studies, out / "studies.csv")
    (out / PACKED).write_bytes(packed_bytes(findings.suite, findings.evidence))
    for table in report.tables:
        write_csv(table.numbers, out / f"{table.name}.csv")
        (out / f"{table.name}.tex").write_text(latex_table(table.printed), encoding="utf-8")
    for picture in report.pictures:
        write_csv(picture.data, out / f"{picture.name}.csv")
        svg = svg_of(picture.spec, picture.columns, printable(f"{report.name}: {picture.title}"))
        (out / f"{picture.name}.svg").write_text(svg, encoding="utf-8")
        (out / f"{picture.name}.png").write_bytes(png_of(svg))
    text = json.dumps(_as_json(report), indent=2, ensure_ascii=False) + "\n"
    # Lone surrogates, from undecodable file names, become JSON escapes.
    (out / "report.json").write_text(text, encoding="utf-8", errors="backslashreplace")
    (out / "report.md").write_text(markdown(report), encoding="utf-8")
    (out / "index.html").write_text(page(report), encoding="utf-8")
    write_ioh(report.analysis, out / "ioh")


def _as_json(report: Report) -> dict[str, Any]:
    analysis = report.analysis
    return {
        "name": report.name,
        "verdict": report.verdict,
        "remarks": list(report.remarks),
        "inference": analysis.comparison.inference,
        "missing": report.missing,
        "beside": report.beside,
        "identical": [{"entries": list(group.names), "said": str(group)} for group in analysis.identical],
        "measure": analysis.measure,
        "leaderboard": _records(analysis.leaderboard),
        "pairs": _records(analysis.pairs),
        "tables": {table.name: table.text for table in report.tables},
        "manifest": report.manifest,
    }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows, with NaN as null."""
    rows = table.to_dict("records")
    return [
        {str(key): None if isinstance(value, float) and math.isnan(value) else value for key, value in row.items()}
        for row in rows
    ]
