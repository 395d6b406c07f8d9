"""The budget of a study's search: queries, and limits in other currencies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dfo_prompt.contracts.usage import Usage, check_currency
from dfo_prompt.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The budget of a study's search; the first limit reached ends it.

    Attributes:
        queries: number of queries.
        limits: limits in other currencies of `Usage`, by name.
        earlier: earlier query budgets of the study, at which batches may have been cut.

    Raises:
        InputError: an amount is below 1, or a currency is unknown.
    """

    queries: int
    limits: Mapping[str, int] = field(default_factory=dict)
    earlier: Sequence[int] = ()

    @property
    def splits(self) -> bool:
        """Tell whether a batch may be journaled in parts."""
        return bool(self.limits or self.earlier)

    def __post_init__(self) -> None:
        if self.queries < 1:
            raise InputError(f"the budget must be at least 1 query, not {self.queries}")
        for name, limit in self.limits.items():
            check_currency(name)
            if limit < 1:
                raise InputError(f"limits.{name} must be at least 1, not {limit}")

    def binding(self, spent: Usage, more: Usage | None = None) -> str:
        """Return the first currency in which `spent` plus `more` exceeds its limit; "" for none."""
        more = more or Usage()
        over = (name for name, limit in self.limits.items() if getattr(spent, name) + getattr(more, name) > limit)
        return next(over, "")
