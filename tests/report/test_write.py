import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from comparisons import with_values

import dfo_prompt as dp
from dfo_prompt.errors import InputError
from dfo_prompt.report import summary as study_summary
from dfo_prompt.report.analysis import analyse
from dfo_prompt.report.content import report_of
from dfo_prompt.report.findings import read_findings
from dfo_prompt.report.frames import STUDY_COLUMNS, curves_of, studies_of
from dfo_prompt.report.markdown import markdown
from dfo_prompt.report.methods import efficiency, method_tables
from dfo_prompt.report.numbers import interval_texts
from dfo_prompt.report.pictures.convergence import convergence
from dfo_prompt.report.pictures.looks import GREY, colour_of, looks_of
from dfo_prompt.report.pictures.profiles import PARTIAL, targets
from dfo_prompt.report.pictures.ranking import scores
from dfo_prompt.report.pictures.render import svg_of
from dfo_prompt.report.pictures.selection import all_looks
from dfo_prompt.report.steps import sensitivity
from dfo_prompt.report.tables import RESERVED, all_tables, failures, leaderboard, per_problem
from dfo_prompt.report.verdict import remarks, verdict
from dfo_prompt.report.write import write_report
from dfo_prompt.suite.config import Published
from dfo_prompt.suite.folder import study_path


def test_frames_are_tidy(finished):
    studies = dp.read_suite(finished)
    assert list(studies.columns) == list(STUDY_COLUMNS)
    assert (len(studies), studies["finished"].all(), set(studies["queries"])) == (27, True, {60})
    journal = dp.read_journal(study_path(finished, studies["study"][0]))
    assert list(journal["query"]) == list(range(1, 61))
    assert journal["best_loss"].iloc[-1] == studies["best_loss"][0] == journal["loss"].min()


def test_a_failed_query_does_not_hide_the_best_loss(tmp_path):
    class Holed:
        dim = 3

        def evaluate(self, candidates):
            return dp.Evaluation(losses=np.where(np.arange(len(candidates)) == 1, np.nan, (candidates**2).sum(axis=1)))

    dp.minimize(Holed(), budget=12, popsize=4, out=tmp_path / "s")
    journal = dp.read_journal(tmp_path / "s")
    assert list(journal.loc[journal["loss"].isna(), "query"]) == [2, 6, 10]
    assert list(journal["best_loss"]) == list(journal["loss"].cummin().ffill())


def test_the_better_optimizer_leads(finished):
    analysis = analyse(finished)
    assert analysis.complete[-1] == "far"
    assert list(analysis.leaderboard["rank"]) == [1, 2, 3]
    assert analysis.leaderboard["score"].is_monotonic_decreasing
    assert verdict(analysis).startswith(f"On these 3 problems (3 seeds), {analysis.complete[0]} ")


def test_methods_that_need_gradients_are_marked_in_every_table(finished):
    analysis = analyse(finished)
    for plain in all_tables(analysis):
        assert not re.search("gradients|\u2020", plain.text + plain.table.to_csv())
    lora = {"random": "lora"}  # as if the first were one
    studies = analysis.studies.assign(method=[lora.get(name, "study") for name in analysis.studies["optimizer"]])
    studies["searched"] = studies["method"] == "study"
    marked = replace(analysis, studies=studies)
    tables = {table.name: table for table in all_tables(marked)}
    for name in ("leaderboard", "problems", "pairs", "methods", "efficiency"):  # of "practical" the leader is no row
        cells = set(tables[name].table.astype(str).to_numpy().ravel())
        assert "random" not in cells, name
        assert {"random\u2020", "cma"} <= cells, name
        assert "\u2020" not in tables[name].data.to_csv()
        assert tables[name].text.endswith("\u2020 needs gradients: a white-box reference.")
    assert re.search("^Without methods that need gradients: cma .*", remarks(marked)[0])


def test_the_page_stands_alone_and_says_what_it_rests_on(finished):
    page = (finished / "report/index.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!#)[^"]*//', page)
    assert "little &amp; &lt;small&gt;" in page
    assert page.count('class="picture"') == 10
    assert (finished / "report/index.html").stat().st_size < 3 * 2**20
    for phrase in ("3 seeds", "simultaneous", "bootstrap", "color-scheme", "currentColor", "default-src 'none'"):
        assert phrase in page
    assert "@media print" in page


