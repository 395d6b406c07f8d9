"""A weak result is called weak where it stands."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from dfo_prompt.report.analysis import analyse
from dfo_prompt.report.identical import Identical
from dfo_prompt.report.tables import leaderboard, pairs
from dfo_prompt.report.verdict import verdict


@pytest.fixture(scope="module")
def analysis(finished):
    return analyse(finished)


def with_values(analysis, *means, seeds=6, noise=0.0):
    """Return the analysis with other values: means of cma, random and far over problems and seeds."""
    spread = noise * np.linspace(-1, 1, seeds)
    values = np.stack([np.tile(mean + spread * (-1) ** (i > 0), (3, 1)) for i, mean in enumerate(means)], axis=2)
    return replace(analysis, values=values, seeds=tuple(range(seeds)), complete=("cma", "far", "random")[: len(means)])


def test_a_leader_within_chance_of_random_search_is_said_so(analysis):
    said = verdict(with_values(analysis, 0.1, 0.101, 0.102, noise=0.2))
    assert "cma is not shown to be better than random search: 0.002 [" in said
    assert "is not shown" not in verdict(with_values(analysis, 0.1, 0.101, 0.5))


def test_random_search_in_front_is_said_so(analysis):
    first = replace(with_values(analysis, 0.1, 0.2), complete=("random", "cma"))
    assert "Random search leads: no optimizer is shown to be better than chance." in verdict(first)


def test_a_prompt_that_is_no_better_than_the_hand_written_one_is_said_so(analysis):
    def told(ours, manual):
        return verdict(replace(analysis, studies=analysis.studies.assign(test_metric=ours, manual_test_metric=manual)))

    assert "On test, the hand-written prompt reaches 0.8 and the prompt of cma 0.7: tuning gained nothing." in told(0.7, 0.8)
    assert "gained nothing" not in told(0.9, 0.8)
    assert "gained nothing" not in verdict(analysis)


def test_entries_with_identical_journals_are_not_compared_with_each_other(analysis):
    twins = replace(analysis, identical=(Identical(names=("cma", "random"), problems=3, studies=9),))
    assert "cma is better than far" in verdict(twins) or "cma leads far" in verdict(twins)
    assert "gave identical journals; there is nothing to compare" in verdict(replace(twins, complete=("cma", "random")))


def test_tables_say_what_few_problems_and_few_seeds_cannot_show(analysis):
    assert "On 3 problems p cannot be below 0.25: the test cannot find a difference." in pairs(analysis).text
    assert "cannot be below" not in pairs(replace(analysis, problems=("a", "b", "c", "d", "e", "f"))).text
    assert "too narrow with so few seeds" in leaderboard(analysis).text
    assert "too narrow" not in leaderboard(replace(analysis, seeds=(1, 2, 3, 4, 5))).text
    assert "A single seed gives no interval" in leaderboard(replace(analysis, seeds=(1,))).text


def test_the_picture_of_a_study_needs_no_extra():
    code = (
        "import sys\n"
        "sys.modules |= dict.fromkeys(['pandas', 'jinja2', 'scikit_posthocs', 'statsmodels', 'tabulate'])\n"
        "import dfo_prompt.report.convergence, dfo_prompt.console"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
