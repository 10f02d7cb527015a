"""Read the last word of Claude Code: how a run ended, and what it used."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from runner.agents.base import Ended, EndStatus, Limited, UsageReport
from runner.agents.reading import amount, count, mapping, number, text

_LIMITED_STATUSES = (429, 529)
_LIMITED_ERRORS = ("rate_limit", "overloaded", "billing_error")


def used(said: dict[str, Any], before: Decimal | None) -> UsageReport:
    """Report what a run used by its result, `before` being what its session had cost until then.

    `total_cost_usd` counts the whole session, and `usage` misses a call that was cut off; so both come second.
    """
    models = [mapping(each) for each in mapping(said.get("model_usage_since_last_result")).values()]
    if models:
        return _sum_of(models)
    usage = mapping(said.get("usage"))
    cached = count(usage.get("cache_read_input_tokens"))
    return UsageReport(
        tokens_in=_sum(count(usage.get("input_tokens")), cached, count(usage.get("cache_creation_input_tokens"))),
        tokens_out=count(usage.get("output_tokens")),
        tokens_cached=cached,
        cost=_difference(amount(said.get("total_cost_usd")), before),
    )


def limits(said: dict[str, Any]) -> Iterator[Limited]:
    """Tell until when the account's limit is reached; that it is near means nothing yet."""
    info = mapping(said.get("rate_limit_info"))
    until = number(info.get("resetsAt"))
    if info.get("status") == "rejected" and until:
        yield Limited(until)


def ending(said: dict[str, Any], error: str) -> Ended:
    """Judge a result by `is_error`, `error` being the kind of the error that the agent told of just before.

    An exhausted 429 has the subtype `success`, and an interrupted run the exit code 0.
    """
    if said.get("is_error") is False and said.get("subtype") == "success":
        return Ended(EndStatus.COMPLETED, "completed")
    return Ended(_failure(said, error), _reason(said))


def _failure(said: dict[str, Any], error: str) -> EndStatus:
    match said.get("subtype"):
        case "error_max_turns":
            return EndStatus.LIMIT_REACHED
        case "error_max_budget_usd":
            return EndStatus.BUDGET_SPENT
    if said.get("api_error_status") in _LIMITED_STATUSES or error in _LIMITED_ERRORS:
        return EndStatus.PROVIDER_LIMITED
    if text(said.get("terminal_reason")).startswith("aborted"):
        return EndStatus.CANCELLED
    return EndStatus.FAILED


def _reason(said: dict[str, Any]) -> str:
    if text(said.get("terminal_reason")).startswith("aborted"):
        return "it was interrupted"
    errors = said.get("errors")
    told = [each for each in errors if isinstance(each, str)] if isinstance(errors, list) else []
    return text(said.get("result")) or "; ".join(told) or text(said.get("subtype")) or "it ended with an error"


def _sum_of(models: list[dict[str, Any]]) -> UsageReport:
    def total(*fields: str) -> int | None:
        return _sum(*(count(model.get(field)) for model in models for field in fields))

    costs = [amount(model.get("costUSD")) for model in models]
    return UsageReport(
        tokens_in=total("inputTokens", "cacheReadInputTokens", "cacheCreationInputTokens"),
        tokens_out=total("outputTokens"),
        tokens_cached=total("cacheReadInputTokens"),
        cost=None if None in costs else sum((cost for cost in costs if cost is not None), Decimal(0)),
    )


def _sum(*counts: int | None) -> int | None:
    known = [each for each in counts if each is not None]
    return sum(known) if len(known) == len(counts) else None


def _difference(total: Decimal | None, before: Decimal | None) -> Decimal | None:
    """Return what a growing total grew by; one that shrank began anew."""
    if total is None or before is None:
        return None
    return total - before if total >= before else total
