"""How a run ended."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from app.domain.base import Value


class Outcome(StrEnum):
    """The ways a run can end that Orch tells apart."""

    DELIVERED = "delivered"
    NO_CHANGE = "no_change"
    AGENT_FAILED = "agent_failed"
    STALLED = "stalled"
    TIMED_OUT = "timed_out"
    BUDGET_SPENT = "budget_spent"
    PROVIDER_LIMITED = "provider_limited"
    CANCELLED = "cancelled"
    INFRASTRUCTURE_FAILED = "infrastructure_failed"


class Usage(Value):
    """What a run consumed. None is unknown, which is neither zero nor free. `cost` is in US dollars.

    `tokens_in` holds those that were read from a cache, too; `tokens_cached` is how many these are.
    """

    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_cached: int | None = None
    cost: Decimal | None = None


class RunResult(Value):
    """What a runner reports when a run has ended; `head_sha` is what it pushed to the run ref."""

    outcome: Outcome
    reason: str
    agent: str
    model: str | None = None
    head_sha: str | None = None
    usage: Usage = Usage()
    text: str = ""
    started_at: datetime
    ended_at: datetime
