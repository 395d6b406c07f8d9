"""Money, exactly: integers of billionths of a US dollar, and decimal text."""

from decimal import Decimal, InvalidOperation
from fractions import Fraction

NANO = 10**9
"""Nano-dollars of a dollar."""
MOST_DIGITS = 30
"""Ahead of the decimal point, and behind it."""


def exact(amount: object) -> Fraction:
    """Return a number of dollars or of anything else, exactly as it is written: text, a whole number, or a float.

    A float stands for the shortest decimal that gives it: 2.5 is 2.5, and 0.1 is a tenth.

    Raises:
        ValueError: it is no finite number from 0 on.
    """
    try:
        number = Decimal(str(amount))
    except InvalidOperation:
        number = Decimal("NaN")
    if isinstance(amount, bool) or not number.is_finite() or number < 0 or abs(number.adjusted()) > MOST_DIGITS:
        raise ValueError(f"{str(amount)[:40]!r} is no amount")
    return Fraction(number)


def nanodollars(amount: object) -> int:
    """Return an amount in dollars as nano-dollars.

    Raises:
        ValueError: it is no amount, or finer than a billionth of a dollar.
    """
    return whole(exact(amount) * NANO, label=f"{amount} dollars")


def whole(number: Fraction, *, label: str) -> int:
    """Return a number that is whole.

    Raises:
        ValueError: it is not.
    """
    if number.denominator != 1:
        raise ValueError(f"{label} is no whole number of its smallest unit")
    return number.numerator


def dollars(amount: int) -> str:
    """Return nano-dollars as dollars, exactly, with at least two decimals."""
    units, rest = divmod(amount, NANO)
    return f"${units:,}.{f'{rest:09}'.rstrip('0'):0<2}"
