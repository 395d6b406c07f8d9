"""Verdict, pairs, ranks and practical relevance agree, because they come from one comparison."""

import re

import numpy as np
import pandas as pd
import pytest
from comparisons import with_values
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dfo_prompt.report.analysis import analyse
from dfo_prompt.report.comparison import Conclusion, compare
from dfo_prompt.report.contrasts import pairs, practical
from dfo_prompt.report.leaderboard import leaderboard_of
from dfo_prompt.report.pictures.ranking import ranks, scores
from dfo_prompt.report.tables import leaderboard
from dfo_prompt.report.verdict import remarks, verdict

NAMES = ("cma", "random", "far")


@pytest.fixture(scope="module")
def analysis(finished):
    return analyse(finished)


@st.composite
def suites(draw):
    problems, seeds = draw(st.integers(1, 9)), draw(st.integers(1, 6))
    number = draw(st.integers(2, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    noise, apart = draw(st.sampled_from([0.0, 0.001, 0.02, 0.2])), draw(st.sampled_from([0.0, 0.005, 0.05, 0.3]))
    values = 0.5 + apart * rng.standard_normal(number) + noise * rng.standard_normal((problems, seeds, number))
    if draw(st.booleans()):
        values = values.round(2)  # ties
    if draw(st.booleans()):
        values[:, :, 1] = values[:, :, 0]  # twins
    return values, draw(st.sampled_from(["seeds", "problems"])), draw(st.sampled_from([0.0, 0.01, 0.1]))


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(suites())
def test_headline_pairs_ranks_and_whether_it_matters_never_disagree(analysis, suite):
    values, inference, margin = suite
    one = with_values(analysis, values, NAMES[: values.shape[2]], inference, margin)
    said, frame, board = verdict(one), one.pairs, one.leaderboard
    leader = one.complete[0]

    # A lead is a difference, and no remark repeats the verdict.
    shared = (board["score"] > board["score"].iloc[0] - 1e-12).sum()
    assert not ("share the highest score" in said and shared == 1)
    assert not (shared > 1 and "has the highest score" in said)
    assert not any("random search" in remark and "random" in said for remark in remarks(one))

    # Pairs: the order is that of the leaderboard, no difference is negative, intervals and p values agree.
    assert board["score"].is_monotonic_decreasing
    assert (frame["difference"] >= 0).all()
    for row in frame.dropna(subset=["low", "p"]).to_dict("records"):
        assert row["low"] - 1e-12 <= row["difference"] <= row["high"] + 1e-12
        if row["conclusion"] == "better":
            assert row["low"] > 0
            assert row["p"] <= 0.05
        if row["conclusion"] == "open":
            assert row["p"] > 0.05
            assert row["low"] <= 0

    # Ranks: a rank is left open exactly by the pairs that are inconclusive.
    for row in board.to_dict("records"):
        name = row["optimizer"]
        better = frame[frame["conclusion"] == "better"]
        assert row["best_rank"] == 1 + (better["second"] == name).sum()
        assert row["worst_rank"] == len(board) - (better["first"] == name).sum()
        assert row["best_rank"] <= row["rank"] <= row["worst_rank"]
    np.testing.assert_array_equal(ranks(one).data["best_rank"], board["best_rank"])
    np.testing.assert_array_equal(scores(one).data["score"], board["score"])

    # The headline: what it claims of the leader stands in the pairs.
    leads = frame[frame["first"] == leader]
    concluded = dict(zip(leads["second"], leads["conclusion"], strict=True))
    if not one.comparison.possible:
        assert re.search("cannot (distinguish|show)", said)
        assert "better" not in said
        assert frame[["low", "high", "p"]].isna().all(axis=None)
        assert pairs(one).table.empty
        assert practical(one).table.empty
        return
    assert ("is better than" in said) == ("better" in concluded.values())
    assert ("equally good" in said) == ("equal" in concluded.values())
    assert ("not shown to be better than" in said) == ("open" in concluded.values())
    assert "-0." not in said.split("[")[0]
    alone = board["worst_rank"].iloc[0] == 1
    assert alone == (set(concluded.values()) == {"better"}) == said.split(", ", 1)[1].startswith(f"{leader} is better than")

    # Practical relevance: the same of each other.
    words = dict(practical(one).table.iloc[:, [0, 2]].itertuples(index=False, name=None))
    starts = {"better": ("yes", "perhaps"), "equal": ("no:",), "open": ("inconclusive",)}
    for name, found in concluded.items():
        assert words[name].startswith(starts[found]), (name, words[name], found)
    told = {"better": "first is better", "equal": "equally good", "open": "inconclusive"}
    assert list(pairs(one).table["conclusion"]) == [told[found] for found in frame["conclusion"]]


def test_an_impossible_table_is_a_sentence_that_says_how_many_problems_it_takes(analysis):
    values = np.random.default_rng(0).random((3, 5, 3))
    one = with_values(analysis, values, NAMES, "problems")
    said = "3 problems cannot show a difference: 3 pairs to compare need at least 7"
    assert said in verdict(one)
    assert pairs(one).text == practical(one).text == f"{said}."
    assert (pairs(one).table.empty, practical(one).table.empty) == (True, True)
    seven = with_values(analysis, np.tile(values[:1], (7, 1, 1)), NAMES, "problems")
    assert seven.comparison.possible
    assert Conclusion.BETTER in seven.comparison.conclusions


def test_inference_over_problems_is_not_convinced_by_seeds(analysis):
    values = np.zeros((8, 6, 2)) + 0.5
    values[:, :, 1] += np.array([0.2, 0.2, 0.2, 0.2, 0.2, -0.1, -0.1, -0.1])[:, None]
    assert with_values(analysis, values, NAMES[:2]).comparison.conclusions == (Conclusion.BETTER,)
    over_problems = with_values(analysis, values, NAMES[:2], "problems")
    assert over_problems.comparison.conclusions == (Conclusion.OPEN,)
    assert verdict(over_problems).startswith("On problems like these 8 (6 seeds), cma has the highest score")


def test_scores_that_differ_are_printed_differently_and_ties_are_marked(analysis):
    values = np.full((2, 5, 3), 0.5)
    values[:, :, 1:] += [[1e-7, 0.4]]
    table = leaderboard(with_values(analysis, values, NAMES)).table
    assert table.iloc[:, 2].nunique() == 3
    assert list(table["rank"]) == ["1 (1 to 2)", "2 (1 to 2)", "3"]


def test_the_share_of_wins_over_random_search_is_that_of_the_other(analysis):
    values = np.full((2, 4, 3), 0.5)  # of cma, random and far: losses
    values[:, 0, 0] = 0.9
    values[:, 1:, 0] = 0.1
    values[:, :, 2] = 0.8
    table = leaderboard(with_values(analysis, values, NAMES)).table.set_index("optimizer")
    assert table["P(better than random)"].to_dict() == {"cma": "0.75", "random": "", "far": "0.00"}


def test_losses_of_several_problems_are_not_averaged(analysis):
    assert leaderboard(analysis).table.filter(like="best loss").empty
    assert analysis.leaderboard["best_loss"].isna().all()
    one = analysis.studies.assign(study=analysis.studies["study"])
    board = leaderboard_of(
        one, compare(analysis.comparison.values[:1], analysis.complete, margin=0.01, inference="seeds"), np.zeros(len(one))
    )
    assert isinstance(board, pd.DataFrame)
    assert board["best_loss"].notna().all()
