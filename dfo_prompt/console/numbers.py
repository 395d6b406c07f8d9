"""Formats rates and durations."""

from datetime import timedelta


def rate_text(rate: float) -> str:
    """Format a rate with three significant digits, and with all digits from 100 on."""
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"  # noqa: PLR2004 - three digits are enough


def duration_text(seconds: float) -> str:
    """Format a duration as H:MM:SS, or in words if it is shorter than a second."""
    return "less than a second" if seconds < 1 else str(timedelta(seconds=round(seconds)))