def test_the_reference_defines_every_table_and_picture(finished):
    page = (Path(__file__).parents[2] / "docs/pages/reference/report.md").read_text().lower()
    report = report_of(finished)
    titles = [section.title.partition(":")[0] for section in (*report.tables, *report.pictures)]
    assert [title for title in (*titles, "Methods", "Efficiency") if title.lower() not in page] == []


def test_every_picture_has_its_numbers_beside_it(finished):
    pictures = {path.stem for path in (finished / "report").glob("*.png")}
    assert pictures == {path.stem for path in (finished / "report").glob("*.svg")}
    for name in pictures:
        assert len(pd.read_csv(finished / "report" / f"{name}.csv")), name


def test_no_table_takes_the_name_of_another_file_of_the_report(finished):
    tables = {path.stem for path in (finished / "report").glob("*.tex")}
    others = {path.name.partition(".")[0] for path in (finished / "report").iterdir()} - tables
    assert {"studies", "report", "index", "ioh", "scores", "convergence-1"} <= others
    assert [name for name in others if not RESERVED.fullmatch(name)] == []
    assert [name for name in tables if RESERVED.fullmatch(name)] == []
    ids = re.findall(r'<\w+ id="([^"]+)"', (finished / "report/index.html").read_text())
    assert [name for name in ids if name not in tables and not RESERVED.fullmatch(name)] == []


def test_every_picture_has_its_title_and_words_on_its_axes(finished):
    for path in (finished / "report").glob("*.svg"):
        texts = re.findall(r"<text[^>]*>([^<]*)</text>", path.read_text())
        assert any(text.startswith("little &amp; &lt;small&gt;: ") for text in texts), path.name
        assert not [text for text in texts if "_" in text], path.name


def test_baselines_are_grey_and_dashed_and_others_have_the_colour_of_their_name(finished):
    looks = all_looks(analyse(finished))
    assert {looks[name].colour for name in ("random", "far")} == {GREY}
    assert (1, 0) not in {looks[name].dash for name in ("random", "far")}
    assert looks["random"].dash != looks["far"].dash
    assert looks["cma"].colour == colour_of("cma") == looks_of(["x", "cma"])["cma"].colour
    assert looks["cma"].dash == (1, 0)


def test_no_two_of_the_names_that_suites_compare_most_look_the_same():
    names = ["cma", "cma:sep", "lm:lm-ma-es", "nevergrad:OnePlusOne", "pymoo:ES", "zo:es"]
    assert len({colour_of(name) for name in names}) == len(names)
    looks = looks_of([f"o{number}" for number in range(14)]).values()
    assert len({(look.colour, look.dash) for look in looks}) == len({(look.colour, look.shape) for look in looks}) == 14


def test_scores_near_one_are_drawn_as_what_they_lack(finished):
    analysis = analyse(finished)
    near = replace(analysis, leaderboard=analysis.leaderboard.assign(score=[0.999, 0.99, 0.95], low=0.94, high=0.9999))
    assert scores(near).columns["score"] == [0.001, 0.01, 0.05]
    assert "1 - score of recommended loss (lower is better)" in json.dumps(scores(near).spec)
    assert scores(analysis).columns["score"] == pytest.approx(list(analysis.leaderboard["score"]), rel=1e-5)


def test_the_interval_of_what_a_score_lacks_runs_upwards(finished):
    analysis = analyse(finished)
    near = analysis.leaderboard.assign(score=[0.99, 0.95, 0.94], low=[0.98, 0.92, 0.9], high=[0.999, 0.97, 0.96])
    columns = scores(replace(analysis, leaderboard=near)).columns
    assert columns["low"] == pytest.approx([0.001, 0.03, 0.04])
    assert columns["high"] == pytest.approx([0.02, 0.08, 0.1])


def drawn_whole(picture):
    """Tell whether every coordinate of a picture is a number."""
    return "NaN" not in svg_of(picture.spec, picture.columns, "t")


def test_an_interval_that_ends_at_zero_leaves_the_axis_whole(finished):
    analysis = analyse(finished)
    best = analysis.leaderboard.assign(score=[1 - 1e-9, 1 - 1e-6, 0.99], low=[1 - 1e-6, 0.999, 0.95], high=[1.0, 1.0, 0.999])
    assert drawn_whole(scores(replace(analysis, leaderboard=best)))
    positive = best.assign(high=[1 - 1e-12, 1 - 1e-7, 0.999])
    assert "log" in json.dumps(scores(replace(analysis, leaderboard=positive)).spec)

    curves = np.repeat(10.0 ** np.linspace(3, -3, 60)[None], len(analysis.curves), axis=0)
    falling = replace(analysis, curves=curves)
    assert "log" in json.dumps(convergence(falling, "sphere").spec)
    curves[analysis.studies["seed"] == 1, -1] = 0.0  # the median stays above 0, the end of its interval does not
    picture = convergence(falling, "sphere")
    assert picture.data["median"].min() > picture.data["low"].min() == 0
    assert "log" not in json.dumps(picture.spec)


