"""The events queue in SQLite."""

from collections.abc import Sequence
from datetime import UTC, datetime

from app.domain.envelope import DeadLetter, Envelope, Source
from app.ports import Backlog, Clock, Lease
from infra.packing import pack, unpack
from infra.sqlite.database import Database
from infra.sqlite.lanes import Dead
from infra.sqlite.queue import Queue, Terms

DEDUPE_SECONDS = 300.0


class SqliteEventQueue:
    """Implement `app.ports.EventQueue` in a durable database of the schema `QUEUE`."""

    def __init__(
        self, database: Database, clock: Clock, *, lease_seconds: float, max_failures: int, poll_seconds: float = 0.1
    ) -> None:
        terms = Terms(lease_seconds, max_failures, DEDUPE_SECONDS, poll_seconds)
        self._queue = Queue(database, clock, "events", terms, unpack)

    async def send(self, envelope: Envelope) -> bool:
        not_before = envelope.not_before.timestamp() if envelope.not_before else 0
        return await self._queue.send(envelope.group, envelope.id, pack(envelope), not_before)

    async def receive(self, wait: float) -> Lease[Envelope] | None:
        return await self._queue.receive(wait)

    async def dead_letters(self) -> Sequence[DeadLetter]:
        return [_letter(dead) for dead in await self._queue.dead()]

    async def redrive(self, envelope_id: str) -> bool:
        return await self._queue.redrive(envelope_id)

    async def depth(self) -> int:
        return await self._queue.depth()

    async def backlog(self) -> Backlog:
        return await self._queue.backlog()

    def stop(self) -> None:
        """End the waiting of every `receive`, now and from now on; what one is just taking it still returns."""
        self._queue.stop()


def _letter(dead: Dead) -> DeadLetter:
    died_at = datetime.fromtimestamp(dead.died, UTC)
    return DeadLetter(envelope=_envelope(dead, died_at), reason=dead.reason, failures=dead.failures, died_at=died_at)


def _envelope(dead: Dead, died_at: datetime) -> Envelope:
    """Read the envelope; one that cannot be read is shown by what is known of it."""
    try:
        return unpack(dead.body)
    except ValueError:
        return Envelope(
            id=dead.id, group=dead.lane, source=Source.ORCH, name="unreadable", body=dead.body, received_at=died_at
        )
