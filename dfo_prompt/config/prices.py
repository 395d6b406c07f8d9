"""Prices of a service."""

from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from typing import Annotated

from pydantic import BeforeValidator

from dfo_prompt._util.money import NANO, exact
from dfo_prompt._util.parsing import STRICT
from dfo_prompt.config.price_list import listed
from dfo_prompt.contracts.usage import Usage
from dfo_prompt.errors import InputError

MILLION = 10**6
MOST_DECIMALS = 12


def _price(value: object) -> str | None:
    if value is None:
        return None
    price = exact(value) * 10**MOST_DECIMALS
    if price.denominator != 1:
        raise ValueError(f"{value} has more than {MOST_DECIMALS} decimals")
    units, rest = divmod(price.numerator, 10**MOST_DECIMALS)
    return f"{units}.{rest:0{MOST_DECIMALS}}".rstrip("0").removesuffix(".")


Price = Annotated[str | None, BeforeValidator(_price)]
"""A price in US dollars as decimal text."""


@dataclass(frozen=True, kw_only=True)
class Prices:
    """Prices in US dollars. A missing price is that of `model`, or zero without a model.

    Attributes:
        input: price of a million input tokens.
        output: price of a million output tokens; a row has one.
        cached: price of a million input tokens that the service reads from its cache; `input` by default and at most.
            A price of `model` above `input` is lowered to it.
        request: price of a request.
        model: PROVIDER/MODEL, for prices from the package genai-prices.

    Raises:
        InputError: cached tokens cost more than input tokens.
    """

    __pydantic_config__ = STRICT

    input: Price = None
    output: Price = None
    cached: Price = None
    request: Price = None
    model: str | None = None

    def __post_init__(self) -> None:
        if self.cached is not None and self.input is not None and Fraction(self.cached) > Fraction(self.input):
            fault = f"cached tokens at {self.cached} cost more than others at {self.input}"
            raise InputError(f"prices: {fault}; lower cached or raise input")

    def resolved(self) -> "Prices":
        """Return the same prices with the missing ones filled in.

        Raises:
            InputError: the prices of `model` are unknown.
        """
        missing = None in (self.input, self.output, self.cached, self.request)
        known = listed(self.model) if self.model and missing else {}
        sent = self.input or _price(known.get("input", 0))
        return replace(
            self,
            input=sent,
            output=self.output or _price(known.get("output", 0)),
            cached=self.cached or _price(min(sent, known.get("cached", sent), key=exact)),
            request=self.request or _price(known.get("request", 0)),
        )

    def of(self, usage: Usage) -> int:
        """Return the price of a usage in nanodollars, rounded up.

        The input tokens are the larger of our count and the service's; each row has one output token.
        """
        tokens = max(usage.tokens, usage.billed_tokens - usage.rows)
        cached = min(usage.cached_tokens, tokens)
        counts = {"input": tokens - cached, "cached": cached, "output": usage.rows}
        dollars = sum(Fraction(getattr(self, name) or 0) * count for name, count in counts.items()) / MILLION
        return ceil((dollars + Fraction(self.request or 0) * usage.requests) * NANO)
