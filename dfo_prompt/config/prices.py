"""Prices: what a service asks for its answers."""

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


def _price(given: object) -> str | None:
    if given is None:
        return None
    price = exact(given) * 10**MOST_DECIMALS
    if price.denominator != 1:
        raise ValueError(f"{given} has more than {MOST_DECIMALS} decimals")
    units, rest = divmod(price.numerator, 10**MOST_DECIMALS)
    return f"{units}.{rest:0{MOST_DECIMALS}}".rstrip("0").removesuffix(".")


Price = Annotated[str | None, BeforeValidator(_price)]
"""US dollars as decimal text."""


@dataclass(frozen=True, kw_only=True)
class Prices:
    """Prices in US dollars. One that is not given is that of `model`, and nothing without a model.

    Attributes:
        input: of a million tokens sent.
        output: of a million tokens that come back: one a row.
        cached: of a million tokens that the service reads from its cache; by default, and at most, that of input.
        request: of a request.
        model: PROVIDER/MODEL, whose prices are taken from the package genai-prices.

    Raises:
        InputError: a price is higher than it can be.
    """

    __pydantic_config__ = STRICT

    input: Price = None
    output: Price = None
    cached: Price = None
    request: Price = None
    model: str | None = None

    def __post_init__(self) -> None:
        if self.cached is not None and self.input is not None and Fraction(self.cached) > Fraction(self.input):
            raise InputError(f"prices: cached tokens at {self.cached} cost more than others at {self.input}")

    def resolved(self) -> "Prices":
        """Return the same prices with none left out.

        Raises:
            InputError: the model's are not known.
        """
        missing = None in (self.input, self.output, self.cached, self.request)
        known = listed(self.model) if self.model and missing else {}
        sent = self.input or _price(known.get("input", 0))
        return replace(
            self,
            input=sent,
            output=self.output or _price(known.get("output", 0)),
            cached=self.cached or _price(known.get("cached", sent)),
            request=self.request or _price(known.get("request", 0)),
        )

    def of(self, usage: Usage) -> int:
        """Return the price of a usage in nano-dollars, rounded up.

        Tokens are those of our count or of the service's own, whichever are more; an answer is a token a row.
        """
        tokens = max(usage.tokens, usage.billed_tokens - usage.rows)
        cached = min(usage.cached_tokens, tokens)
        asked = {"input": tokens - cached, "cached": cached, "output": usage.rows}
        dollars = sum(Fraction(getattr(self, name) or 0) * count for name, count in asked.items()) / MILLION
        return ceil((dollars + Fraction(self.request or 0) * usage.requests) * NANO)
