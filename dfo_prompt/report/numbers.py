"""Formats numbers for tables."""

import numpy as np
import pandas as pd

from dfo_prompt.report.statistics import RESAMPLES

MOST_DIGITS = 10


def interval_texts(rows: pd.DataFrame) -> list[str]:
    """Return each value with its interval, with enough digits to distinguish values that differ by more than rounding."""
    digits = next((n for n in range(4, MOST_DIGITS) if _apart(rows.iloc[:, 0], n)), MOST_DIGITS)
    return [interval_text(*row, digits=digits) for row in rows.to_numpy().tolist()]


def _apart(values: "pd.Series[float]", digits: int) -> bool:
    texts, longest = ({f"{value:.{n}g}" for value in values} for n in (digits, MOST_DIGITS))
    return len(texts) == len(longest)


def interval_text(value: float, low: float, high: float, *, digits: int = 4) -> str:
    """Return a value with its interval, or the value alone if `low` is NaN."""
    text, *bounds = (number_text(figure, digits) for figure in (value, low, high))
    return text if np.isnan(low) else f"{text} [{', '.join(bounds)}]"


def number_text(value: float, digits: int = 4) -> str:
    """Return a value with `digits` significant digits, or "-" for NaN."""
    return "-" if value is None or np.isnan(value) else f"{value:z.{digits}g}"


def p_text(value: float) -> str:
    """Return a p value; below the bootstrap's resolution, an upper bound."""
    smallest = 1 / RESAMPLES
    return "-" if np.isnan(value) else f"{value:.3g}" if value >= smallest else f"< {smallest:g}"