def test_values_that_differ_by_rounding_have_no_more_digits():
    twelfth = 1 / 12
    nearly = np.nextafter(twelfth, 1)
    rows = pd.DataFrame({"value": [twelfth, nearly, 0.5], "low": [0.1] * 3, "high": [0.6] * 3})
    assert interval_texts(rows) == ["0.08333 [0.1, 0.6]", "0.08333 [0.1, 0.6]", "0.5 [0.1, 0.6]"]
    apart = rows.assign(value=[0.3, 0.300001, 0.5])
    assert interval_texts(apart)[:2] == ["0.3 [0.1, 0.6]", "0.300001 [0.1, 0.6]"]


def test_a_single_problem_has_no_interval_for_problems_like_it(finished):
    analysis = analyse(finished)
    alone = with_values(analysis, analysis.comparison.values[:1], analysis.complete, inference="problems")
    text = leaderboard(alone).text
    assert "A single problem gives no interval" in text
    assert "In brackets" not in text


def test_tables_and_json_agree(finished):
    board = pd.DataFrame(json.loads((finished / "report/report.json").read_text())["leaderboard"])
    tables = [one.set_index("optimizer").astype(float) for one in (board, pd.read_csv(finished / "report/leaderboard.csv"))]
    pd.testing.assert_frame_equal(*tables)
    latex = (finished / "report/leaderboard.tex").read_text()
    text = re.sub(" +", " ", (finished / "report/report.md").read_text())
    for row in board.itertuples():
        ranks = row.rank if row.best_rank == row.worst_rank else f"{row.rank} ({row.best_rank} to {row.worst_rank})"
        cells = row.optimizer, ranks, f"{row.score:.4g} [{row.low:.4g}, {row.high:.4g}]"
        assert f"| {' | '.join(map(str, cells))} |" in text
        assert " & ".join(map(str, cells)) in latex


def test_a_cell_of_a_problem_is_the_median_and_the_quartiles_over_seeds(finished):
    analysis = analyse(finished)
    (section,) = per_problem(analysis)
    low, middle, high = np.sort(analysis.raw, axis=1).transpose(1, 2, 0)  # of three seeds: (optimizers, problems)
    expected = np.stack([(low + middle) / 2, middle, (middle + high) / 2], axis=2).reshape(-1, 3)
    np.testing.assert_allclose(section.data[["low", "median", "high"]], expected)
    assert list(section.data["optimizer"][:3]) == [analysis.complete[0]] * 3


def test_figures_in_files_are_numbers(finished):
    report = finished / "report"
    names = {"optimizer", "problem", "first", "second", "conclusion", "packed"}
    for name in ("leaderboard", "problems", "pairs", "practical", "sigma"):
        table = pd.read_csv(report / f"{name}.csv")
        assert not names.issuperset(table.columns)
        assert {table[column].dtype.kind for column in table if column not in names} <= {"i", "f"}, name


def test_differences_are_by_how_much_the_first_is_better(finished):
    pairs = json.loads((finished / "report/report.json").read_text())["pairs"]
    row = next(pair for pair in pairs if {pair["first"], pair["second"]} == {"cma", "far"})
    assert row["first"] == "cma"
    assert row["difference"] > 0
    assert row["low"] <= row["difference"] <= row["high"]
    assert row["improvement"] > 0.5
    assert pd.read_csv(finished / "report/pairs.csv").to_dict("records")[pairs.index(row)] == pytest.approx(row)


def test_the_manifest_says_what_all_studies_share(finished):
    manifest = json.loads((finished / "report/report.json").read_text())["manifest"]
    shared = manifest["study"]
    assert (shared["budget"], shared["dim"]) == (60, 4)
    assert {shared[key] for key in ("optimizer", "objective", "sigma")} == {"differs"}
    assert manifest["entries"]["cma"] == {"optimizer": "cma", "sigma": 0.5}
    assert len(manifest["git_commits"]) <= 1


