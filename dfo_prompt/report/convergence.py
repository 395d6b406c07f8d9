"""The convergence picture: best training loss so far against queries, one step curve a study."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dfo_prompt.report.picture import step
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
    figure = Figure(figsize=(7.5, 4.5), layout="constrained", dpi=150)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for i, folder in enumerate(folders):
        curve, name = best_so_far(folder), read_manifest(folder)["config"]["optimizer"]
        axes.plot(
            np.arange(1, len(curve) + 1),
            curve,
            **step(i),
            label=f"{name}: {curve[-1]:.3f}" if len(curve) else name,
        )
    axes.set(xlabel="queries", ylabel="best training loss so far", title=title)
    axes.set_xlim(left=0)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(out)
    return out
