import io
import re
from dataclasses import replace

import numpy as np
import pytest
from fakes import Bowl, HeldOutBowl, study
from rich.console import Console

from dfo_prompt.console.figures import comparison_table, print_summary
from dfo_prompt.console.progress import ProgressObserver, SuiteProgress
from dfo_prompt.report.convergence import best_losses, plot_convergence
from dfo_prompt.report.summary import summarize
from dfo_prompt.run.manifest import describe_run
from dfo_prompt.study.folder import study_folder
from dfo_prompt.study.records import Account, Record, read_records
from dfo_prompt.study.result import Batch, HeldOut, StudyInfo
from dfo_prompt.study.saved import save_result
from dfo_prompt.suite.state import SuiteState

CONFIG = {"optimizer": "nevergrad:OnePlusOne", "objective": "bowl", "budget": 50, "seed": 1}


@pytest.fixture
def folder(tmp_path):
    manifest = describe_run(CONFIG, {"metric": "nearness"}, {})
    with study_folder(tmp_path / "study", manifest) as path:
        save_result(path, study(HeldOutBowl(), folder=path, validate_every=20).run())
    return path


def test_a_log_has_ten_lines_a_study():
    log = io.StringIO()
    study(Bowl(), observers=[ProgressObserver(Console(file=log))]).run()
    lines = log.getvalue().splitlines()
    assert 8 <= len(lines) <= 10
    assert lines[0].startswith("steps: ")
    assert all("best" in line for line in lines)
    assert "queries/s" not in lines[0]  # the first batches say little of the rate
    assert all("queries/s" in line for line in lines[2:])
    assert " s left" in lines[0]
    assert lines[-1].startswith("steps: 50/50 queries")
    assert lines[-1].endswith("done")


def test_a_terminal_has_one_bar_that_moves():
    screen = io.StringIO()
    study(Bowl(), observers=[ProgressObserver(Console(file=screen, force_terminal=True, width=110))]).run()
    assert "50/50" in screen.getvalue()
    assert "best" in screen.getvalue()


@pytest.mark.parametrize("only_queries", [True, False])
def test_a_suite_tells_the_time_left_where_queries_are_all_there_is(only_queries):
    log = io.StringIO()
    state = SuiteState(studies=3, queries=30, only_queries=only_queries, done=1, asked=10, fresh=10, news=["a: done"])
    with SuiteProgress(Console(file=log)) as show:
        show(state)
    assert log.getvalue().startswith("a: done  (1 of 3 studies, 0 running")
    assert ("left" in log.getvalue()) == only_queries


def test_nothing_is_cut_off_on_eighty_columns(folder):
    page = io.StringIO()
    Console(file=page, width=80).print(comparison_table([summarize(folder)], metric="accuracy"))
    lines = page.getvalue().splitlines()
    assert lines[0].split() == ["method", "queries", "best", "loss", "dev", "accuracy", "test", "accuracy", "seconds"]
    assert lines[1].startswith("manual prompt")
    assert lines[2].startswith("nevergrad:OnePlusOne")
    assert len(lines) == 3


def test_the_summary_of_a_study(folder, capsys):
    print_summary(summarize(folder), folder)
    out = capsys.readouterr().out
    assert "50 of 50" in out
    assert "manual prompt" in out
    assert str(folder) in out


