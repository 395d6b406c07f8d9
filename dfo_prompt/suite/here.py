"""Runs the studies of a suite one by one in this process, for objectives that no other process can build."""

from collections.abc import Callable
from pathlib import Path

from dfo_prompt.config.study import StudyConfig
from dfo_prompt.contracts.objective import Objective
from dfo_prompt.errors import DfoPromptError, OutageError
from dfo_prompt.run.built import budget_of
from dfo_prompt.run.manifest import manifest_of
from dfo_prompt.run.raised_budget import as_begun
from dfo_prompt.run.study import run_study
from dfo_prompt.study.folder import study_folder
from dfo_prompt.study.recheck import recheck
from dfo_prompt.study.result import Batch, Observer
from dfo_prompt.suite.folder import check_same, is_finished, is_suite, read_suite_folder, study_path, suite_folder
from dfo_prompt.suite.plan import Plan, Suite
from dfo_prompt.suite.run import sorted_plans
from dfo_prompt.suite.state import SuiteState, Watcher, unwatched

ObjectiveFor = Callable[[StudyConfig], Objective]
"""Returns the objective of a study."""


def run_here(suite: Suite, folder: Path, objectives: ObjectiveFor, *, watch: Watcher = unwatched) -> dict[str, str]:
    """Run or continue every study of `suite` below `folder`; return the errors of studies without a result, by id.

    Args:
        suite: suite to run.
        folder: suite folder; finished studies are not run again.
        objectives: returns the objective of each study.
        watch: called with the state after every batch.

    Raises:
        InputError: `folder` holds something else, or losses of another objective.
        StudyError: the folder cannot be written, or a service does not answer.
    """
    folder = folder.absolute()  # stays valid if an objective changes the working directory
    _check_unchanged(suite, folder, objectives)  # before the folder holds this plan
    with suite_folder(folder, suite) as errors:
        state, _, todo = sorted_plans(suite, folder)
        errors.clear(suite.by_id)
        watch(state)
        for plan in todo:
            errors.note(plan.id, _run(plan, folder, objectives, state, watch))
            errors.write()
        return errors.among(suite.by_id)


def _run(plan: Plan, folder: Path, objectives: ObjectiveFor, state: SuiteState, watch: Watcher) -> str:
    """Run a study; return its error, or "" if it has a result."""
    state.began(plan.id)
    try:
        observers = [_Progress(plan.id, state, watch)]
        run_study(plan.config, objectives(plan.config), out=study_path(folder, plan.id), observers=observers)
        error = ""
    except OutageError:
        raise
    except DfoPromptError as failed:
        error = str(failed)
    state.ended(plan.id, error, planned=plan.queries)
    watch(state)
    state.news.clear()
    return error


def _check_unchanged(suite: Suite, folder: Path, objectives: ObjectiveFor) -> None:
    """Refuse to compare new studies with a finished one of this or the last plan whose objective has changed since."""
    check_same(folder, suite)
    last = read_suite_folder(folder).plans if is_suite(folder) else ()
    finished = next((plan for plan in (*suite.plans, *last) if is_finished(folder, plan)), None)
    if finished is None:
        return
    place = study_path(folder, finished.id)
    config = as_begun(finished.config, place)
    objective = objectives(config)
    with study_folder(place, manifest_of(config, objective)):
        recheck(objective, place, budget_of(config), prices=config.prices)


class _Progress(Observer):
    """Reports the progress of a study to the state of its suite."""

    def __init__(self, study: str, state: SuiteState, watch: Watcher) -> None:
        self._study, self._state, self._watch = study, state, watch

    def batch_evaluated(self, batch: Batch) -> None:
        """Report the number of queries."""
        self._state.heard(self._study, batch.queries, 0 if batch.recalled else len(batch.records))
        self._watch(self._state)
