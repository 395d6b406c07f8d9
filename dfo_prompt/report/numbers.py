"""Numbers as tables print them."""

import numpy as np
import pandas as pd

from dfo_prompt.report.statistics import RESAMPLES

MOST_DIGITS = 10


def interval_texts(rows: pd.DataFrame) -> list[str]:
    """Return each value with its interval, in as many digits as tell different values apart."""
    digits = next((n for n in range(4, MOST_DIGITS) if _apart(rows.iloc[:, 0], n)), MOST_DIGITS)
    return [interval_text(*row, digits=digits) for row in rows.to_numpy().tolist()]


def _apart(values: "pd.Series[float]", digits: int) -> bool:
    return len({f"{value:.{digits}g}" for value in values}) == len({*values})


def interval_text(value: float, low: float, high: float, *, digits: int = 4) -> str:
    """Return a value and its interval, if there is one."""
    one, *bounds = (number_text(figure, digits) for figure in (value, low, high))
    return one if np.isnan(low) else f"{one} [{', '.join(bounds)}]"


def number_text(value: float, digits: int = 4) -> str:
    """Return a value in so many significant digits, "-" for none."""
    return "-" if value is None or np.isnan(value) else f"{value:z.{digits}g}"


def p_text(value: float) -> str:
    """Return a p value; the bootstrap's smallest is a bound."""
    smallest = 1 / RESAMPLES
    return "-" if np.isnan(value) else f"{value:.3g}" if value >= smallest else f"< {smallest:g}"
