"""Notes around a study: its plan, its forecast, and the next commands."""

from pathlib import Path
from shlex import quote
from typing import Any

from rich.markup import escape

from dfo_prompt.config.study import STUDY, StudyConfig
from dfo_prompt.console.figures import amounts
from dfo_prompt.console.terminal import terminal
from dfo_prompt.contracts.objective import Generating, Objective, Predictor, Textual
from dfo_prompt.report.summary import Summary
from dfo_prompt.report.texts import counted, printable
from dfo_prompt.run.forecast import Forecast
from dfo_prompt.study.best import answer_of
from dfo_prompt.tasks.task import find_task
from dfo_prompt.tasks.template import marks_in

SOFT = ("prompt", "trigger")
"""Objectives of soft prompts, or of tokens that are exported as such."""
ON_TASKS = (*SOFT, "text-prompt")
"""Objectives that score a language model on a task."""


def print_plan(config: StudyConfig, folder: Path) -> None:
    """Print the plan of a study on standard error, before its model is loaded."""
    parts = [f"objective {config.objective}", f"d = {config.dim}"]
    if config.method != STUDY or config.objective in ON_TASKS:
        shots = f"{config.problem.shots} shot{'s' * (config.problem.shots != 1)}"
        parts = [f"{config.problem.model} on {config.problem.task}, {shots}"]
    if config.method == STUDY:
        tokens = f"{config.prompt.tokens} prompt tokens, " if config.objective == "prompt" else ""
        parts += [f"{tokens}d = {config.dim}"] if config.objective in ON_TASKS else []
        parts.append(f"{config.optimizer}, {config.budget:,} queries")
    else:
        parts.append(f"method {config.method}")
    line = "; ".join([*parts, f"seed {config.seed}; folder {folder}"])
    terminal(stderr=True, soft_wrap=True).print(escape(printable(line)))


def print_forecast(forecast: Forecast) -> None:
    """Print the upper bound of what a study consumes."""
    console = terminal(soft_wrap=True)
    for name, usage, unit in (("search", forecast.search, "query"), ("second account", forecast.validation, "evaluation")):
        if usage.queries:
            total = ", ".join([counted(usage.queries, unit), *amounts(usage)])
            console.print(f"[bold]{name:<14}[/bold]  at most {total}")
    if not forecast.estimated:
        name, known = ("rest", " of anything but queries") if forecast.search.queries else ("costs", "")
        console.print(f"[bold]{name:<14}[/bold]  unknown: this gives no estimate{known}")


def print_next(config: StudyConfig, summary: Summary, folder: Path, objective: Objective | None) -> None:
    """Suggest commands for a finished study of `objective`, or for another method (None), on standard error."""
    quoted = quote(str(folder))
    steps = [f"dfo-prompt show {quoted}"]
    answers = isinstance(objective, Predictor | Generating) if objective else bool(summary.metric)
    if answers:
        steps = [f"dfo-prompt predict {quoted} TEXT"]
        if objective and (config.objective in SOFT or isinstance(objective, Textual)):
            steps.append(f"dfo-prompt export {quoted}{_format(config, objective)}")
    elif summary.finished and summary.method == STUDY:
        steps.append(f"dfo-prompt run --start-from {quoted} ...")
    terminal(stderr=True, soft_wrap=True).print(f"next: {', or '.join(steps)}", markup=False)


def _format(config: StudyConfig, objective: Any) -> str:
    """Return the option of export for a soft prompt that the default format, peft, cannot hold; "" for others."""
    if config.objective not in SOFT:
        return ""
    task, prompt = find_task(config.problem.task), config.prompt
    ahead = prompt.place == "ahead" and "prompt" not in marks_in(task.template + task.causal_template)
    fits = ahead and prompt.layers == "first" and not task.answer and not config.endpoint
    fits = fits and objective.problem.lm.head != "seq2seq"
    return "" if fits else " --format safetensors"


def note_unfinished(folder: Path) -> None:
    """If the study in `folder` is unfinished, say so on standard error, with the source of its answer."""
    answer = answer_of(folder)
    if not answer.finished:
        terminal(stderr=True, soft_wrap=True).print(f"study unfinished: best of {answer.queries} queries")
