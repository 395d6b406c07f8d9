"""The costs of an objective's evaluations: estimated in advance, actual, and if cut off."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

from dfo_prompt.config.prices import Prices
from dfo_prompt.contracts.objective import Estimating, Objective
from dfo_prompt.contracts.usage import Usage, currencies
from dfo_prompt.errors import InputError, PluginError, one_line
from dfo_prompt.study.checked_objective import checked_usage

Used = TypeVar("Used", bound=Usage)


@dataclass(frozen=True, kw_only=True)
class Tariff:
    """The costs of an objective, with their price. A price that the objective itself reports takes precedence.

    Attributes:
        objective: the objective.
        name: its name, for errors.
        prices: prices of its consumption.
    """

    objective: Objective
    name: str
    prices: Prices | None = None

    @cached_property
    def again(self) -> tuple[str, ...]:
        """Return the currencies that a repetition consumes again; none for an objective without estimates."""
        return tuple(getattr(self.objective, "costs_again", currencies())) if self._estimates else ()

    @cached_property
    def _estimates(self) -> bool:
        return isinstance(self.objective, Estimating)

    def priced(self, usage: Used) -> Used:
        """Return a usage with its price."""
        if self.prices is None or usage.nanodollars:
            return usage
        return replace(usage, nanodollars=self.prices.of(usage))

    def most(self, count: int, split: str = "train") -> Usage:
        """Return an upper bound of what scoring `count` candidates on a split consumes; zero in currencies without estimate.

        Raises:
            PluginError: the objective breaks its contract.
        """
        return self.priced(self._estimate(count, split))

    def unsettled(self, count: int, split: str = "train") -> Mapping[str, int]:
        """Return the amounts, by currency, to charge for `count` evaluations if they are cut off and run again.

        Raises:
            PluginError: the objective breaks its contract.
        """
        if not self.again:
            return {}
        most = self._estimate(count, split)
        part = replace(self.lost(most), unanswered=most.requests)
        kept = {*self.again, "unanswered", *(["nanodollars"] if part.nanodollars else [])}
        return {name: getattr(part, name) for name in currencies() if name in kept}

    def failed(self, count: int) -> Usage:
        """Return the usage to charge for `count` queries that failed and do not tell theirs: the estimate.

        Raises:
            PluginError: the objective breaks its contract.
        """
        most = self._estimate(count, "train")
        return replace(most, unanswered=most.requests)

    def lost(self, usage: Used) -> Used:
        """Return the part of a usage, with its price, that evaluations consume again if repeated."""
        part = usage.only(self.again)
        return part if usage.nanodollars else self.priced(part)

    def check(self, limits: Mapping[str, int]) -> None:
        """Refuse limits in currencies that the objective does not estimate, and limits below the cost of a query.

        Raises:
            InputError: the first such limit.
        """
        query = self.most(1) if limits else Usage()
        for name, limit in limits.items():
            least = getattr(query, name)
            if not least:
                remedy = "set [prices]" if name == "nanodollars" and self.prices is None else "limit another currency"
                raise InputError(f"limits.{name}: objective {self.name!r} estimates none of it; {remedy}")
            if least > limit:
                raise InputError(f"limits.{name}: a query takes up to {least:,}, more than the {limit:,} there are")

    def _estimate(self, count: int, split: str) -> Usage:
        if not count or not isinstance(self.objective, Estimating):
            return Usage()
        arguments = (count,) if split == "train" else (count, split)
        try:
            return checked_usage(self.objective.estimate(*arguments))
        except PluginError:
            raise
        except Exception as error:
            raise PluginError(f"objective {self.name!r} failed in estimate: {one_line(error)}") from error
