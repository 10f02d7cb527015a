"""How a run ended."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from app.domain.approvals import AskedCall
from app.domain.base import Value
from app.domain.plan import Plan, Verdict

NOTHING = Decimal(0)


class Outcome(StrEnum):
    """The ways a run can end that Orch tells apart."""

    DELIVERED = "delivered"
    ANSWERED = "answered"
    REVIEWED = "reviewed"
    PLANNED = "planned"
    CHECKED = "checked"
    NO_CHANGE = "no_change"
    AGENT_FAILED = "agent_failed"
    STALLED = "stalled"
    TIMED_OUT = "timed_out"
    BUDGET_SPENT = "budget_spent"
    APPROVAL_NEEDED = "approval_needed"
    PROVIDER_LIMITED = "provider_limited"
    CANCELLED = "cancelled"
    INFRASTRUCTURE_FAILED = "infrastructure_failed"


SUCCEEDED = (Outcome.DELIVERED, Outcome.ANSWERED, Outcome.REVIEWED, Outcome.PLANNED, Outcome.CHECKED)
GO_ON = (
    Outcome.TIMED_OUT,
    Outcome.STALLED,
    Outcome.BUDGET_SPENT,
    Outcome.APPROVAL_NEEDED,
    Outcome.PROVIDER_LIMITED,
    Outcome.CANCELLED,
)
"""Ends after which an agent's session is worth going on with."""


class Usage(Value):
    """What a run consumed. None is unknown, which is neither zero nor free. `cost` is in US dollars.

    `tokens_in` holds those that were read from a cache, too; `tokens_cached` is how many these are.
    """

    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_cached: int | None = None
    cost: Decimal | None = None


def total(usages: Iterable[Usage]) -> Usage:
    """Add up; what is unknown of one is unknown of all, and nothing added is nothing used."""
    each = list(usages)
    return Usage(
        tokens_in=_sum(usage.tokens_in for usage in each),
        tokens_out=_sum(usage.tokens_out for usage in each),
        tokens_cached=_sum(usage.tokens_cached for usage in each),
        cost=None
        if any(usage.cost is None for usage in each)
        else sum((usage.cost or NOTHING for usage in each), NOTHING),
    )


def _sum(counts: Iterable[int | None]) -> int | None:
    known = list(counts)
    return None if None in known else sum(count or 0 for count in known)


class ThreadReply(Value):
    """What a run did about a review thread; `resolved` says that it was seen to be done."""

    thread: str
    text: str
    resolved: bool


class RunResult(Value):
    """What a runner reports when a run has ended.

    `head_sha` is what it pushed to the run ref: the delivery, or else work that is not finished. `session` is what the
    agent can go on with, `asked` the call for which it needs a person's leave. `delivered` are the keys of the
    instructions that its agent was told, `replies` what is to be answered in review threads. `plan` and `verdict` are
    what a planning and an integration run found, `touched` the paths that a delivery changed (at most 200).
    `limited_until` is when the agent's provider takes calls again, as far as that was told.
    """

    outcome: Outcome
    reason: str
    agent: str
    model: str | None = None
    head_sha: str | None = None
    usage: Usage = Usage()
    text: str = ""
    session: str | None = None
    asked: AskedCall | None = None
    delivered: tuple[str, ...] = ()
    replies: tuple[ThreadReply, ...] = ()
    plan: Plan | None = None
    verdict: Verdict | None = None
    touched: tuple[str, ...] = ()
    limited_until: datetime | None = None
    started_at: datetime
    ended_at: datetime
