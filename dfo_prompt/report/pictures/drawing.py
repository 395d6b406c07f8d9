"""Draws all pictures of a suite."""

from collections.abc import Iterator

from dfo_prompt.report.analysis import Analysis
from dfo_prompt.report.pictures.convergence import convergence
from dfo_prompt.report.pictures.picture import Picture
from dfo_prompt.report.pictures.profiles import data_profile, performance, targets
from dfo_prompt.report.pictures.ranking import ranks, scores
from dfo_prompt.report.pictures.studies import gap, seconds


def draw_all(analysis: Analysis) -> Iterator[Picture]:
    """Draw every picture that the suite has data for."""
    searched = [name for name in analysis.complete if name in analysis.reached]
    if analysis.reached:
        yield from filter(None, (convergence(analysis, problem) for problem in analysis.with_curves))
        yield targets(analysis)
    if len(analysis.complete) > 1:
        yield scores(analysis)
    if len(searched) > 1:
        yield performance(analysis, searched)
        if len(dims := {plan.config.dim for plan in analysis.suite.plans}) == 1:
            yield data_profile(analysis, searched, *dims)
    if len(analysis.complete) > 1 and analysis.comparison.possible:
        yield ranks(analysis)
    if analysis.reached or analysis.losses_differ:
        yield gap(analysis)
        yield seconds(analysis)
