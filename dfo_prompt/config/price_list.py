"""Published prices of language models, from the package genai-prices."""

from decimal import Decimal

from dfo_prompt.errors import InputError, needs_extra

PRICES = {"input": "input_mtok", "output": "output_mtok", "cached": "cache_read_mtok"}
"""Our names of prices to those of genai-prices, in dollars per million tokens."""


def listed(model: str) -> dict[str, str]:
    """Return the prices of PROVIDER/MODEL by name, in dollars as decimal text; tiered prices give the lowest tier.

    Raises:
        InputError: the package is missing, or does not know the model.
    """
    try:
        from genai_prices import Usage, calc_price  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise InputError(needs_extra("prices.model", "prices", otherwise="set input and output")) from error
    provider, _, name = model.partition("/")
    try:
        listing = calc_price(Usage(input_tokens=0, output_tokens=0), name, provider_id=provider).model_price
    except LookupError as error:
        raise InputError(f"prices.model: genai-prices knows no {model!r}; write PROVIDER/MODEL, or the prices") from error
    prices = {ours: getattr(listing, theirs) for ours, theirs in PRICES.items()}
    known = {name: str(getattr(price, "base", price)) for name, price in prices.items() if price is not None}
    thousand = listing.requests_kcount
    return known if thousand is None else {**known, "request": f"{Decimal(str(thousand)) / 1000:f}"}
