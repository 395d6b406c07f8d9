"""Limits of a study: what it may spend of each currency, beside queries."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator

from dfo_prompt._util.money import exact, nanodollars, whole
from dfo_prompt.contracts.usage import check_currency

DOLLARS = "dollars"
"""A way to write nanodollars."""


def read_limits(given: object) -> object:
    """Return the limits by currency in whole numbers; those in dollars become nano-dollars.

    Raises:
        UnknownNameError: there is no such currency.
        ValueError: a limit is no whole number from 1 on, of nano-dollars for money.
    """
    if not isinstance(given, Mapping):
        return given
    found = {}
    for name, amount in given.items():
        currency = "nanodollars" if name == DOLLARS else str(name)
        check_currency(currency)
        limit = nanodollars(amount) if name == DOLLARS else whole(exact(amount), said=f"{amount} {name}")
        if limit < 1:
            raise ValueError(f"{name} must be at least 1")
        if currency in found:
            raise ValueError(f"{currency} and {DOLLARS} limit the same; write one of them")
        found[currency] = limit
    return found


Limits = Annotated[dict[str, int], BeforeValidator(read_limits)]
"""Amounts by the names of currencies of `Usage`, or "dollars"."""