def test_what_was_spent_is_told_in_words_and_money(folder, capsys):
    summary = summarize(folder)
    spent = replace(summary.spent, tokens=12_345, uploaded=2_000_000, downloaded=300, nanodollars=1_500_000_000)
    print_summary(replace(summary, spent=spent), folder)
    shown = dict(re.split(r"\s{2,}", line, maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert shown["tokens"] == "12,345"
    assert (shown["uploaded"], shown["downloaded"]) == ("2,000,000 bytes", "300 bytes")
    assert shown["money"] == "$1.50"
    account = read_records(folder, Account.VALIDATION)
    assert shown["second account"] == f"{len(account)} evaluations, not charged to the budget"
    assert {record.split for record in account} == {"train", "dev", "test"}


def test_percent_is_for_metrics_that_are_shares(folder, capsys):
    def shown(*metrics):
        names = ("dev_metric", "test_metric", "manual_dev_metric", "manual_test_metric")
        summary = replace(summarize(folder), held_out=HeldOut(**dict(zip(names, metrics, strict=True))))
        print_summary(summary, folder)
        lines = dict(re.split(r"\s{2,}", line, maxsplit=1) for line in capsys.readouterr().out.splitlines())
        page = io.StringIO()
        Console(file=page, width=80).print(comparison_table([summary], metric="nearness"))
        return [lines["dev nearness"], lines["test nearness"]], page.getvalue()

    lines, table = shown(0.5, 0.75, None, 0.0)
    assert lines == ["50.0 %", "75.0 % (manual prompt 0.0 %)"]
    assert "75.0 %" in table
    lines, table = shown(0.5, -13.0, 1.0, -20.0)  # of all, so that dev and test have the same unit
    assert lines == ["0.5 (manual prompt 1)", "-13 (manual prompt -20)"]
    assert "%" not in table


def test_figures_on_held_out_data_are_shown_without_the_name_of_their_metric(folder, capsys):
    named = summarize(folder)
    print_summary(replace(named, metric=None), folder)
    shown = dict(re.split(r"\s{2,}", line, maxsplit=1) for line in capsys.readouterr().out.splitlines())
    found = named.held_out
    assert shown["dev metric"] == f"{found.dev_metric:.6g} (manual prompt {found.manual_dev_metric:.6g})"
    assert shown["test metric"] == f"{found.test_metric:.6g} (manual prompt {found.manual_test_metric:.6g})"


def test_the_second_account_of_a_study_without_held_out_data_is_shown(tmp_path, capsys):
    with study_folder(tmp_path / "plain", describe_run(CONFIG, {}, {})) as path:
        save_result(path, study(Bowl(), folder=path).run())
    print_summary(summarize(path), path)
    out = capsys.readouterr().out
    assert re.search("second account +1 evaluation, not charged to the budget\n", out)
    assert "dev" not in out


def test_the_curve_falls_and_is_drawn(folder, tmp_path):
    curve = best_losses(folder)
    assert len(curve) == 50
    assert (curve[1:] <= curve[:-1]).all()
    assert curve[-1] == summarize(folder).best_loss
    picture = plot_convergence([folder, folder], tmp_path / "p.png", title="two")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_an_unfinished_study_without_a_query_can_be_drawn(tmp_path):
    with study_folder(tmp_path / "s", describe_run(CONFIG, {}, {})) as path:
        pass
    assert plot_convergence([path], tmp_path / "p.svg", title="none").exists()


HOSTILE = "[red]a[/red] \x1b]0;title\x07 \u202eb"
SHOWN = r"[red]a[/red] \x1b]0;title\x07 \u202eb"


def test_names_are_shown_and_never_obeyed(folder, capsys):
    hostile = replace(summarize(folder), optimizer=HOSTILE)
    print_summary(hostile, folder)
    assert SHOWN in capsys.readouterr().out
    page = io.StringIO()
    Console(file=page, width=120).print(comparison_table([hostile], metric="accuracy"))
    assert SHOWN in page.getvalue()
    log = io.StringIO()
    with SuiteProgress(Console(file=log, width=200)) as show:
        show(SuiteState(studies=1, queries=1, only_queries=True, done=1, asked=1, fresh=1, news=[HOSTILE]))
    assert SHOWN in log.getvalue()


@pytest.mark.parametrize("terminal", [False, True])
def test_a_studys_name_is_shown_and_never_obeyed(terminal):
    log = io.StringIO()
    observer = ProgressObserver(Console(file=log, force_terminal=terminal, width=200))
    with observer:
        observer.study_started(StudyInfo(optimizer=HOSTILE, objective="bowl", budget=2, dim=1, seed=0))
        batch = [Record(query=1, candidate="", loss=1.0)]
        observer.batch_evaluated(
            Batch(candidates=np.zeros((1, 1)), records=batch, recalled=False, queries=1, remaining=1, best_loss=1.0)
        )
    assert (SHOWN[:16] if terminal else SHOWN) in log.getvalue()  # a bar cuts long names
