"""What lies on the events queue."""

from datetime import datetime
from enum import StrEnum

from app.domain.base import Value


class Source(StrEnum):
    """Where an envelope came from: a verified webhook, Orch itself, or its look for what was missed."""

    GITHUB = "github"
    ORCH = "orch"
    SWEEP = "sweep"


class Envelope(Value):
    """A verified raw webhook or an internal event.

    `id` is `X-GitHub-Delivery` for a webhook (the same on a redelivery) and derived from its cause for
    an internal event. `name` is `X-GitHub-Event` or the event's type. `not_before` makes it wait, in a group
    that nothing else waits in. `trace` is the `traceparent` (W3C Trace Context) of what it belongs to, if that is
    traced.
    """

    id: str
    group: str
    source: Source
    name: str
    body: bytes
    received_at: datetime
    not_before: datetime | None = None
    trace: str | None = None


class DeadLetter(Value):
    """An envelope that was set aside, and why."""

    envelope: Envelope
    reason: str
    failures: int
    died_at: datetime
