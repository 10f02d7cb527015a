"""A queue of SQS as Orch's queues use theirs: polls that end when told to, and messages held by receipt handles."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, TypeVar

from app.domain.errors import Permanent, Retryable
from app.ports import Backlog, Clock, LeaseLost
from infra.aws.clients import Clients, RefusedByAws

POLL_SECONDS = 5.0
"""How long a poll may last, and so how long a stop may take. One that polls for a month makes half a million calls."""
LONGEST_POLL = 20
LONGEST_HOLD = 12 * 3600
"""SQS holds no message for longer, counted from its receipt."""
ATTRIBUTES = ("ApproximateReceiveCount", "MessageGroupId", "SentTimestamp")
COUNTS = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)
AGAIN = 5.0
"""Seconds until a message is tried again that could not be opened."""
LOST = {"MessageNotInflight", "ReceiptHandleIsInvalid"}


T = TypeVar("T")
Opener = Callable[["Held"], Awaitable[T | None]]


@dataclass(frozen=True, slots=True)
class Message:
    """A message that was received. `sent_at` is in seconds since the epoch; only a FIFO queue has groups."""

    id: str
    handle: str
    text: str
    group: str
    receives: int
    sent_at: float

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> "Message":
        """Read one in the spelling of ReceiveMessage, or of the event of a Lambda function."""
        said = {name[:1].lower() + name[1:]: value for name, value in raw.items()}
        attributes = said.get("attributes", {})
        return cls(
            id=said["messageId"],
            handle=said["receiptHandle"],
            text=said["body"],
            group=attributes.get("MessageGroupId", ""),
            receives=int(attributes.get("ApproximateReceiveCount", 1)),
            sent_at=int(attributes.get("SentTimestamp", 0)) / 1000,
        )


class SqsQueue:
    """One queue by its address. Times are in seconds."""

    def __init__(
        self, clients: Clients, address: str, clock: Clock, lease_seconds: float, poll_seconds: float = POLL_SECONDS
    ) -> None:
        self.clock, self.lease_seconds = clock, lease_seconds
        self._clients, self._address = clients, address
        self._poll_seconds = min(poll_seconds, LONGEST_POLL)
        self._turn = asyncio.Lock()
        self._abandoned = set[asyncio.Task[None]]()
        self._stopped = False

    async def call(self, operation: str, *, waits: bool = False, **arguments: Any) -> dict[str, Any]:
        """Call an operation on the queue."""
        return await self._clients.call("sqs", operation, waits=waits, QueueUrl=self._address, **arguments)

    async def receive(self, wait: float, opener: Opener[T]) -> T | None:
        """Receive a message that can be opened, waiting up to `wait` or until `stop`."""
        ends = monotonic() + wait
        while (message := await self._next(ends - monotonic())) is not None:
            if (opened := await self.opened(message, opener)) is not None:
                return opened
        return None

    async def opened(self, message: Message, opener: Opener[T]) -> T | None:
        """Open a message; one that is not, because the opener raises, is given back."""
        held = Held(self, message)
        try:
            return await opener(held)
        except LeaseLost:
            return None
        except asyncio.CancelledError:
            await held.try_to_give_back(0)
            raise
        except Exception:
            await held.try_to_give_back(AGAIN)
            raise

    async def depth(self) -> int:
        """Count the messages, roughly."""
        counts = await self.counts()
        return counts.waiting + counts.in_flight + counts.later

    async def counts(self) -> Backlog:
        """Count the messages as SQS does: roughly, and one that was released for later as one in flight."""
        answer = await self.call("get_queue_attributes", AttributeNames=list(COUNTS))
        waiting, held, later = (int(answer["Attributes"].get(name, 0)) for name in COUNTS)
        return Backlog(waiting=waiting, in_flight=held, later=later)

    def stop(self) -> None:
        """End the waiting of every `receive` when its poll ends; what that still gets is released."""
        self._stopped = True

    async def _next(self, wait: float) -> Message | None:
        """Receive a message. Of all who wait, one polls: many who wait pay for as many calls as one does."""
        if wait <= 0:
            return await self._poll(0)
        ends = monotonic() + wait
        while not self._stopped and (left := ends - monotonic()) > 0:
            if not await self._has_turn(left):
                break
            try:
                message = await self._poll(max(1, math.ceil(min(ends - monotonic(), self._poll_seconds))))
            finally:
                self._turn.release()
            if message is not None:
                return message
        return None

    async def _has_turn(self, wait: float) -> bool:
        try:
            async with asyncio.timeout(wait):
                return await self._turn.acquire()
        except TimeoutError:
            return False

    async def _poll(self, seconds: int) -> Message | None:
        """Poll once. The call cannot be cancelled: what it gets for a caller who is gone is released."""
        if self._stopped:
            return None
        polling = asyncio.create_task(self._receive(seconds))
        try:
            message = await asyncio.shield(polling)
        except asyncio.CancelledError:
            self._abandon(polling)
            raise
        if message is not None and seconds and self._stopped:
            await Held(self, message).try_to_give_back(0)
            return None
        return message

    async def _receive(self, seconds: int) -> Message | None:
        answer = await self.call(
            "receive_message",
            waits=True,
            MaxNumberOfMessages=1,  # a second of a group would have to wait for the first, with its time running
            WaitTimeSeconds=seconds,
            VisibilityTimeout=math.ceil(self.lease_seconds),
            MessageSystemAttributeNames=list(ATTRIBUTES),
        )
        messages = answer.get("Messages", ())
        return Message.read(messages[0]) if messages else None

    def _abandon(self, polling: asyncio.Task[Message | None]) -> None:
        async def give_back() -> None:
            with suppress(Retryable, Permanent):
                if message := await polling:
                    await Held(self, message).try_to_give_back(0)

        task = asyncio.create_task(give_back())
        self._abandoned.add(task)
        task.add_done_callback(self._abandoned.discard)


@dataclass(slots=True)
class Held:
    """A message in flight.

    SQS tells only of some handles that they have expired: for a standard queue it deletes what somebody else holds by
    now, and says so to nobody. So the time is kept here too. Methods raise LeaseLost.
    """

    queue: SqsQueue
    message: Message
    received: datetime = field(init=False)
    until: datetime = field(init=False)
    ended: bool = False
    gone: bool = False
    """Whether the message was taken off the queue by this."""

    def __post_init__(self) -> None:
        self.received = self.queue.clock.now()
        self.until = self.received + timedelta(seconds=self.queue.lease_seconds)

    def require(self) -> None:
        """Raise LeaseLost unless the message is held, as far as can be known here."""
        if self.ended or self.queue.clock.now() >= self.until:
            raise LeaseLost

    async def hold(self, seconds: float | None = None) -> None:
        """Hold it for so long from now, a lease's time if nothing is said; SQS ends that 12 hours after its receipt."""
        now = self.queue.clock.now()
        seconds = self._allowed(self.queue.lease_seconds if seconds is None else seconds)
        await self._change(seconds)
        self.until = now + timedelta(seconds=seconds)

    async def give_back(self, delay: float) -> None:
        """Have it received again after so long; at the latest 12 hours after its receipt."""
        await self._change(self._allowed(delay))
        self.ended = True

    async def try_to_give_back(self, delay: float) -> None:
        """Give it back if that can be done: its time ends anyhow."""
        with suppress(LeaseLost, Retryable, Permanent):
            await self.give_back(delay)

    async def delete(self) -> None:
        """Take it off the queue."""
        self.require()
        await self._told("delete_message")
        self.ended = self.gone = True

    def _allowed(self, seconds: float) -> int:
        over = (self.queue.clock.now() - self.received) / timedelta(seconds=1)
        # a second less than SQS allows: its count began before ours
        return max(0, min(math.ceil(seconds), math.floor(LONGEST_HOLD - 1 - over)))

    async def _change(self, seconds: int) -> None:
        self.require()
        await self._told("change_message_visibility", VisibilityTimeout=seconds)

    async def _told(self, operation: str, **arguments: Any) -> None:
        try:
            await self.queue.call(operation, ReceiptHandle=self.message.handle, **arguments)
        except RefusedByAws as error:
            if is_lost(error):
                raise LeaseLost from error
            raise


def is_lost(error: RefusedByAws) -> bool:
    """Tell whether SQS refuses a handle. It says so in several ways, a FIFO queue of its expired ones in the last."""
    code = error.code.rpartition(".")[2]
    return code in LOST or (code == "InvalidParameterValue" and "ReceiptHandle" in str(error))
