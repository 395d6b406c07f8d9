"""The verdict calls a weak result weak, in the same sentence everywhere."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from html import unescape

import numpy as np
import pytest
from comparisons import with_values

from dfo_prompt.report import comparison
from dfo_prompt.report.analysis import analyse
from dfo_prompt.report.comparison import compare
from dfo_prompt.report.identical import Identical
from dfo_prompt.report.tables import leaderboard
from dfo_prompt.report.terminal import outcome
from dfo_prompt.report.verdict import remarks, verdict

SUITE = """\
name = "little"
seeds = [1, 2, 3]
threads = 1
optimizers = ["cma", "random", { name = "far", optimizer = "random", sigma = 5.0 }]
[study]
dim = 4
budget = 60
popsize = 6
sigma = 0.5
[cross]
objective = ["sphere", "ellipsoid"]
"""


@pytest.fixture(scope="module")
def analysis(finished):
    return analyse(finished)


def spread(*means, seeds=6, noise=0.0):
    """Return values of cma, far and random with these means, over three problems."""
    rows = noise * np.linspace(-1, 1, seeds)
    return np.stack([np.tile(mean + rows * (-1) ** (i > 0), (3, 1)) for i, mean in enumerate(means)], axis=2)


def of(analysis, *means, names=("cma", "far", "random"), **options):
    return with_values(analysis, spread(*means, **options), names[: len(means)])


@pytest.mark.parametrize(
    ("means", "noise", "said"),
    [
        ((0.1, 0.101), 0.0, "cma and far are equally good, within the practical margin of 0.01."),
        ((0.1, 0.3), 0.001, "cma is better than far, by 0.2 [0.199, 0.201], more than the practical margin of 0.01."),
        ((0.1, 0.112), 0.006, "cma is better than far, by 0.012 [0.00"),
        ((0.1, 0.112), 0.006, ", which may be less than the practical margin of 0.01."),
        ((0.1, 0.11), 0.3, "cma has the highest score, 0.01 [-0."),
        ((0.1, 0.11), 0.3, "above far, but it is not shown to be better than far."),
        ((0.1, 0.2, 0.3), 0.0, "cma is better than each of the 2 others; the closest is far, by 0.1 [0.1, 0.1], more than"),
        ((0.1, 0.101, 0.3), 0.0, "equally good, within the practical margin of 0.01; it is better than random."),
    ],
)
def test_the_verdict_is_one_sentence_that_says_what_the_interval_allows(analysis, means, noise, said):
    sentence = verdict(of(analysis, *means, noise=noise))
    assert sentence.startswith("On these 3 problems (6 seeds), ")
    assert said in sentence
    assert not re.search(r"\. [A-Z]", sentence)


def test_the_verdict_is_the_same_in_terminal_page_json_and_markdown(finished, analysis):
    said = verdict(analysis)
    report = finished / "report"
    assert json.loads((report / "report.json").read_text())["verdict"] == said
    assert f"**{said}**" in unescape((report / "report.md").read_text().replace("\\", ""))
    assert f'<p class="verdict">{said}</p>' in unescape((report / "index.html").read_text())
    for width in (80, 120):
        told = outcome(finished, width=width)
        assert said in " ".join(told.split())
        assert max(map(len, told.splitlines())) <= width


@pytest.mark.slow
def test_run_and_report_end_with_the_first_lines_of_the_leaderboard_and_the_verdict(program, tmp_path, monkeypatch):
    monkeypatch.setattr("dfo_prompt.report.terminal.LINES", 1)
    (tmp_path / "suite.toml").write_text(SUITE.replace("budget = 60", "budget = 12"))
    status, ran, _ = program("suite", "run", "suite.toml", "--out", "out")
    reported = program("suite", "report", "out")[1]
    assert status == 0
    said = verdict(analyse(tmp_path / "out"))
    for told, last in ((ran, "report dfo-prompt suite report out"), (reported, "out/report/index.html")):
        assert re.match(r"optimizer +rank +score of recommended loss\n", told)
        assert said in " ".join(told.split())
        assert told.endswith((f"\n\n{last}\n", f"\n\nsuite  out/\n{last}\n"))
        assert "\nand " in told
        assert "\nrandom" in told


@pytest.mark.slow
def test_a_suite_without_results_to_compare_ends_with_a_line_that_says_so(program, tmp_path):
    (tmp_path / "suite.toml").write_text('measure = "test_metric"\n' + SUITE.replace("budget = 60", "budget = 12"))
    status, ran, _ = program("suite", "run", "suite.toml", "--out", "out")
    assert status == 0
    assert "have no test_metric; give the suite another measure" in ran


def test_a_leader_within_chance_of_random_search_is_said_so_once(analysis):
    near = of(analysis, 0.1, 0.101, 0.102, noise=0.2)
    assert "it is not shown to be better than far and random" in verdict(near)
    assert "random search" not in " ".join(remarks(near))
    names = ("cma", "a", "b", "c", "d", "random")
    values = compare(spread(*np.linspace(0.1, 0.105, 6), noise=0.2), names, margin=0.01, inference="seeds")
    many = replace(near, comparison=values)
    assert "not shown to be better than a, b, c and 2 more" in verdict(many)  # random is not named
    assert "cma is not shown to be better than random search: 0.005 [" in " ".join(remarks(many))
    assert "is not shown" not in " ".join(remarks(of(analysis, 0.1, 0.101, 0.5)))


def test_a_shared_highest_score_is_no_lead(analysis):
    single = of(analysis, 0.1, 0.1, 0.3, seeds=1)
    assert verdict(single).endswith(
        " cma and far share the highest score, but a single seed cannot distinguish this from chance."
    )
    assert single.pairs[["low", "high", "p"]].isna().all(axis=None)
    rows = np.linspace(-0.3, 0.3, 6)
    values = np.stack([0.5 + rows, 0.5 - rows, 0.7 + rows], axis=1)[None]  # equal scores, other values
    noisy = with_values(analysis, values, ("cma", "far", "random"))
    assert "cma and far share the highest score, but cma is not shown to be better than far" in verdict(noisy)


def test_random_search_in_front_is_said_so(analysis):
    first = of(analysis, 0.1, 0.2, names=("random", "cma"))
    assert "Random search leads: no optimizer is shown to be better than chance." in remarks(first)


def test_random_search_is_known_by_its_optimizer_not_by_its_name(analysis):
    def leads(names, *ranked):
        plans = tuple(replace(plan, optimizer=names[plan.optimizer]) for plan in analysis.suite.plans)
        findings = replace(analysis.findings, suite=replace(analysis.suite, plans=plans))
        renamed = replace(analysis, studies=analysis.studies.replace({"optimizer": names}), findings=findings)
        return "Random search leads" in " ".join(
            remarks(of(renamed, 0.1, 0.2, names=tuple(names[entry] for entry in ranked)))
        )

    assert leads({"random": "baseline", "cma": "cma", "far": "other"}, "random", "cma")
    assert not leads({"random": "other", "cma": "random", "far": "cma"}, "cma", "random")


def test_a_prompt_that_is_no_better_than_the_hand_written_one_is_said_so(analysis):
    def told(ours, manual):
        studies = analysis.studies.assign(test_metric=ours, manual_test_metric=manual)
        return remarks(replace(of(analysis, 0.1, 0.2), studies=studies))

    assert "On test, the hand-written prompt reaches 0.8 and the prompt of cma 0.7: tuning gained nothing." in told(0.7, 0.8)
    assert "reaches 0.8 and the prompt of cma 0.8: tuning gained nothing." in " ".join(told(0.8, 0.8))
    assert "gained nothing" not in " ".join([*told(0.9, 0.8), *remarks(analysis)])


def test_entries_with_identical_journals_are_not_compared_with_each_other(analysis):
    twins = replace(of(analysis, 0.1, 0.1, 0.3, names=("cma", "random", "far")), identical=(
        Identical(names=("cma", "random"), problems=3, studies=9),
    ))  # fmt: skip
    assert "cma is better than far" in verdict(twins)
    assert "The same score" not in " ".join(remarks(twins))
    two = replace(of(analysis, 0.1, 0.1, names=("cma", "random")), identical=twins.identical)
    assert "gave identical journals; there is nothing to compare" in verdict(two)
    pair = of(analysis, 0.1, 0.1, names=("far", "cma"))
    assert remarks(replace(pair, identical=(Identical(names=("cma", "far"), problems=3, studies=9),))) == []


def test_entries_that_scored_the_same_everywhere_are_remarked(analysis):
    assert "The same score on every problem and seed: cma and far." in remarks(of(analysis, 0.1, 0.1, 0.3))


def test_few_seeds_are_remarked_and_a_single_one_concludes_nothing(analysis):
    assert "With fewer than 5 seeds this result is preliminary." in remarks(of(analysis, 0.1, 0.2, seeds=4))
    assert "preliminary" not in " ".join(remarks(of(analysis, 0.1, 0.2, seeds=5)))
    assert "too narrow with so few seeds" in leaderboard(of(analysis, 0.1, 0.2, seeds=4)).text
    assert "too narrow" not in leaderboard(of(analysis, 0.1, 0.2, seeds=5)).text
    single = of(analysis, 0.1, 0.2, seeds=1)
    assert verdict(single).endswith(
        "cma has the highest score, 0.1 above far, but a single seed cannot distinguish this from chance."
    )
    assert "A single seed gives no interval" in leaderboard(single).text


def test_many_names_are_counted(analysis):
    names = ("cma", *(f"o{number}" for number in range(9)))
    apart = compare(spread(*np.linspace(0.1, 0.9, 10)), names, margin=0.01, inference="seeds")
    one = replace(analysis, comparison=apart, seeds=tuple(range(6)))
    assert "each of the 9 others; the closest is o0" in verdict(one)
    noisy = replace(apart, values=spread(*np.linspace(0.1, 0.11, 10), noise=0.5))
    assert "not shown to be better than o0, o1, o2 and 6 more." in verdict(replace(one, comparison=noisy))


def test_pairs_are_tested_once(finished, monkeypatch):
    tests = []
    tested = comparison.statistics.simultaneous
    monkeypatch.setattr(comparison.statistics, "simultaneous", lambda *a, **k: tests.append(a) or tested(*a, **k))
    assert "is better than" in outcome(finished, width=100)
    assert len(tests) == 1


def test_the_module_that_a_listing_imports_needs_no_extra():
    code = (
        "import sys\n"
        "sys.modules |= dict.fromkeys(['pandas', 'jinja2', 'vl_convert', 'tabulate'])\n"
        "import dfo_prompt.report.convergence, dfo_prompt.console.figures"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
