"""What the two queues share: leases, failures, and waiting for something to receive."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from sqlite3 import Connection
from typing import Generic, TypeVar

from app.ports import Backlog, Clock, LeaseLost
from infra.sqlite import lanes
from infra.sqlite.database import Database
from infra.sqlite.lanes import Dead, Held, Message

Item = TypeVar("Item")
T = TypeVar("T")
Change = Callable[[Connection, float], T]


@dataclass(frozen=True, slots=True)
class Terms:
    """What a queue grants. Times are in seconds.

    `lease` is how long a received message is held, `max_failures` how many bury it, `window` how long an id
    stays taken after it was accepted, `poll` how often to look for what other processes did.
    """

    lease: float
    max_failures: int
    window: float = 0
    poll: float = 0.1


class Queue(Generic[Item]):
    """One named queue of a database, of items that are bytes on disk."""

    def __init__(
        self, database: Database, clock: Clock, name: str, terms: Terms, decode: Callable[[bytes], Item]
    ) -> None:
        self.terms = terms
        self._database = database
        self._clock = clock
        self._name = name
        self._decode = decode
        self._bell = asyncio.Event()
        self._stopped = False

    async def send(self, lane: str, message_id: str, body: bytes, not_before: float = 0) -> bool:
        """Add a message to the end of its lane; False if it was taken before."""

        def accept(connection: Connection, now: float) -> bool:
            message = Message(self._name, lane, message_id, body, max(now, not_before))
            return lanes.accept(connection, message, now)

        return await self.change(accept, lasting=True)

    async def receive(self, wait: float) -> "QueueLease[Item] | None":
        """Lease what has been due longest, waiting up to `wait` seconds or until `stop`."""
        deadline = self._now() + wait
        while not self._stopped:
            bell = self._bell
            taken = await self._take()
            if isinstance(taken, Held):
                if lease := await self._open(taken):
                    return lease
                continue
            now = self._now()
            if now >= deadline:
                break
            due = deadline if taken is None else taken
            await self._sleep(min(deadline, due, now + self.terms.poll) - now, bell)
        return None

    def stop(self) -> None:
        """End the waiting of every `receive`, now and from now on; what one is just taking it still returns."""
        self._stopped = True
        self._ring()

    async def change(self, operation: Change[T], *, lasting: bool = False) -> T:
        """Write, and wake those who wait to receive.

        What was sent must outlast the power. What becomes of it afterwards need not: if that is lost, the message is
        received again, and nobody is left who holds it.
        """
        try:
            return await self._database.write(self._timed(operation), lasting=lasting)
        finally:
            self._ring()

    async def dead(self) -> list[Dead]:
        """List what was set aside, the first to die first."""
        return await self._database.read(partial(lanes.dead_of, queue=self._name))

    async def redrive(self, message_id: str) -> bool:
        """Put the dead of that id back; False if there is none."""
        return await self.change(
            lambda connection, now: lanes.redrive(connection, self._name, message_id, now), lasting=True
        )

    async def depth(self) -> int:
        """Count what waits or is in flight."""
        return await self._database.read(partial(lanes.depth, queue=self._name))

    async def backlog(self) -> Backlog:
        """Count what waits, is in flight, and may not be received yet."""
        now = self._now()
        held = await self._database.read(partial(lanes.backlog, queue=self._name, now=now))
        return Backlog(held.waiting, held.in_flight, held.later, held.oldest)

    async def _take(self) -> Held | float | None:
        taking = self._database.submit(
            self._timed(lambda connection, now: lanes.take(connection, self._name, now, now + self.terms.lease)),
            lasting=False,
        )
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            taking.add_done_callback(self._give_back)
            raise

    def _give_back(self, taking: asyncio.Future[Held | float | None]) -> None:
        """Release what was taken for a caller who is gone."""
        if taking.exception() is not None or not isinstance(held := taking.result(), Held):
            return

        def give_back(connection: Connection, now: float) -> None:
            with suppress(LeaseLost):
                lanes.give_back(connection, held, now, now, held.failures)

        self._database.submit(self._timed(give_back), lasting=False).add_done_callback(lambda _: self._ring())

    async def _open(self, held: Held) -> "QueueLease[Item] | None":
        """Make the lease; what cannot be read is set aside, or it would block its lane for ever."""
        try:
            return QueueLease(self._decode(held.body), held.failures, held.receives, held, self)
        except ValueError as error:
            reason = f"Unreadable: {error}"
        with suppress(LeaseLost):
            await self.change(lambda connection, now: lanes.bury(connection, held, now, reason, held.failures))
        return None

    async def _sleep(self, seconds: float, bell: asyncio.Event) -> None:
        waiting = [asyncio.create_task(bell.wait()), asyncio.create_task(self._clock.sleep(seconds))]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()

    def _ring(self) -> None:
        self._bell.set()
        self._bell = asyncio.Event()

    def _timed(self, operation: Change[T]) -> Callable[[Connection], T]:
        """Read the clock when the write lock is held: waiting for it must not shorten a lease."""
        return lambda connection: operation(connection, self._now())

    def _now(self) -> float:
        return self._clock.now().timestamp()


@dataclass(frozen=True, slots=True)
class QueueLease(Generic[Item]):
    """Implement `app.ports.Lease`."""

    item: Item
    failures: int
    receives: int
    held: Held
    queue: Queue[Item]

    async def extend(self, seconds: float) -> None:
        await self.queue.change(lambda connection, now: lanes.extend(connection, self.held, now, now + seconds))

    async def ack(self) -> None:
        window = self.queue.terms.window
        await self.queue.change(lambda connection, now: lanes.remove(connection, self.held, now, window))

    async def release(self, delay: float = 0) -> None:
        await self._give_back(delay, self.failures)

    async def fail(self, reason: str, delay: float = 0) -> bool:
        failures = self.failures + 1
        if failures < self.queue.terms.max_failures:
            await self._give_back(delay, failures)
            return False
        await self._bury(reason, failures)
        return True

    async def bury(self, reason: str) -> None:
        await self._bury(reason, self.failures)

    async def _give_back(self, delay: float, failures: int) -> None:
        await self.queue.change(
            lambda connection, now: lanes.give_back(connection, self.held, now, now + delay, failures)
        )

    async def _bury(self, reason: str, failures: int) -> None:
        await self.queue.change(lambda connection, now: lanes.bury(connection, self.held, now, reason, failures))
