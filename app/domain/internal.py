"""Orch's own events as envelopes, and back."""

from datetime import datetime, timedelta

from pydantic import ValidationError

from app.domain.envelope import Envelope, Source
from app.domain.errors import Unparsable
from app.domain.events import EVENT, Event


def enclose(event: Event, identity: str, now: datetime, delay: float = 0, source: Source = Source.ORCH) -> Envelope:
    """Put an event into an envelope for its group; one with a delay waits in a group of its own first."""
    return Envelope(
        id=identity,
        group=f"later/{identity}" if delay else event.group,
        source=source,
        name=event.type,
        body=EVENT.dump_json(event),
        received_at=now,
        not_before=now + timedelta(seconds=delay) if delay else None,
    )


def disclose(envelope: Envelope) -> Event:
    """Take an internal event out of its envelope; raises Unparsable."""
    try:
        return EVENT.validate_json(envelope.body)
    except ValidationError as error:
        raise Unparsable(f"internal event {envelope.name}: {error.error_count()} fields do not fit") from error