@pytest.mark.slow
def test_the_manifest_names_every_machine(copy):
    path = next(copy.glob("studies/*/cma/1/manifest.json"))
    manifest = json.loads(path.read_text())
    there = manifest["machine"]["processor"]
    manifest["machine"]["processor"] = "another"
    path.write_text(json.dumps(manifest))
    write_report(copy)
    found = json.loads((copy / "report/report.json").read_text())["manifest"]["machine"]
    assert found["processor"] == " or ".join(sorted([there, "another"]))
    assert found["platform"] == manifest["machine"]["platform"]


@pytest.mark.slow
def test_the_same_suite_gives_the_same_report_in_another_process(copy, finished):
    # Sets of strings have another order there.
    command = [sys.executable, "-m", "dfo_prompt", "suite", "report", str(copy)]
    subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": "1"}, check=True, capture_output=True)
    for path in (finished / "report").iterdir():
        if path.suffix in (".csv", ".svg", ".md", ".html", ".json", ".tex"):
            assert (copy / "report" / path.name).read_bytes() == path.read_bytes(), path.name


def test_pictures_do_not_depend_on_those_before_them():
    mark = {"type": "line", "clip": True}
    axes = {name: {"field": name, "type": "quantitative"} for name in ("x", "y")}
    spec = {"layer": [{"mark": mark, "encoding": axes}]}
    one, other = (svg_of(spec, {"x": [1, 2], "y": [2, 1]}, "t") for _ in range(2))
    assert one == other
    assert 'id="clip1"' in one
    assert "url(#clip1)" in one


def test_curves_for_iohanalyzer(finished):
    folder = finished / "report/ioh/cma"
    about = json.loads((folder / "IOHprofiler_f1.json").read_text())
    scenario = about["scenarios"][0]
    assert (about["maximization"], scenario["dimension"], len(scenario["runs"])) == (False, 4, 3)
    runs = (folder / scenario["path"]).read_text().split("evaluations raw_y\n")[1:]
    studies = dp.read_suite(finished)
    losses = studies[(studies["optimizer"] == "cma") & (studies["problem"] == "sphere")]["best_loss"]
    for run, summary, loss in zip(runs, scenario["runs"], losses, strict=True):
        rows = np.array([line.split() for line in run.splitlines()], dtype=float)
        assert rows[0, 0] == 1
        assert rows[-1, 0] == 60
        assert rows[-1, 1] == pytest.approx(loss)
        assert summary["best"]["y"] == pytest.approx(loss)


def test_metrics_that_are_no_shares_are_not_in_percent(finished):
    analysis = analyse(finished)

    def shown(metric):
        studies = analysis.studies.assign(test_metric=metric, metric="m", method="manual", searched=False)
        tables = method_tables(replace(analysis, studies=studies))
        return tables[0].table["sphere"][0], tables[1].table["test metric"][0], "in percent" in tables[0].text

    assert shown(0.5) == ("50.00 ± 0.00", "50.00 ± 0.00", True)
    assert shown(-13.0) == ("-13.00 ± 0.00", "-13.00 ± 0.00", False)


@pytest.mark.slow
def test_a_half_finished_and_partly_broken_suite_has_a_report_that_says_so(copy):
    studies = dp.read_suite(copy)
    (study_path(copy, studies["study"][0]) / "result.json").unlink()
    journal = study_path(copy, studies["study"][0]) / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:1000])
    shutil.rmtree(study_path(copy, studies["study"][1]))
    page = write_report(copy).read_text()
    said = "2 of 27 studies have no result. Not ranked, because results on some problems or seeds are missing: cma, random."
    assert said in page
    assert "Fewer than two entries can be ranked: 2 of 27 studies have no result." in page
    (study_path(copy, studies["study"][2]) / "journal.jsonl").write_text("{broken\n{}\n")
    (study_path(copy, studies["study"][3]) / "manifest.json").write_text("{}")
    (study_path(copy, studies["study"][4]) / "result.json").write_text('{"bud')
    assert "5 of 27 studies have no result" in write_report(copy).read_text()


def test_counts_are_whole_where_a_study_has_none(copy):
    shutil.rmtree(study_path(copy, read_findings(copy).suite.plans[0].id))
    analysis = analyse(copy)
    table = failures(replace(analysis, studies=analysis.studies.assign(failures=analysis.studies["failures"] + 2)))
    assert table.table["failures"].astype(str).tolist() == [""] + ["2"] * 26


