"""What the queues set aside, each an object in S3: SQS itself keeps no reason."""

import asyncio
import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.log import log
from infra.aws.clients import Clients
from infra.aws.objects import Objects, name_in_key

AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Dead:
    """A message set aside. `body` is what the queue would have to send again."""

    group: str
    id: str
    body: bytes
    reason: str
    failures: int
    died_at: datetime


class DeadLetters:
    """The dead of one queue (`events` or `jobs`), under `dead/<queue>/`: one for each group and id, the last to die."""

    def __init__(self, clients: Clients, bucket: str, name: str) -> None:
        self._objects = Objects(clients, bucket)
        self._folder = f"dead/{name}/"

    async def put(self, dead: Dead) -> None:
        """Keep it durably before returning."""
        await self._objects.put(self._key(dead), _pack(dead))

    async def keep(self, dead: Dead) -> None:
        """Keep what was never handed to anybody who would say so in the log; its text stays out of that."""
        await self.put(dead)
        log().error("dead-lettered", dead=True, message=dead.id, reason="nobody can read it; `orch queue dlq` says why")

    async def all(self) -> Sequence[Dead]:
        """List all, the first to die first."""
        return await self._read(await self._objects.keys(self._folder))

    async def of(self, message_id: str) -> Sequence[Dead]:
        """List those of an id, one for each group at most, the first to die first."""
        return await self._read(await self._objects.keys(self._folder + name_in_key(message_id) + "/"))

    async def remove(self, dead: Dead) -> None:
        """Forget it."""
        await self._objects.delete(self._key(dead))

    async def _read(self, keys: Iterable[str]) -> Sequence[Dead]:
        gate = asyncio.Semaphore(AT_ONCE)

        async def read(key: str) -> Dead | None:
            async with gate:
                data = await self._objects.get(key)
            return None if data is None else _unpack(data)

        found = await asyncio.gather(*map(read, keys))
        return sorted((dead for dead in found if dead is not None), key=lambda dead: dead.died_at)

    def _key(self, dead: Dead) -> str:
        return f"{self._folder}{name_in_key(dead.id)}/{name_in_key(dead.group)}"


def _pack(dead: Dead) -> bytes:
    head = {
        "group": dead.group,
        "id": dead.id,
        "reason": dead.reason,
        "failures": dead.failures,
        "died_at": dead.died_at.isoformat(),
    }
    return zlib.compress(b"%s\n%s" % (json.dumps(head).encode(), dead.body), 1)


def _unpack(data: bytes) -> Dead:
    head, _, body = zlib.decompress(data).partition(b"\n")
    fields = json.loads(head)
    return Dead(**{**fields, "body": body, "died_at": datetime.fromisoformat(fields["died_at"])})
