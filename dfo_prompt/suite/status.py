"""The status of the studies in a suite folder, read from the files of a running, killed or finished suite."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from dfo_prompt._util.locks import is_held
from dfo_prompt.config.study import STUDY
from dfo_prompt.errors import DfoPromptError, UnknownNameError
from dfo_prompt.study.costs import read_spent
from dfo_prompt.study.ledger import LOCK
from dfo_prompt.study.records import FILES, Account
from dfo_prompt.suite.folder import read_errors, read_suite_folder, result_of, study_path
from dfo_prompt.suite.plan import Plan


class State(StrEnum):
    """The states of a study; a stopped study has a journal and can be continued."""

    FINISHED = "finished"
    RUNNING = "running"
    STOPPED = "stopped"
    FAILED = "failed"
    WAITING = "waiting"


@dataclass(frozen=True, kw_only=True)
class StudyStatus:
    """The status of a study.

    Attributes:
        plan: the study.
        state: its state.
        queries: number of queries so far; 0 for a finished method that plans none.
        seconds: total time of these queries over all runs; 0 if unknown.
        error: why there is no result.
    """

    plan: Plan
    state: State
    queries: int = 0
    seconds: float = 0.0
    error: str = ""

    @property
    def total(self) -> int:
        """Return the number of queries at the end: those planned, unless the study ended early."""
        return self.queries if self.state is State.FINISHED else self.plan.queries

    @property
    def left(self) -> int:
        """Return the number of queries left."""
        return max(self.total - self.queries, 0)


@dataclass(frozen=True, kw_only=True)
class SuiteStatus:
    """The status of a suite.

    Attributes:
        name: name of the suite.
        studies: status of each study.
        active: True if a process runs the suite now.
        elsewhere: number of running studies of the suite that are not among `studies`.
    """

    name: str
    studies: tuple[StudyStatus, ...]
    active: bool
    elsewhere: int = 0

    @property
    def counts(self) -> dict[State, int]:
        """Return the number of studies in each state."""
        counted = Counter(study.state for study in self.studies)
        return {state: counted[state] for state in State}

    def seconds_left(self) -> float | None:
        """Estimate the seconds left with the current number of parallel studies; None if they are unknown.

        A study without timings is assumed as fast as others of its problem and optimizer, of its problem, or of the suite.
        The time of an unfinished method that plans no queries is unknown.
        """
        paces = _paces(self.studies)
        total = 0.0
        for study in self.studies:
            if self.active and study.state is State.FAILED:
                continue
            if study.state is not State.FINISHED and not study.plan.queries:
                return None
            if study.left:
                plan = study.plan
                keys = ((plan.problem, plan.optimizer), (plan.problem, ""), ("", ""))
                if (pace := _pace([study]) or next((paces[key] for key in keys if key in paces), None)) is None:
                    return None
                total += study.left * pace
        return total / max(self.counts[State.RUNNING], 1)

    def only(self, name: str) -> "SuiteStatus":
        """Return the status restricted to the studies of an optimizer, of a problem, or below a study id.

        Raises:
            UnknownNameError: no study matches.
        """
        studies = tuple(study for study in self.studies if _is_called(study.plan, name))
        if not studies:
            known = {known for study in self.studies for known in (study.plan.optimizer, study.plan.problem)}
            raise UnknownNameError.among("optimizer, problem or study", name, known)
        others = self.counts[State.RUNNING] - sum(study.state is State.RUNNING for study in studies)
        return replace(self, studies=studies, elsewhere=others)


def read_status(folder: Path) -> SuiteStatus:
    """Return the status of the suite in `folder`.

    Raises:
        InputError: `folder` is not a suite folder, or its plan is damaged.
    """
    suite, errors = read_suite_folder(folder), read_errors(folder)
    active = is_held(folder / LOCK)
    studies = tuple(_status(folder, plan, errors.get(plan.id, "")) for plan in suite.plans)
    return SuiteStatus(name=suite.settings.name, studies=studies, active=active)


def rate(studies: Iterable[StudyStatus]) -> float | None:
    """Return the queries per second of a study, averaged over all queries; None without timings."""
    pace = _pace(studies)
    return 1 / pace if pace else None


def _status(folder: Path, plan: Plan, error: str) -> StudyStatus:
    place = study_path(folder, plan.id)
    try:
        if (result := result_of(folder, plan)) is not None:
            queries, seconds = of_result(result, plan)
            return StudyStatus(plan=plan, state=State.FINISHED, queries=queries, seconds=seconds)
        running = is_held(place / LOCK)
        queries, seconds = _spent(place, plan)
    except DfoPromptError as damage:
        return StudyStatus(plan=plan, state=State.FAILED, error=error or str(damage))
    if running:
        return StudyStatus(plan=plan, state=State.RUNNING, queries=queries, seconds=seconds)
    state = State.FAILED if error else State.STOPPED if queries else State.WAITING
    return StudyStatus(plan=plan, state=state, queries=queries, seconds=seconds, error=error)


def of_result(result: Mapping[str, object], plan: Plan) -> tuple[int, float]:
    """Return queries and seconds of a finished study; the planned queries and 0 seconds if the result lacks them."""
    spent = result.get("spent")
    queries = spent.get("queries") if isinstance(spent, Mapping) else None
    if not plan.queries or not isinstance(spent, Mapping) or not isinstance(queries, int):
        return plan.queries, 0.0
    return queries, sum(float(spent.get(f"{part}_seconds", 0.0)) for part in ("optimizer", "objective"))


def _spent(place: Path, plan: Plan) -> tuple[int, float]:
    """Return queries and seconds so far; for another method, the total of its inner studies below `place`."""
    journal = FILES[Account.QUERIES]
    folders = [place] if plan.config.method == STUDY else [path.parent for path in place.rglob(journal)]
    accounts = [read_spent(folder) for folder in folders if (folder / journal).exists()]
    return sum(account.queries for account in accounts), sum(account.seconds for account in accounts)


def _is_called(plan: Plan, name: str) -> bool:
    return name in (plan.optimizer, plan.problem, plan.id) or plan.id.startswith(f"{name.rstrip('/')}/")


def _pace(studies: Iterable[StudyStatus]) -> float | None:
    """Return the seconds per query; None without timings."""
    timed = [(study.seconds, study.queries) for study in studies if study.seconds and study.queries]
    return sum(seconds for seconds, _ in timed) / sum(queries for _, queries in timed) if timed else None


def _paces(studies: Iterable[StudyStatus]) -> dict[tuple[str, str], float]:
    """Return the seconds per query by (problem, optimizer), by (problem, "") and, for all studies, by ("", "")."""
    groups: dict[tuple[str, str], list[StudyStatus]] = {}
    for study in studies:
        for key in ((study.plan.problem, study.plan.optimizer), (study.plan.problem, ""), ("", "")):
            groups.setdefault(key, []).append(study)
    return {key: pace for key, group in groups.items() if (pace := _pace(group))}
