"""Draws the convergence of single studies: the best training loss so far against queries, a step curve per optimizer."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dfo_prompt.errors import InputError, needs_extra
from dfo_prompt.optimizers import RANDOM
from dfo_prompt.report.pictures.curves import curves, thinned
from dfo_prompt.report.pictures.looks import looks_of
from dfo_prompt.report.pictures.picture import axis
from dfo_prompt.study.identity import read_manifest
from dfo_prompt.study.records import read_records
from dfo_prompt.types import Vector


def best_losses(folder: Path) -> Vector:
    """Return the smallest loss after each query, (Q,); NaN before the first finite loss."""
    losses = [np.nan if record.loss is None else record.loss for record in read_records(folder)]
    best: Vector = np.fmin.accumulate(np.array(losses, dtype=np.float64))
    return best


def require_pictures(what: str = "a picture") -> None:
    """Check that pictures can be drawn, which `what` needs.

    Raises:
        InputError: the extra `report` is not installed.
    """
    try:
        import dfo_prompt.report.pictures.render  # noqa: F401, PLC0415 - brings a JavaScript engine
    except ImportError as error:
        raise InputError(f"{needs_extra(what, 'report')} ({error})") from error


def plot_convergence(folders: Sequence[Path], out: Path, *, title: str) -> Path:
    """Draw the studies in `folders` into the file `out`, .svg or .png, and return its path.

    Raises:
        InputError: the extra `report` is not installed.
    """
    require_pictures()
    from dfo_prompt.report.pictures.render import png_of  # noqa: PLC0415 - brings a JavaScript engine

    names = [read_manifest(folder)["config"]["optimizer"] for folder in folders]
    studies = [(name, best_losses(folder)) for name, folder in zip(names, folders, strict=True)]
    svg = convergence_svg(studies, title=title)
    out.write_bytes(png_of(svg) if out.suffix == ".png" else svg.encode())
    return out


def convergence_svg(studies: Sequence[tuple[str, Vector]], *, title: str, **scale: str) -> str:
    """Return the convergence of studies as SVG.

    Args:
        studies: for each study the name of its optimizer and its best losses so far (Q,).
        title: the title in the picture.
        scale: options of the scale of losses; see `axis`.
    """
    from dfo_prompt.report.pictures.render import svg_of  # noqa: PLC0415 - brings a JavaScript engine

    looks = looks_of([name for name, _ in studies], [RANDOM])
    columns: dict[str, list[object]] = {"entry": [], "queries": [], "loss": []}
    for name, curve in studies:
        columns["entry"] += [looks[name].label] * len(curve)
        columns["queries"] += range(1, len(curve) + 1)
        columns["loss"] += [None if np.isnan(loss) else float(loss) for loss in curve]
    spec = curves(list(looks.values()), axis("queries", "queries"), axis("loss", "best training loss so far", **scale))
    return svg_of(spec, thinned(columns, "queries"), title)
