"""Exact amounts of money: integers in billionths of a US dollar, and decimal text."""

from decimal import Decimal, InvalidOperation
from fractions import Fraction

NANO = 10**9
"""The nanodollars in a dollar."""
MOST_DIGITS = 30
"""The most digits before or after the decimal point."""


def exact(amount: object) -> Fraction:
    """Return the exact value of an amount written as text, an integer or a float.

    A float means its shortest decimal form: 0.1 is exactly a tenth.

    Raises:
        ValueError: the amount is not a finite number >= 0.
    """
    try:
        number = Decimal(str(amount))
    except InvalidOperation:
        number = Decimal("NaN")
    if isinstance(amount, bool) or not number.is_finite() or number < 0 or abs(number.adjusted()) > MOST_DIGITS:
        raise ValueError(f"{str(amount)[:40]!r} is no amount")
    return Fraction(number)


def nanodollars(amount: object) -> int:
    """Convert an amount in dollars to nanodollars.

    Raises:
        ValueError: it is no valid amount, or not a whole number of nanodollars.
    """
    return whole(exact(amount) * NANO, label=f"{amount} dollars")


def whole(number: Fraction, *, label: str) -> int:
    """Convert a whole number to an integer.

    Args:
        number: the number.
        label: its name in the error.

    Raises:
        ValueError: the number is not whole.
    """
    if number.denominator != 1:
        raise ValueError(f"{label} is no whole number of its smallest unit")
    return number.numerator


def dollars(amount: int) -> str:
    """Format nanodollars as dollars, exactly, with at least two decimals."""
    units, rest = divmod(amount, NANO)
    return f"${units:,}.{f'{rest:09}'.rstrip('0'):0<2}"
