"""A queue around another: what it does not do itself is done by that."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from app.ports import Backlog, Lease

Item = TypeVar("Item")
Dead_co = TypeVar("Dead_co", covariant=True)


class Queue(Protocol[Item, Dead_co]):
    """What `app.ports.EventQueue` and `app.ports.JobQueue` have in common."""

    async def send(self, item: Item, /) -> bool: ...
    async def receive(self, wait: float) -> Lease[Item] | None: ...
    async def dead_letters(self) -> Sequence[Dead_co]: ...
    async def redrive(self, item_id: str, /) -> bool: ...
    async def depth(self) -> int: ...
    async def backlog(self) -> Backlog: ...
    def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class AroundQueue(Generic[Item, Dead_co]):
    """Implement either port by another queue; each method may be overridden."""

    queue: Queue[Item, Dead_co]

    async def send(self, item: Item) -> bool:
        return await self.queue.send(item)

    async def receive(self, wait: float) -> Lease[Item] | None:
        return await self.queue.receive(wait)

    async def dead_letters(self) -> Sequence[Dead_co]:
        return await self.queue.dead_letters()

    async def redrive(self, item_id: str) -> bool:
        return await self.queue.redrive(item_id)

    async def depth(self) -> int:
        return await self.queue.depth()

    async def backlog(self) -> Backlog:
        return await self.queue.backlog()

    def stop(self) -> None:
        self.queue.stop()
