"""The state of a running suite, as passed to watchers."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(kw_only=True)
class SuiteState:
    """The state of a running suite.

    Attributes:
        studies: total number of studies.
        queries: total number of queries, without those that studies left when they ended early or failed.
        only_queries: True if every entry makes queries, so that the time left can be estimated from them.
        done: number of studies with a result.
        failed: number of studies that failed.
        running: queries so far of each running study, by id.
        asked: queries of all studies so far.
        fresh: queries of all studies in this run.
        news: lines about studies that ended since the last call of the watcher.
    """

    studies: int
    queries: int
    only_queries: bool = True
    done: int = 0
    failed: int = 0
    running: dict[str, int] = field(default_factory=dict)
    asked: int = 0
    fresh: int = 0
    news: list[str] = field(default_factory=list)

    def began(self, study: str) -> None:
        """Record that a study was given to the executor."""
        self.running[study] = 0

    def heard(self, study: str, queries: int, fresh: int) -> None:
        """Record the progress of a study."""
        self.asked += queries - self.running[study]
        self.fresh += fresh
        self.running[study] = queries

    def lost(self, study: str, error: str) -> None:
        """Record that a study lost its machine and will restart elsewhere by replaying its journal."""
        self.asked -= self.running.pop(study)
        self.news.append(f"{study}: {error}; it goes on elsewhere")

    def ended(self, study: str, error: str, *, planned: int) -> None:
        """Record that a study of `planned` queries has a result, or its error."""
        self.queries -= max(planned - self.running.pop(study), 0)
        self.failed += bool(error)
        self.done += not error
        self.news.append(f"{study}: {error or 'done'}")


Watcher = Callable[[SuiteState], object]


def unwatched(*_: object) -> None:
    """Watch nothing."""
