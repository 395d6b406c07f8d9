import pytest

from dfo_prompt.console.numbers import duration_text, rate_text


@pytest.mark.parametrize(
    ("rate", "text"), [(0.0123, "0.0123"), (12.34, "12.3"), (99.94, "99.9"), (4040.4, "4,040"), (1e6, "1,000,000")]
)
def test_a_rate_has_three_digits_and_no_exponent(rate, text):
    assert rate_text(rate) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "less than a second"), (0.9, "less than a second"), (1.0, "0:00:01"), (3725.4, "1:02:05")]
)
def test_a_duration_below_a_second_is_said_in_words(seconds, text):
    assert duration_text(seconds) == text
