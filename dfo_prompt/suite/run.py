"""Runs the studies of a suite on an executor: each once, to its end, whether or not others fail."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

from dfo_prompt.errors import InputError, StudyError
from dfo_prompt.run.objectives import objective_key
from dfo_prompt.suite.comparable import Beside, Comparable
from dfo_prompt.suite.executor import PROCESSES, Event, Executor, Order, open_executor
from dfo_prompt.suite.folder import BESIDE, is_finished, put_beside, result_of, suite_folder
from dfo_prompt.suite.plan import Plan, Suite
from dfo_prompt.suite.queue import Queue
from dfo_prompt.suite.state import SuiteState, Watcher, unwatched
from dfo_prompt.suite.status import of_result
from dfo_prompt.suite.supervision import POLL_SECONDS, Supervision


def run_suite(
    suite: Suite,
    folder: Path,
    *,
    jobs: int | None = None,
    executor: str = PROCESSES,
    options: Mapping[str, Any] | None = None,
    watch: Watcher = unwatched,
    beside: Beside | None = None,
) -> dict[str, str]:
    """Run or continue every study of `suite` below `folder`; return the errors of studies without a result, by id.

    Args:
        suite: suite to run.
        folder: suite folder; finished studies are not run again.
        jobs: number of parallel studies; the executor's default is one for processes, and as many as fit for a cluster.
        executor: a name that `dfo-prompt list executors` shows. Neither executor nor `jobs` affects results.
        options: options of the executor.
        watch: called with the state whenever it may have changed.
        beside: packed studies to compare with; their file is copied into the folder, for its report.

    Raises:
        InputError: studies cannot be compared, see `Comparable`; or packed studies of earlier runs are not given again.
        InputError, StudyError, PluginError: see `suite_folder`, `put_beside`, `open_executor` and `Supervision.ended`.
    """
    folder = folder.absolute()  # other processes may run in other working directories
    with suite_folder(folder, suite) as errors:
        if beside:
            put_beside(folder, beside.file)
        elif (folder / BESIDE).exists():
            raise InputError(f"{folder} has packed studies beside it; give --beside again, or choose another --out")
        state, finished, todo = sorted_plans(suite, folder)
        comparable = Comparable(folder, beside)
        for plan in finished:
            comparable.check(plan)
        errors.clear(suite.by_id)
        watch(state)
        if todo:
            threads = suite.settings.threads
            with closing(open_executor(executor, options or {}, jobs=jobs, threads=threads, folder=folder)) as opened:
                supervision = Supervision(opened, suite.settings, state, Queue(todo), comparable, folder)

                def watched(state: SuiteState) -> None:
                    errors.write_if_due()
                    watch(state)

                for plan, error in supervision.ended(watched):
                    errors.note(plan.id, error)
        return errors.among(suite.by_id)


def probe_suite(
    suite: Suite, folder: Path, *, executor: str = PROCESSES, options: Mapping[str, Any] | None = None
) -> dict[str, Event]:
    """Return an event for each study that searches, by id, with the seconds per query and the forecast of its consumption.

    The time is measured on batches of zeros that no account is charged for; it is None if queries cost something. Studies
    of a problem share an event if their `Price` is equal; those that are all finished in `folder` are left out.

    Raises:
        StudyError: an objective cannot be built or fails.
    """
    searches = {plan.id: (plan, _price(plan)) for plan in suite.plans if plan.queries}
    first: dict[Price, Plan] = {}
    for plan, price in searches.values():
        if price not in first and not is_finished(folder, plan):
            first[price] = plan
    if not first:
        return {}
    ordered = sorted(first, key=lambda price: (price.problem, price.objective))  # loads each objective once
    threads, stall = suite.settings.threads, suite.settings.stall_seconds
    with closing(open_executor(executor, options or {}, jobs=1, threads=threads, folder=None)) as opened:
        events = {price: _probed(opened, first[price], stall) for price in ordered}
    return {study: events[price] for study, (_, price) in searches.items() if price in events}


def sorted_plans(suite: Suite, folder: Path) -> tuple[SuiteState, list[Plan], list[Plan]]:
    """Return the state of the suite, its finished studies, and those without a result."""
    only_queries = all(plan.queries for plan in suite.plans)
    state = SuiteState(studies=len(suite.plans), queries=suite.queries, only_queries=only_queries)
    finished: list[Plan] = []
    todo: list[Plan] = []
    for plan in suite.plans:
        result = result_of(folder, plan)
        (todo if result is None else finished).append(plan)
        if result is not None:
            asked, _ = of_result(result, plan)
            state.asked += asked
            state.queries -= max(plan.queries - asked, 0)
    state.done = len(finished)
    return state, finished, todo


class Price(NamedTuple):
    """The settings that a study's time and consumption depend on, besides its seed and its budget."""

    problem: str
    objective: str
    popsize: int | None
    validate_every: int | None


def _price(plan: Plan) -> Price:
    objective = objective_key(replace(plan.config, seed=0))
    return Price(plan.problem, objective, plan.config.popsize, plan.config.validate_every)


def _probed(executor: Executor, plan: Plan, stall_seconds: float) -> Event:
    executor.begin(Order(plan=plan, folder=None))
    heard = monotonic()
    while monotonic() - heard < stall_seconds:
        for _, event in executor.wait(POLL_SECONDS):
            heard = monotonic()
            if event.error:
                raise StudyError(f"problem {plan.problem!r}: {event.error}")
            if event.finished:
                return event
    raise StudyError(f"problem {plan.problem!r}: nothing happened for {stall_seconds:g} seconds")
