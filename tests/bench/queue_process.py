"""One process that fills a queue, or receives and acknowledges what is in it."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from app.domain.envelope import Envelope, Source
from app.domain.jobs import Job, JobKind
from app.domain.names import Repository, TaskRef
from infra.local.clock import SystemClock
from infra.sqlite.database import Database
from infra.sqlite.events import SqliteEventQueue
from infra.sqlite.jobs import SqliteJobQueue
from infra.sqlite.migrations import QUEUE

SENDERS = 256
BODY = Random(2).randbytes(2048)
REPOSITORY = Repository(id=77, installation_id=42, owner="acme", name="widgets")
LONG_STEP = "work" * (2048 // 4)
Queue = SqliteEventQueue | SqliteJobQueue


@asynccontextmanager
async def opened(kind: str, file: Path) -> AsyncIterator[Queue]:
    """Open a queue as Orch does."""
    adapter = SqliteEventQueue if kind == "events" else SqliteJobQueue
    async with await Database.open(file, QUEUE, durable=True) as database:
        yield adapter(database, SystemClock(), lease_seconds=60, max_failures=5)


async def fill(queue: Queue, count: int, groups: int) -> dict[str, float]:
    """Send so many messages, in so many groups."""
    numbers = iter(range(count))

    async def sender() -> None:
        for number in numbers:
            await _send(queue, number, number % groups)

    begin = time.perf_counter()
    await asyncio.gather(*(sender() for _ in range(SENDERS)))
    return {"rate": count / (time.perf_counter() - begin)}


async def _send(queue: Queue, number: int, group: int) -> None:
    if isinstance(queue, SqliteEventQueue):
        envelope = Envelope(
            id=f"{number:036d}",
            group=f"repository:77/{group}",
            source=Source.GITHUB,
            name="issues",
            body=BODY,
            received_at=datetime.now(UTC),
        )
        assert await queue.send(envelope)
    else:
        task = TaskRef(repository=REPOSITORY, number=number)
        assert await queue.send(Job(id=str(number), kind=JobKind.RUN, task=task, attempt=1, step=LONG_STEP))


async def drain(queue: Queue, consumers: int, begin: float, seconds: float) -> dict[str, float]:
    """Receive and acknowledge from a moment on, for so many seconds; count what was acknowledged."""
    done = 0

    async def consumer() -> None:
        nonlocal done
        while time.time() < begin + seconds:
            lease = await queue.receive(0.1)
            if lease is not None:
                await lease.ack()
                done += 1

    await asyncio.sleep(begin - time.time())
    before = time.process_time()
    await asyncio.gather(*(consumer() for _ in range(consumers)))
    return {"rate": done / (time.time() - begin), "cpu": (time.process_time() - before) / max(done, 1) * 1e6}


async def main(kind: str, file: str, task: str, *numbers: str) -> None:
    async with opened(kind, Path(file)) as queue:
        if task == "fill":
            found = await fill(queue, *map(int, numbers))
        else:
            consumers, begin, seconds = numbers
            found = await drain(queue, int(consumers), float(begin), float(seconds))
    print(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
