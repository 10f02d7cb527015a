"""The events queue over SQS FIFO."""

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from secrets import token_hex
from typing import Any

from app.domain.envelope import DeadLetter, Envelope, Source
from app.domain.errors import Permanent, Retryable
from app.log import log
from app.ports import Backlog, Clock, Store
from infra.aws.clients import Clients
from infra.aws.dead import Dead, DeadLetters
from infra.aws.messages import LARGEST, decode, key_in, key_of_large, message_of, pointer_to
from infra.aws.objects import Objects
from infra.aws.sqs import POLL_SECONDS, Held, Message, SqsQueue
from infra.packing import pack, unpack

FAILURES = "failures/events"
"""The partition of the store that counts failures, by the id that SQS gave a message."""
MOST_RECEIVES = 900
"""Before SQS takes a message away by itself, which it may after 1,000 receipts, it is set aside where people see it."""
SUSPECT = 10
"""Receipts after which it counts as a failure that whoever had the message was lost: it may be what kills them."""
KEPT = timedelta(days=14)
"""The longest that SQS keeps a message."""


class SqsEventQueue:
    """Implement `app.ports.EventQueue` over a FIFO queue whose dedupe scope is the message group.

    SQS tells nobody what it took before, forgets it after five minutes though it may still wait, and remembers it so
    long though it was set aside: `send` always says True. What is too large for a message lies in the bucket.
    """

    def __init__(
        self,
        clients: Clients,
        address: str,
        bucket: str,
        store: Store,
        clock: Clock,
        *,
        lease_seconds: float,
        max_failures: int,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self.sqs = SqsQueue(clients, address, clock, lease_seconds, poll_seconds)
        self.objects = Objects(clients, bucket)
        self.dead = DeadLetters(clients, bucket, "events")
        self.max_failures = max_failures
        self._store, self._clock = store, clock

    async def send(self, envelope: Envelope) -> bool:
        await self._put(message_of(envelope))
        return True

    async def receive(self, wait: float) -> "SqsLease | None":
        return await self.sqs.receive(wait, self._open)

    async def lease_of(self, message: Mapping[str, Any]) -> "SqsLease | None":
        """Lease a message that was received elsewhere: as ReceiveMessage returns it, or an event of Lambda holds it.

        None if it is not to be handled now: its time has not come, or it was set aside because nobody can read it.
        Nobody but the lease may take it off the queue.
        """
        return await self.sqs.opened(Message.read(message), self._open)

    async def dead_letters(self) -> Sequence[DeadLetter]:
        return [_letter(dead) for dead in await self.dead.all()]

    async def redrive(self, envelope_id: str) -> bool:
        """Put a dead letter back. One that was sent again meanwhile comes twice."""
        found = await self.dead.of(envelope_id)
        for dead in found:
            # another dedupe id, for SQS may remember that of the first time
            await self._put({**_message(dead), "MessageDeduplicationId": token_hex(16)})
            await self.dead.remove(dead)
        return bool(found)

    async def depth(self) -> int:
        return await self.sqs.depth()

    async def backlog(self) -> Backlog:
        """Count as SQS does: what was released for later is in flight, what waits for another of its group waits."""
        return await self.sqs.counts()

    def stop(self) -> None:
        self.sqs.stop()

    async def count(self, message: Message, failures: int, ended: int) -> None:
        """Remember how often the handling of a message failed, and which receipt was the last to be ended in order."""
        body = {"failures": failures, "ended": ended}
        await self._store.commit(FAILURES, {message.id: body}, expires={message.id: self._clock.now() + KEPT})

    async def let_go(self, held: Held, failures: int, delay: float) -> None:
        """Give a message back, and note that this was no loss where losses count."""
        if held.message.receives >= SUSPECT:
            await held.hold()  # it is noted only by who holds it
            await self.count(held.message, failures, held.message.receives)
        await held.give_back(delay)

    async def _put(self, message: Mapping[str, Any]) -> None:
        text = str(message["MessageBody"])
        if len(text) > LARGEST:
            key = key_of_large(text)
            await self.objects.put(key, text.encode())
            message = {**message, "MessageBody": pointer_to(key)}
        await self.sqs.call("send_message", **message)

    async def _open(self, held: Held) -> "SqsLease | None":
        failures, is_new = await self._failures(held.message)
        if is_new:
            await self.count(held.message, failures, held.message.receives - 1)
        try:
            envelope = unpack(decode(await self._text(held.message)))
        except ValueError as error:
            await self._bury_unreadable(held, f"Unreadable: {error}", failures)
            return None
        left = (envelope.not_before - self._clock.now()) / timedelta(seconds=1) if envelope.not_before else 0
        if left > 0:
            await self.let_go(held, failures, math.ceil(left))
            return None
        lease = SqsLease(envelope, failures, held.message.receives, held, self)
        if failures < self.max_failures and lease.receives <= MOST_RECEIVES:
            return lease
        why = f"it was received {lease.receives} times, and its handling neither ended nor failed"
        if failures >= self.max_failures:
            why = f"whoever handled it was lost again and again, {lease.receives - 1} times at most"
        await lease.bury(why)
        log().error("dead-lettered", dead=True, delivery=envelope.id, group=envelope.group, reason=why)
        return None

    async def _failures(self, message: Message) -> tuple[int, bool]:
        """Look how often it failed; one that is received for the first time has not.

        The second is whether one is to be added: SQS gave it away before, and that was never ended.
        """
        counted = await self._store.get(FAILURES, message.id) if message.receives > 1 else None
        failures, ended = (counted.body["failures"], counted.body["ended"]) if counted else (0, 0)
        is_new = message.receives > SUSPECT and ended < message.receives - 1
        return failures + is_new, is_new

    async def _text(self, message: Message) -> str:
        key = key_in(message.text)
        if key is None:
            return message.text
        text = await self.objects.get(key)
        if text is None:
            raise ValueError(f"{key} is not in the bucket any more")
        return text.decode()

    async def _bury_unreadable(self, held: Held, reason: str, failures: int) -> None:
        message = held.message
        died_at = self._clock.now()
        await held.hold()
        await self.dead.keep(Dead(message.group, message.id, message.text.encode(), reason, failures, died_at))
        await held.delete()


@dataclass(slots=True)
class SqsLease:
    """Implement `app.ports.Lease`."""

    item: Envelope
    failures: int
    receives: int
    held: Held
    queue: SqsEventQueue

    @property
    def acked(self) -> bool:
        """Whether the message is off the queue: acknowledged, or set aside."""
        return self.held.gone

    async def extend(self, seconds: float) -> None:
        await self.held.hold(seconds)

    async def ack(self) -> None:
        await self.held.delete()
        await self._forget_text()

    async def release(self, delay: float = 0) -> None:
        await self.queue.let_go(self.held, self.failures, delay)

    async def fail(self, reason: str, delay: float = 0) -> bool:
        failures = self.failures + 1
        if failures >= self.queue.max_failures:
            await self._bury(reason, failures)
            return True
        await self.held.hold()  # it is counted only by who holds it
        await self.queue.count(self.held.message, failures, self.receives)
        await self.held.give_back(delay)
        return False

    async def bury(self, reason: str) -> None:
        await self._bury(reason, self.failures)

    async def _bury(self, reason: str, failures: int) -> None:
        await self.held.hold()  # as above
        died_at = self.held.queue.clock.now()
        packed = pack(self.item)
        await self.queue.dead.put(Dead(self.item.group, self.item.id, packed, reason, failures, died_at))
        await self.held.delete()
        await self._forget_text()

    async def _forget_text(self) -> None:
        if key := key_in(self.held.message.text):
            with suppress(Retryable, Permanent):  # the bucket forgets what is old by itself
                await self.queue.objects.delete(key)


def _message(dead: Dead) -> dict[str, str]:
    """Return what is to be sent again; what cannot be read goes back as it came."""
    try:
        return message_of(unpack(dead.body))
    except ValueError:
        return {"MessageBody": dead.body.decode(), "MessageGroupId": dead.group}


def _letter(dead: Dead) -> DeadLetter:
    return DeadLetter(envelope=_envelope(dead), reason=dead.reason, failures=dead.failures, died_at=dead.died_at)


def _envelope(dead: Dead) -> Envelope:
    """Read the envelope; one that cannot be read is shown by what is known of it."""
    try:
        return unpack(dead.body)
    except ValueError:
        return Envelope(
            id=dead.id,
            group=dead.group,
            source=Source.ORCH,
            name="unreadable",
            body=dead.body,
            received_at=dead.died_at,
        )
