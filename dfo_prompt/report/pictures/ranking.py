"""The ranking in pictures: scores with intervals, and mean ranks that the Nemenyi test tells apart or not."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scikit_posthocs import critical_difference_diagram, posthoc_nemenyi_friedman

from dfo_prompt.report.analysis import Analysis, counted
from dfo_prompt.report.marks import Marks, marks_of
from dfo_prompt.report.pictures.labels import labels_of, note_on
from dfo_prompt.report.pictures.picture import COLOURS, Picture, colour, figure_of, rows_of


@dataclass(frozen=True)
class _Entry:
    """An optimizer in a diagram that keeps entries in sets: sets of texts have another order in every process."""

    number: int
    label: str = field(compare=False)

    def __str__(self) -> str:
        return self.label


def scores(analysis: Analysis) -> Picture:
    """Draw each optimizer's score with its interval."""
    data, marks = analysis.leaderboard[["optimizer", "score", "low", "high"]].iloc[::-1], marks_of(analysis)
    labels = _marked_labels(analysis, marks)

    def paint(axes: Axes) -> None:
        errors = np.abs(data[["low", "high"]].to_numpy().T - data["score"].to_numpy())
        axes.errorbar(data["score"], np.arange(len(data)), xerr=errors, fmt="o", color=COLOURS[0], capsize=3)
        rows_of(axes, [labels[name] for name in data["optimizer"]])
        axes.set_xlabel(f"{analysis.score} (higher is better)")

    seeds, problems = len(analysis.seeds), len(analysis.problems)
    each = f" in each of {problems} problems, averaged over problems" if problems > 1 else ""
    text = f"Interquartile mean over {counted(seeds, 'seed')}{each}"
    text += ", with its 95 % stratified bootstrap interval." if seeds > 1 else ". One seed gives no interval."
    return Picture(
        name="scores",
        title="Scores",
        text=text + marks.note + note_on(analysis.complete),
        figure=figure_of(paint, height=1.2 + 0.3 * len(data), legend=False),
        data=data,
    )


def ranks(analysis: Analysis) -> Picture:
    """Draw the critical-difference diagram (Demšar, 2006)."""
    names, marks = list(analysis.complete), marks_of(analysis)
    medians = pd.DataFrame(np.median(analysis.values, axis=1), columns=names)
    mean, labels = medians.rank(axis=1).mean(), _marked_labels(analysis, marks)
    entries = [_Entry(number, labels[name]) for number, name in enumerate(names)]

    def paint(axes: Axes) -> None:
        axes.grid(visible=False)
        test = posthoc_nemenyi_friedman(medians.to_numpy()).set_axis(entries).set_axis(entries, axis=1)
        critical_difference_diagram(
            dict(zip(entries, mean, strict=True)),
            test,
            ax=axes,
            label_fmt_left="{label} ({rank:.2f})  ",
            label_fmt_right="  {label} ({rank:.2f})",
            color_palette={entry: colour(entry.number) for entry in entries},
            text_h_margin=0.03 * len(names),
            label_props={"fontsize": "small"},
        )

    text = (
        f"Mean ranks over {counted(len(medians), 'problem')}; lower is better. The Nemenyi test (alpha 0.05) does not tell "
        "apart optimizers joined by a bar; with few problems it joins nearly all. The table of pairs has the stronger tests."
    )
    return Picture(
        name="ranks",
        title="Critical difference",
        text=text + marks.note + note_on(names),
        figure=figure_of(paint, height=1.2 + 0.2 * len(names), legend=False),
        data=mean.rename("rank").rename_axis("optimizer").reset_index(),
    )


def _marked_labels(analysis: Analysis, marks: Marks) -> dict[str, str]:
    labels = labels_of(analysis.studies["optimizer"])
    return {name: label + marks.marked(name).removeprefix(name) for name, label in labels.items()}
