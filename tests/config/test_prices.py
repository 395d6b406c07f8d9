import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfo_prompt._util.money import dollars, nanodollars
from dfo_prompt.config.prices import Prices
from dfo_prompt.config.reading import parse_config
from dfo_prompt.contracts.usage import Usage
from dfo_prompt.errors import InputError, UnknownNameError

BASE = {"objective": "sphere", "dim": 3}
PRICES = Prices(input="0.15", output="0.6", cached="0.075", request="0.0001")


@given(st.integers(0, 10**16))
def test_money_is_exact_there_and_back(amount):
    assert nanodollars(dollars(amount).replace("$", "").replace(",", "")) == amount


@pytest.mark.parametrize(
    ("amount", "nano"),
    [
        ("2.50", 2_500_000_000),
        (2.5, 2_500_000_000),
        (0.1, 100_000_000),
        (3, 3_000_000_000),
        ("0.000000001", 1),
        ("1e-3", 10**6),
    ],
)
def test_amounts_are_read_as_they_are_written(amount, nano):
    assert nanodollars(amount) == nano


@pytest.mark.parametrize("amount", ["", "-1", "nan", "inf", "2,50", "1e99", True, None, "0.0000000001", [1]])
def test_what_is_no_amount_is_refused(amount):
    with pytest.raises(ValueError, match="is no"):
        nanodollars(amount)


def test_a_usage_is_priced_exactly_and_rounded_up():
    usage = Usage(rows=10, tokens=1_000, cached_tokens=400, requests=2)
    assert PRICES.of(usage) == 600 * 150 + 400 * 75 + 10 * 600 + 2 * 100_000
    assert Prices(input="0.0001").of(Usage(tokens=1)) == 1  # a tenth of a nano-dollar
    assert Prices(input="0.0001").of(Usage(tokens=10**15)) == 10**14
    assert Prices(input="1").of(Usage(tokens=10, billed_tokens=12)) == 12_000
    assert Prices().of(usage) == 0


@given(st.builds(Usage, tokens=st.integers(0, 9), rows=st.integers(0, 9)), st.builds(Usage, tokens=st.integers(0, 9)))
def test_more_is_never_cheaper_and_parts_are_never_cheaper_than_the_whole(one, other):
    odd = Prices(input="0.0371", output="0.0009")
    assert odd.of(one) <= odd.of(one + other) <= odd.of(one) + odd.of(other)


def test_limits_become_whole_numbers_by_currency_and_stay_the_same_when_read_back():
    config = parse_config({**BASE, "limits": {"tokens": 10**6, "dollars": "2.50"}, "prices": {"input": 0.150}})
    assert config.limits == {"tokens": 10**6, "nanodollars": 2_500_000_000}
    assert config.prices == Prices(input="0.15", output="0", cached="0.15", request="0")
    assert parse_config(config.as_dict()) == config


@pytest.mark.parametrize(
    ("keys", "error", "said"),
    [
        ({"limits": {"tokns": 1}}, UnknownNameError, "unknown currency 'tokns'; did you mean 'tokens'"),
        ({"limits": {"queries": 1}}, UnknownNameError, "unknown currency 'queries'"),
        ({"limits": {"tokens": 0}}, InputError, "limits: tokens must be at least 1"),
        ({"limits": {"tokens": 1.5}}, InputError, "limits: 1.5 tokens is no whole number"),
        ({"limits": {"dollars": 1, "nanodollars": 1}}, InputError, "nanodollars and dollars limit the same"),
        ({"limits": 5}, InputError, "limits: Input should be"),
        ({"prices": {"input": "-1"}}, InputError, "prices.input: '-1' is no amount"),
        ({"prices": {"inptu": 1}}, InputError, "unknown key of prices: 'inptu'; did you mean 'input'"),
        (
            {"prices": {"input": "1", "cached": "2"}},
            InputError,
            "cached tokens at 2 cost more than others at 1; lower cached or",
        ),
        (
            {"prices": {"model": "openai/gpt-none"}},
            InputError,
            "genai-prices knows no 'openai/gpt-none'; write PROVIDER/MODEL",
        ),
    ],
)
def test_what_is_wrong_is_one_line(keys, error, said):
    with pytest.raises(error, match=said):
        parse_config({**BASE, **keys})


def test_prices_of_a_model_are_those_of_genai_prices_unless_given():
    pytest.importorskip("genai_prices")
    config = parse_config({**BASE, "prices": {"model": "openai/gpt-4o-mini", "output": "9"}})
    assert config.prices == Prices(model="openai/gpt-4o-mini", input="0.15", output="9", cached="0.075", request="0")


def test_a_listed_price_of_cached_tokens_is_at_most_the_given_price_of_input():
    pytest.importorskip("genai_prices")
    assert Prices(model="openai/gpt-4o-mini", input="0.05").resolved().cached == "0.05"


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    with pytest.raises(InputError, match=r"pip install 'dfo-prompt\[prices\]'"):
        parse_config({**BASE, "prices": {"model": "openai/gpt-4o-mini"}})