def test_targets_of_an_entry_with_missing_results_are_those_of_its_finished_studies(copy):
    assert PARTIAL not in targets(analyse(copy)).text
    unfinished = next(plan.id for plan in read_findings(copy).suite.plans if plan.optimizer == "far")
    (study_path(copy, unfinished) / "result.json").unlink()
    analysis = analyse(copy)
    assert "far" not in analysis.complete
    assert len(analysis.reached["far"]) == 8
    assert PARTIAL in targets(analysis).text


def test_each_journal_is_read_once(copy, monkeypatch):
    # So that a study that goes on meanwhile is the same in every table, and a large suite takes no longer than it must.
    read, files = study_summary.read_records, []
    for module in ("summary", "convergence"):
        monkeypatch.setattr(f"dfo_prompt.report.{module}.read_records", lambda place: (files.append(place), read(place))[1])
    report_of(copy)
    assert len(files) == len({*files}) == 27


def test_a_curve_is_the_smallest_loss_so_far(finished):
    findings = read_findings(finished)
    studies, curves = studies_of(findings), curves_of(findings)
    for row, study in enumerate(studies["study"]):
        journal = dp.read_journal(study_path(finished, study))
        assert (curves[row] == journal["best_loss"].to_numpy()).all()


@pytest.mark.slow
def test_a_problem_that_nobody_has_finished_has_no_curves(copy):
    for study in dp.read_suite(copy).query("problem == 'sphere'")["study"]:
        (study_path(copy, study) / "result.json").unlink()
    report = write_report(copy).parent
    assert [(report / f"convergence-{number}.png").exists() for number in (1, 2, 3)] == [False, True, True]


@pytest.mark.slow
def test_pictures_of_many_say_how_many_they_draw_and_draw_random_search(copy, monkeypatch):
    monkeypatch.setattr("dfo_prompt.report.pictures.selection.MOST_SHOWN", 1)
    report = write_report(copy).parent
    assert (report / "report.md").read_text().count("The picture shows 1 of 3; the plotted numbers have all.") == 7
    svg = (report / "convergence-1.svg").read_text()
    assert (">random<" in svg, ">cma<" in svg) == (True, False)
    assert set(pd.read_csv(report / "convergence-1.csv")["optimizer"]) == {"cma", "random", "far"}


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        ([], "solved at 90 % of the way"),
        ([5.0, 2.0], "solved at a loss of 5."),
        ([9.0, 4.0, 3.0, 1.0], "solved at a loss of 4."),
    ],
)
def test_the_data_profile_says_what_counts_as_solved(copy, targets, said):
    plan = json.loads((copy / "suite.json").read_text())
    (copy / "suite.json").write_text(json.dumps({**plan, "settings": {**plan["settings"], "targets": targets}}))
    assert said in markdown(report_of(copy))


@pytest.mark.slow
def test_what_an_older_report_left_is_gone(copy):
    (copy / "report/convergence-9.png").touch()
    write_report(copy)
    assert not (copy / "report/convergence-9.png").exists()


def test_studies_on_different_data_are_not_compared(copy):
    path = study_path(copy, dp.read_suite(copy)["study"][1]) / "manifest.json"
    other = study_path(copy, dp.read_suite(copy)["study"][0]) / "manifest.json"
    for place, value in ((other, "a"), (path, "b")):
        manifest = json.loads(place.read_text())
        manifest["objective"]["data_fingerprint"] = value
        place.write_text(json.dumps(manifest))
    with pytest.raises(
        InputError,
        match=r"the data of sphere/random/1 is not that of sphere/cma/1, so that .* 'sphere', seed 1; start again",
    ):
        write_report(copy)


def test_studies_of_other_functions_are_not_compared(copy):
    path = study_path(copy, dp.read_suite(copy)["study"][1]) / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["config"]["objective"] = "rastrigin"
    path.write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="the objective of sphere/random/1 is not that of sphere/cma/1, "):
        write_report(copy)


def test_a_study_without_a_result_does_not_set_the_range_of_scores(copy):
    folder = study_path(copy, next(plan.id for plan in read_findings(copy).suite.plans if plan.optimizer == "far"))
    for name in ("result.json", "ledger.jsonl"):
        (folder / name).unlink()
    before = analyse(copy).leaderboard
    lines = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    (folder / "journal.jsonl").write_text("".join(json.dumps(line | {"loss": -1e9}) + "\n" for line in lines))
    analysis = analyse(copy)
    assert analysis.curves.min() == -1e9
    pd.testing.assert_frame_equal(analysis.leaderboard, before)


def test_a_plan_that_is_none_is_one_line(copy):
    (copy / "suite.json").write_text('{"studies": []}')
    with pytest.raises(InputError, match="unknown key in .*suite.json"):
        write_report(copy)


