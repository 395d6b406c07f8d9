"""What evaluations of an objective cost: before they run, after, and where they are cut off."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from dfo_prompt.config.prices import Prices
from dfo_prompt.contracts.objective import Estimating, Objective
from dfo_prompt.contracts.usage import Usage, currencies
from dfo_prompt.errors import InputError, PluginError, one_line
from dfo_prompt.study.answers import checked_usage

Used = TypeVar("Used", bound=Usage)


@dataclass(frozen=True, kw_only=True)
class Tariff:
    """The costs of an objective, with prices where there are some.

    A price that the objective reports itself stands.
    """

    objective: Objective
    name: str
    prices: Prices | None = None

    def priced(self, usage: Used) -> Used:
        """Return a usage with its price."""
        if self.prices is None or usage.nanodollars:
            return usage
        return replace(usage, nanodollars=self.prices.of(usage))

    def most(self, count: int, split: str = "train") -> Usage:
        """Return the most that scoring `count` candidates on a split can consume; nothing that is not estimated.

        Raises:
            PluginError: the objective breaks its contract.
        """
        return self.priced(self._estimate(count, split))

    def unsettled(self, count: int, split: str = "train") -> Mapping[str, int]:
        """Return what `count` evaluations are charged, by currency, if they are cut off and run again.

        Raises:
            PluginError: the objective breaks its contract.
        """
        again = tuple(getattr(self.objective, "costs_again", currencies()))
        if not again or not isinstance(self.objective, Estimating):
            return {}
        most = self._estimate(count, split)
        part = most.only(again)
        part = replace(part if most.nanodollars else self.priced(part), unanswered=most.requests)
        kept = {*again, "unanswered", *(["nanodollars"] if part.nanodollars else [])}
        return {name: getattr(part, name) for name in currencies() if name in kept}

    def check(self, limits: Mapping[str, int]) -> None:
        """Refuse limits in currencies that the objective does not estimate, and those below a single query.

        Raises:
            InputError: the first of them is named.
        """
        one = self.most(1) if limits else Usage()
        for name, limit in limits.items():
            least = getattr(one, name)
            if not least:
                remedy = "set [prices]" if name == "nanodollars" and self.prices is None else "limit another currency"
                raise InputError(f"limits.{name}: objective {self.name!r} estimates none of it; {remedy}")
            if least > limit:
                raise InputError(f"limits.{name}: a query takes up to {least:,}, more than the {limit:,} there are")

    def _estimate(self, count: int, split: str) -> Usage:
        if not count or not isinstance(self.objective, Estimating):
            return Usage()
        try:
            return checked_usage(self.objective.estimate(*([count] if split == "train" else [count, split])))
        except PluginError:
            raise
        except Exception as error:
            raise PluginError(f"objective {self.name!r} failed in estimate: {one_line(error)}") from error
