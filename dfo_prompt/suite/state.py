"""Where a suite that runs stands, for whoever watches it."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(kw_only=True)
class SuiteState:
    """Where a suite stands.

    Attributes:
        studies, queries: in all.
        only_queries: whether every entry asks queries, so that the time left can be told from them.
        done, failed: studies with a result, and those given up.
        running: ids, and the queries of each.
        asked: queries of all studies so far; `fresh`, of these in this run.
        news: lines on studies that ended since the last time.
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
        """Note that a study was given to the executor."""
        self.running[study] = 0

    def heard(self, study: str, queries: int, fresh: int) -> None:
        """Note how far a study has come."""
        self.asked += queries - self.running[study]
        self.fresh += fresh
        self.running[study] = queries

    def lost(self, study: str, error: str) -> None:
        """Note that a study will begin again elsewhere, where it replays its journal."""
        self.asked -= self.running.pop(study)
        self.news.append(f"{study}: {error}; it goes on elsewhere")

    def ended(self, study: str, error: str) -> None:
        """Note that a study has a result, or why it has none."""
        del self.running[study]
        self.failed += bool(error)
        self.done += not error
        self.news.append(f"{study}: {error or 'done'}")


Watcher = Callable[[SuiteState], object]


def unwatched(*_: object) -> None:
    """Watch nothing."""
