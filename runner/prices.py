"""What model calls cost by the list prices that come with genai-prices; nothing is asked of the network."""

from decimal import Decimal
from typing import Any

from app.domain.outcomes import Usage

MILLIONTH = Decimal("0.000001")
ANY_PROXY = "litellm"
"""What genai-prices calls a provider that is none: the model's own name says whose it is."""


def price(
    model: str, usage: Usage, provider: str | None = None, *, written: int = 0, written_1h: int = 0
) -> Decimal | None:
    """Return the list price of one call in US dollars, to a millionth, or None if it is not known.

    `provider` is the address of the server or genai-prices' name of the provider; at an address that is nobody's the
    price is that of the model's maker. `written` of the tokens in went into a cache, `written_1h` of these for an hour.
    Some prices depend on the size of a call, so that of many calls is their sum. Blocks for a quarter second at first:
    see `load`.
    """
    if usage.tokens_in is None or usage.tokens_out is None:
        return None
    prices = load()
    tokens = prices.Usage(
        input_tokens=usage.tokens_in,
        output_tokens=usage.tokens_out,
        cache_read_tokens=usage.tokens_cached,
        cache_write_tokens=written,
        cache_write_1h_tokens=written_1h,
    )
    for whose in _ways(provider):
        try:
            found = prices.calc_price(tokens, model, **whose)
        except (LookupError, ValueError):  # not listed, or counts that contradict each other
            continue
        if _is_listed(found.model_price, usage) or model.endswith(":free"):
            return Decimal(found.total_price).quantize(MILLIONTH)
    return None


def load() -> Any:
    """Import the list of prices: a quarter second and some 15 MB, for nobody who does not ask."""
    import genai_prices  # noqa: PLC0415 - see above

    return genai_prices


def _ways(provider: str | None) -> list[dict[str, str]]:
    if provider is None:
        return [{"provider_id": ANY_PROXY}]
    if "://" in provider:
        return [{"provider_api_url": provider}, {"provider_id": ANY_PROXY}]
    return [{"provider_id": provider}]


def _is_listed(prices: Any, usage: Usage) -> bool:
    """Tell a price of zero from a model that is listed without one."""
    needed = {"input_mtok": usage.tokens_in, "output_mtok": usage.tokens_out}
    return all(getattr(prices, name, None) is not None for name, tokens in needed.items() if tokens)