def test_nothing_to_report_is_one_line(tmp_path, copy):
    with pytest.raises(InputError, match="is not a suite folder"):
        write_report(tmp_path)
    for study in dp.read_suite(copy)["study"]:
        (study_path(copy, study) / "result.json").unlink()
    with pytest.raises(InputError, match="no study in .* has a result for recommended_loss yet"):
        write_report(copy)


def test_a_measure_that_objectives_do_not_have_is_one_line(copy):
    plan = json.loads((copy / "suite.json").read_text())
    (copy / "suite.json").write_text(json.dumps({**plan, "settings": {**plan["settings"], "measure": "test_metric"}}))
    with pytest.raises(InputError, match="the objectives in .* have no test_metric; give the suite another measure"):
        write_report(copy)


@pytest.mark.slow
def test_of_many_pairs_the_page_has_those_of_the_leader_and_the_file_all(copy, monkeypatch):
    monkeypatch.setattr("dfo_prompt.report.contrasts.MOST_PAIRS", 2)
    write_report(copy)
    text = (copy / "report/report.md").read_text()
    section = text[text.index("## Pairs") : text.index("## Practical relevance")]
    assert "The table compares the leader with each of the others; pairs.csv has all 3 pairs." in section
    leader = analyse(copy).complete[0]
    assert section.count(f"\n| {leader}  ") == section.count("\n| ") - 1 == 2
    assert len(pd.read_csv(copy / "report/pairs.csv")) == 3


def test_step_sizes_stand_side_by_side_where_an_optimizer_has_two(finished):
    table = pd.read_csv(finished / "report/sigma.csv")
    assert list(table.columns) == ["optimizer", "0.5", "5.0"]
    assert list(table["optimizer"]) == ["random"]


def test_step_sizes_are_compared_on_the_same_problem_with_otherwise_equal_settings(tmp_path):
    def table(entries, **problems):
        suite = {"name": "s", "seeds": [1, 2], "optimizers": entries, "threads": 1}
        suite |= {"study": {"objective": "sphere", "dim": 3, "budget": 12, "popsize": 4}}
        suite |= {"problems": [{"name": name, **settings} for name, settings in problems.items()]} if problems else {}
        return sensitivity(dp.run_suite(suite, out=tmp_path / str(len(list(tmp_path.iterdir()))), progress=False).analysis)

    apart = table(["cma", "random"], a={}, b={"sigma": 2.0})  # two step sizes, but on different problems
    assert apart.table.empty
    assert apart.text == "No optimizer ran with more than one step size on the same problem, other settings equal."
    small, large = ({"name": f"cma {sigma}", "optimizer": "cma", "sigma": sigma} for sigma in (0.5, 2.0))
    other = {"name": "other", "optimizer": "cma", "sigma": 1.0, "popsize": 6}
    assert list(table([small, large, other]).table.columns) == ["optimizer", 0.5, 2.0]
    more = table([small, large, other, {**other, "name": "more", "sigma": 3.0}])
    assert more.table.iloc[:, 1:].ne("-").to_numpy().tolist() == [[True, False, True, False], [False, True, False, True]]
    assert more.text.endswith(" A row for each set of other settings.")


def test_problems_without_published_costs_have_a_dash_beside_those_that_have_some(finished):
    analysis = analyse(finished)
    suite, published = analysis.suite, Published(source="X", model="m", figures={}, costs={"sst2": {"cma": "2 h"}})
    problem = replace(suite.plans[0].config.problem, model="m", task="sst2")
    plans = [replace(plan, config=replace(plan.config, problem=problem)) for plan in suite.plans if plan.problem == "sphere"]
    plans += [plan for plan in suite.plans if plan.problem != "sphere"]
    suite = replace(suite, settings=replace(suite.settings, published=[published]), plans=tuple(plans))
    table = efficiency(replace(analysis, findings=replace(analysis.findings, suite=suite))).table
    assert set(table.loc[table["problem"] == "sphere", "published"]) == {"2 h [1]", "-"}
    assert set(table.loc[table["problem"] != "sphere", "published"]) == {"-"}


def test_training_seconds_are_the_median_over_seeds(finished):
    analysis = analyse(finished)
    studies = analysis.studies.assign(training_seconds=analysis.studies["seed"].map({1: 1.0, 2: 2.0, 3: 9.0}))
    table = efficiency(replace(analysis, studies=studies))
    assert set(table.data["training seconds"]) == {2.0}
