"""The studies of a suite that wait to be run, by the objective that they can share."""

from collections import deque
from collections.abc import Iterable

from dfo_prompt.suite.plan import Plan


class Queue:
    """Studies that wait, in the order of the suite as far as shared objectives leave it."""

    def __init__(self, plans: Iterable[Plan]) -> None:
        self._groups: dict[str, deque[Plan]] = {}
        for plan in plans:
            self._groups.setdefault(plan.group, deque()).append(plan)

    def __bool__(self) -> bool:
        return bool(self._groups)

    def take(self, group: str) -> Plan:
        """Take out the next study of the group, or of another if it has none."""
        chosen = group if group in self._groups else next(iter(self._groups))
        plan = self._groups[chosen].popleft()
        if not self._groups[chosen]:
            del self._groups[chosen]
        return plan

    def put_back(self, plan: Plan) -> None:
        """Put in a study that was taken out; it is the next of its group."""
        self._groups.setdefault(plan.group, deque()).appendleft(plan)
