"""Where the studies of a suite folder stand, read from outside: while it runs, after a kill, or at its end."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from dfo_prompt._util.locks import is_held
from dfo_prompt.config.study import STUDY
from dfo_prompt.errors import DfoPromptError, UnknownNameError
from dfo_prompt.study.costs import read_spent
from dfo_prompt.study.folder import read_result
from dfo_prompt.study.ledger import LOCK
from dfo_prompt.study.records import FILES, Account
from dfo_prompt.suite.folder import read_errors, read_suite_folder, study_path
from dfo_prompt.suite.plan import Plan


class State(StrEnum):
    """What a study is at; of a stopped one a journal waits to be continued."""

    FINISHED = "finished"
    RUNNING = "running"
    STOPPED = "stopped"
    FAILED = "failed"
    WAITING = "waiting"


@dataclass(frozen=True, kw_only=True)
class StudyStatus:
    """Where a study stands.

    Attributes:
        queries: spent so far; of one that is finished, all that it was to spend, even if a limit ended it before.
        seconds: that these queries took, over all runs; 0 if that is not known.
        error: why there is no result.
    """

    plan: Plan
    state: State
    queries: int = 0
    seconds: float = 0.0
    error: str = ""

    @property
    def left(self) -> int:
        """Return the queries that it will still ask."""
        return max(self.plan.queries - self.queries, 0)


@dataclass(frozen=True, kw_only=True)
class SuiteStatus:
    """Where a suite stands.

    Attributes:
        active: whether a process runs it now.
    """

    name: str
    studies: tuple[StudyStatus, ...]
    active: bool

    @property
    def counts(self) -> dict[State, int]:
        """Return how many studies are in each state."""
        counted = Counter(study.state for study in self.studies)
        return {state: counted[state] for state in State}

    def seconds_left(self) -> float | None:
        """Return how long the rest takes with as many studies at a time as now; None where nothing has been timed.

        A study that has not begun is taken to be as fast as others of its problem and optimizer, or of its problem.
        """
        paces = _paces(self.studies)
        total = 0.0
        for study in self.studies:
            if study.left and study.state is not State.FINISHED and not (self.active and study.state is State.FAILED):
                plan = study.plan
                keys = ((plan.problem, plan.optimizer), (plan.problem, ""), ("", ""))
                if (pace := _pace([study]) or next((paces[key] for key in keys if key in paces), None)) is None:
                    return None
                total += study.left * pace
        return total / max(self.counts[State.RUNNING], 1)

    def only(self, name: str) -> "SuiteStatus":
        """Return the status of an optimizer's studies, of a problem's, or of those whose ids begin so.

        Raises:
            UnknownNameError: there are none.
        """
        studies = tuple(study for study in self.studies if _is_called(study.plan, name))
        if not studies:
            known = {known for study in self.studies for known in (study.plan.optimizer, study.plan.problem)}
            raise UnknownNameError.among("optimizer, problem or study", name, known)
        return replace(self, studies=studies)


def read_status(folder: Path) -> SuiteStatus:
    """Return where the suite in `folder` stands.

    Raises:
        InputError: it is not a suite folder, or its plan is damaged.
    """
    suite, errors = read_suite_folder(folder), read_errors(folder)
    active = is_held(folder / LOCK)
    studies = tuple(_status(study_path(folder, plan.id), plan, errors.get(plan.id, "")) for plan in suite.plans)
    return SuiteStatus(name=suite.settings.name, studies=studies, active=active)


def rate(studies: Iterable[StudyStatus]) -> float | None:
    """Return the queries that a study asks a second, averaged over queries; None where nothing has been timed."""
    pace = _pace(studies)
    return 1 / pace if pace else None


def _status(place: Path, plan: Plan, error: str) -> StudyStatus:
    try:
        if (result := read_result(place)) is not None:
            seconds = _seconds(result, plan)
            return StudyStatus(plan=plan, state=State.FINISHED, queries=plan.queries, seconds=seconds)
        running = is_held(place / LOCK)
        queries, seconds = _spent(place, plan)
    except DfoPromptError as damage:
        return StudyStatus(plan=plan, state=State.FAILED, error=error or str(damage))
    if running:
        return StudyStatus(plan=plan, state=State.RUNNING, queries=queries, seconds=seconds)
    state = State.FAILED if error else State.STOPPED if queries else State.WAITING
    return StudyStatus(plan=plan, state=state, queries=queries, seconds=seconds, error=error)


def _seconds(result: Mapping[str, object], plan: Plan) -> float:
    """Return the seconds of a finished study's queries; 0 of one that a limit ended, whose queries are not all there."""
    spent = result.get("spent")
    if not isinstance(spent, Mapping) or spent.get("queries") != plan.queries:
        return 0.0
    return sum(float(spent.get(f"{part}_seconds", 0.0)) for part in ("optimizer", "objective"))


def _spent(place: Path, plan: Plan) -> tuple[int, float]:
    """Return queries and seconds so far; of a method, those of its own studies, which lie below `place`."""
    journal = FILES[Account.QUERIES]
    folders = [place] if plan.config.method == STUDY else [path.parent for path in place.rglob(journal)]
    accounts = [read_spent(folder) for folder in folders if (folder / journal).exists()]
    return sum(account.queries for account in accounts), sum(account.seconds for account in accounts)


def _is_called(plan: Plan, name: str) -> bool:
    return name in (plan.optimizer, plan.problem, plan.id) or plan.id.startswith(f"{name.rstrip('/')}/")


def _pace(studies: Iterable[StudyStatus]) -> float | None:
    """Return the seconds that a query takes."""
    timed = [(study.seconds, study.queries) for study in studies if study.seconds and study.queries]
    return sum(seconds for seconds, _ in timed) / sum(queries for _, queries in timed) if timed else None


def _paces(studies: Iterable[StudyStatus]) -> dict[tuple[str, str], float]:
    """Return the seconds of a query by problem and optimizer; by problem, under ""; and of all."""
    groups: dict[tuple[str, str], list[StudyStatus]] = {}
    for study in studies:
        for key in ((study.plan.problem, study.plan.optimizer), (study.plan.problem, ""), ("", "")):
            groups.setdefault(key, []).append(study)
    return {key: pace for key, group in groups.items() if (pace := _pace(group))}
