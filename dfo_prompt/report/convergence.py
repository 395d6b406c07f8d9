"""The convergence picture of single studies: best training loss so far against queries, one step curve a study."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from dfo_prompt.report.pictures.labels import labels_of
from dfo_prompt.report.pictures.picture import figure_of, step_curve
from dfo_prompt.study.folder import read_manifest
from dfo_prompt.study.records import read_records
from dfo_prompt.types import Vector


def best_so_far(folder: Path) -> Vector:
    """Return the smallest loss after each query (Q,); NaN until one succeeded."""
    losses = [np.nan if record.loss is None else record.loss for record in read_records(folder)]
    best: Vector = np.fmin.accumulate(np.array(losses, dtype=np.float64))
    return best


def plot_convergence(folders: Sequence[Path], out: Path, *, title: str) -> Path:
    """Draw the studies in `folders` into the picture file `out` and return its path."""

    def paint(axes: Axes) -> None:
        for i, folder in enumerate(folders):
            curve, name = best_so_far(folder), read_manifest(folder)["config"]["optimizer"]
            label = labels_of([name])[name]
            found = f"{label}: {curve[-1]:.3f}" if len(curve) else label
            step_curve(axes, i, np.arange(1, len(curve) + 1), curve, label=found)
        axes.set(xlabel="queries", ylabel="best training loss so far", title=title)
        axes.set_xlim(left=0)

    figure_of(paint).savefig(out, dpi=150)
    return out
