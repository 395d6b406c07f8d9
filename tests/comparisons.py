"""Builds analyses of suites from given values."""

from dataclasses import replace

import numpy as np

from dfo_prompt.report.comparison import compare
from dfo_prompt.report.leaderboard import leaderboard_of


def with_values(analysis, values, names, inference="seeds", margin=0.01):
    """Return the analysis with other values (problems, seeds, optimizers), its names and its leaderboard to match."""
    comparison = compare(values, names, margin=margin, inference=inference)
    suite = replace(
        analysis.suite, settings=replace(analysis.suite.settings, inference=inference, practical_difference=margin)
    )
    return replace(
        analysis,
        findings=replace(analysis.findings, suite=suite),
        comparison=comparison,
        problems=tuple(f"p{number}" for number in range(values.shape[0])),
        seeds=tuple(range(values.shape[1])),
        leaderboard=leaderboard_of(analysis.studies, comparison, np.zeros(len(analysis.studies))),
    )
