"""Writes curves in the format of IOHanalyzer (Wang et al., 2022): a folder per optimizer with .json and .dat files."""

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd

from dfo_prompt.report.analysis import Analysis
from dfo_prompt.suite.plan import slug
from dfo_prompt.types import Vector

VERSION = "0.3.5"
"""The version of the format."""
LONGEST = 60
"""The most characters of a folder's name: file systems allow 255 bytes, up to four per character."""


def write_ioh(analysis: Analysis, out: Path) -> None:
    """Write the finished studies of each optimizer below `out`."""
    finished = analysis.studies[analysis.studies["finished"] & analysis.studies["best_loss"].notna()]
    folders = _folders(dict.fromkeys(map(str, finished["optimizer"])))
    for number, problem in enumerate(analysis.problems, start=1):
        for name, part in finished[finished["problem"] == problem].groupby("optimizer", sort=False):
            about = {"suite": analysis.suite.settings.name, "function_id": number, "function_name": problem}
            about |= {"maximization": False, "algorithm": {"name": str(name), "info": ""}}
            _write_problem(analysis, part, about, out / folders[str(name)])


def _write_problem(analysis: Analysis, studies: pd.DataFrame, about: Mapping[str, object], folder: Path) -> None:
    """Write an optimizer's studies on a problem; `about` describes both."""
    number, dim = about["function_id"], analysis.suite.by_id[studies["study"].iloc[0]].config.dim
    data = f"data_f{number}/IOHprofiler_f{number}_DIM{dim}.dat"
    rows = analysis.studies.index.get_indexer(studies.index)
    curves = [analysis.curves[row, :queries] for row, queries in zip(rows, studies["queries"], strict=True)]
    runs = [
        {"instance": int(seed), "evals": len(curve), "best": {"evals": _last(curve), "y": float(np.nanmin(curve))}}
        for seed, curve in zip(studies["seed"], curves, strict=True)
    ]
    attributes = {"attributes": ["evaluations", "raw_y"], "scenarios": [{"dimension": dim, "path": data, "runs": runs}]}
    (folder / f"data_f{number}").mkdir(parents=True, exist_ok=True)
    (folder / data).write_text("".join(map(_run, curves)), encoding="utf-8")
    description = json.dumps({"version": VERSION, **about, **attributes}, indent=1)
    (folder / f"IOHprofiler_f{number}.json").write_text(description, encoding="utf-8")


def _folders(names: Iterable[str]) -> dict[str, str]:
    """Return a folder name for each optimizer; long or ambiguous names get a hash."""
    folders: dict[str, str] = {}
    for name in names:
        plain = slug(name)
        if len(plain) > LONGEST or plain in folders.values():
            digest = sha256(name.encode(errors="backslashreplace")).hexdigest()[:8]
            plain = f"{plain[:LONGEST]}-{digest}"
        folders[name] = plain
    return folders


def _run(curve: Vector) -> str:
    best = np.nan_to_num(curve, nan=np.inf)
    better = np.flatnonzero(best < np.array([np.inf, *best[:-1]]))
    rows = sorted({*better.tolist(), len(curve) - 1})
    return "evaluations raw_y\n" + "".join(f"{row + 1} {curve[row]:.10g}\n" for row in rows)


def _last(curve: Vector) -> int:
    return int(np.nanargmin(curve)) + 1
