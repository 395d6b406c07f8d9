"""The queue of a suite's waiting studies, grouped by shared objective."""

from collections import deque
from collections.abc import Iterable

from dfo_prompt.suite.plan import Plan


class Queue:
    """Waiting studies in the order of the suite, except that studies with the same objective stay together."""

    def __init__(self, plans: Iterable[Plan]) -> None:
        self._groups: dict[str, deque[Plan]] = {}
        for plan in plans:
            self._groups.setdefault(plan.group, deque()).append(plan)

    def __bool__(self) -> bool:
        return bool(self._groups)

    def take(self, group: str) -> Plan:
        """Remove and return the next study of the group, or of another group if it has none."""
        chosen = group if group in self._groups else next(iter(self._groups))
        plan = self._groups[chosen].popleft()
        if not self._groups[chosen]:
            del self._groups[chosen]
        return plan

    def put_back(self, plan: Plan) -> None:
        """Return a study to the front of its group."""
        self._groups.setdefault(plan.group, deque()).appendleft(plan)
