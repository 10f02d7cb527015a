"""The price of a call: by the list that came with the installation, or not known."""

import subprocess
import sys
from decimal import Decimal

import pytest

from app.domain.outcomes import Usage
from runner.prices import price

USAGE = Usage(tokens_in=1200, tokens_out=50, tokens_cached=200)
ANTHROPIC = "https://api.anthropic.com"
MODEL = "claude-opus-5-5"


def test_tokens_from_a_cache_are_among_those_read() -> None:
    assert price(MODEL, USAGE, ANTHROPIC) == Decimal("0.005040")


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        (MODEL, None),
        (MODEL, "anthropic"),
        (f"{MODEL}-20261101", ANTHROPIC),
        (MODEL, "http://127.0.0.1:4000"),
        (f"anthropic/{MODEL}", "https://proxy.example.com/v1"),
        ("anthropic/claude-opus-5.5", "https://openrouter.ai/api/v1"),
    ],
)
def test_a_model_has_its_price_wherever_it_is_served(model: str, provider: str | None) -> None:
    assert price(model, USAGE, provider) == Decimal("0.005040")


@pytest.mark.parametrize(("model", "provider"), [("gpt-5.5", "openai"), ("gemini-3.8-flash", "google")])
def test_each_provider_has_prices_of_its_own(model: str, provider: str) -> None:
    found = price(model, USAGE, provider)
    assert found is not None
    assert 0 < found < Decimal("0.01")


def test_what_goes_into_a_cache_costs_more_and_for_an_hour_more_still() -> None:
    plain, short, long = (
        price(MODEL, USAGE, ANTHROPIC, written=written, written_1h=hour)
        for written, hour in ((0, 0), (1000, 0), (1000, 1000))
    )
    assert plain is not None
    assert short == plain + Decimal("0.001")
    assert long == plain + Decimal("0.004")


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("no-such-model", ANTHROPIC),
        ("no-such-model", None),
        ("gpt-oss:20b", "http://localhost:11434/v1"),
        (MODEL, "no-such-provider"),
        ("qwen-3-coder-480b", "cerebras"),
        ("", None),
    ],
    ids=["model", "model of nobody", "local", "provider", "listed without a price", "nameless"],
)
def test_what_is_not_listed_has_no_price(model: str, provider: str | None) -> None:
    assert price(model, USAGE, provider) is None


@pytest.mark.parametrize("usage", [Usage(tokens_in=1), Usage(tokens_out=1), Usage()])
def test_unknown_tokens_have_no_price(usage: Usage) -> None:
    assert price(MODEL, usage, ANTHROPIC) is None


def test_counts_that_contradict_each_other_have_no_price() -> None:
    assert price(MODEL, Usage(tokens_in=1, tokens_out=1, tokens_cached=2), ANTHROPIC) is None


def test_a_free_model_costs_nothing_and_that_is_known() -> None:
    assert price("phi-4-reasoning:free", USAGE, "azure") == 0


def test_a_price_is_rounded_to_a_millionth() -> None:
    assert price(MODEL, Usage(tokens_in=1, tokens_out=0), ANTHROPIC) == Decimal("0.000004")


def test_the_list_is_read_only_when_a_price_is_asked_for() -> None:
    code = "import sys, runner.prices, runner.gateway; sys.exit('genai_prices' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
