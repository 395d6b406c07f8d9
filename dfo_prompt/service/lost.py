"""Keeps the usage of evaluations until an answer that is committed reports it, perhaps that of a later try."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from dfo_prompt.contracts.objective import Objective
from dfo_prompt.contracts.usage import Usage
from dfo_prompt.service.worker import Key
from dfo_prompt.study.checked_objective import checked_usage
from dfo_prompt.study.tariff import Tariff


class Lost:
    """The usage of evaluations that no answer has reported, by request; in memory, for the objective's thread only.

    Args:
        objective: the objective; a failure that reports no usage is charged as evaluations that were cut off.
        name: its name, for errors.
    """

    def __init__(self, objective: Objective, name: str) -> None:
        self._tariff = Tariff(objective=objective, name=name)
        self._usage: dict[Key, Usage] = {}

    @contextmanager
    def kept(self, sizes: Mapping[Key, int], split: str = "train") -> Iterator[None]:
        """Keep what a failure inside consumes, shared among requests by their numbers of candidates."""
        try:
            yield
        except Exception as error:
            end, count, usage = 0, sum(sizes.values()), getattr(error, "usage", None)
            known = checked_usage(usage) if isinstance(usage, Usage) else None
            whole = Usage(**self._tariff.unsettled(count, split)) if known is None else known
            for key, size in sizes.items():
                begin, end = end, end + size
                self.add(key, share(whole, begin, end, count))
            raise

    def add(self, key: Key, usage: Usage) -> Usage:
        """Add to the usage of a request; return the sum."""
        self._usage[key] = self._usage.get(key, Usage()) + usage
        return self._usage[key]

    def forget(self, key: Key) -> None:
        """Drop the usage of a request, which its answer has reported."""
        self._usage.pop(key, None)


def share(usage: Usage, begin: int, end: int, count: int) -> Usage:
    """Return the share of candidates `begin` to `end` of `count` in a usage; all shares add up to the whole."""
    return Usage(**{name: figure * end // count - figure * begin // count for name, figure in vars(usage).items()})
