"""Limits of a study in currencies other than queries."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator

from dfo_prompt._util.money import exact, nanodollars, whole
from dfo_prompt.contracts.usage import check_currency

DOLLARS = "dollars"
"""The name of limits in dollars, which are stored as nanodollars."""


def read_limits(value: object) -> object:
    """Return the limits by currency as whole numbers, with dollars converted to nanodollars.

    Raises:
        UnknownNameError: there is no such currency.
        ValueError: a limit is below 1, or not a whole number of its currency (of nanodollars, for dollars).
    """
    if not isinstance(value, Mapping):
        return value
    limits = {}
    for name, amount in value.items():
        currency = "nanodollars" if name == DOLLARS else str(name)
        check_currency(currency)
        limit = nanodollars(amount) if name == DOLLARS else whole(exact(amount), label=f"{amount} {name}")
        if limit < 1:
            raise ValueError(f"{name} must be at least 1")
        if currency in limits:
            raise ValueError(f"{currency} and {DOLLARS} limit the same; write one of them")
        limits[currency] = limit
    return limits


Limits = Annotated[dict[str, int], BeforeValidator(read_limits)]
"""Amounts by currency: a field of `Usage`, or "dollars"."""
