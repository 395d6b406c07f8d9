"""What a study is about to do, what it will cost, and what comes next."""

from pathlib import Path
from shlex import quote

from rich.console import Console
from rich.markup import escape

from dfo_prompt.config.study import STUDY, StudyConfig
from dfo_prompt.console.figures import amounts
from dfo_prompt.report.summary import Summary
from dfo_prompt.report.texts import printable
from dfo_prompt.run.forecast import Forecast
from dfo_prompt.study.best import answer_of

ON_TASKS = ("prompt", "trigger", "text-prompt")
"""Objectives that score a language model on a task."""


def print_plan(config: StudyConfig, folder: Path) -> None:
    """Say on standard error what a study is about to do, before a model is loaded for it."""
    what = [f"objective {config.objective}", f"d = {config.dim}"]
    if config.method != STUDY or config.objective in ON_TASKS:
        what = [f"{config.problem.model} on {config.problem.task}, {config.problem.shots} shots"]
    if config.method == STUDY:
        tokens = f"{config.prompt.tokens} prompt tokens, " if config.objective == "prompt" else ""
        what += [f"{tokens}d = {config.dim}"] if config.objective in ON_TASKS else []
        what.append(f"{config.optimizer}, {config.budget:,} queries")
    else:
        what.append(f"method {config.method}")
    line = "; ".join([*what, f"seed {config.seed}; folder {folder}"])
    Console(stderr=True, highlight=False, soft_wrap=True).print(escape(printable(line)))


def print_forecast(found: Forecast) -> None:
    """Print what a study will consume at most."""
    console = Console(soft_wrap=True, highlight=False)
    for name, usage, what in (("search", found.search, "queries"), ("held-out", found.held_out, "evaluations")):
        if usage.queries:
            said = ", ".join([f"{usage.queries:,} {what}", *amounts(usage)])
            console.print(f"[bold]{name:<8}[/bold]  at most {said}")
    if not found.estimated:
        console.print("[bold]rest[/bold]      unknown: this gives no estimate of anything but queries")


def print_next(summary: Summary, folder: Path) -> None:
    """Name the commands that go on from a finished study."""
    quoted = quote(str(folder))
    steps = [f"dfo-prompt show {quoted}"]
    if summary.metric and summary.method == STUDY:
        steps = [f"dfo-prompt predict {quoted} TEXT", f"dfo-prompt export {quoted}"]
    elif summary.finished and summary.method == STUDY:
        steps.append(f"dfo-prompt run --start-from {quoted} ...")
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"next: {', or '.join(steps)}", markup=False)


def note_unfinished(folder: Path) -> None:
    """Say on standard error that the study in `folder` is unfinished, if it is, and what stands for its answer."""
    answer = answer_of(folder)
    if not answer.finished:
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"study unfinished: best of {answer.queries} queries")
