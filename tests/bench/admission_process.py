"""One process that admits tasks: real queues and store in SQLite, all of Orch's decisions, and no GitHub."""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import Connection
from typing import Any, Self, TypeVar, cast

from pydantic import SecretStr

from app.domain.admission import Board
from app.domain.admission_events import LocksReleased
from app.domain.events import Event, SlotFreed, SlotWanted
from app.domain.facts import Identity
from app.domain.internal import enclose
from app.domain.jobs import run_job
from app.domain.names import ADMISSION, Repository, TaskRef
from app.entry.parts import Ports, build_core
from app.log import configure
from app.ports import GitHub
from app.process import Process
from app.records import Records
from app.settings import ServeSettings
from infra.local.artifacts import DiskArtifacts
from infra.local.clock import SystemClock
from infra.sqlite.database import Database, Schema
from infra.sqlite.events import SqliteEventQueue
from infra.sqlite.jobs import SqliteJobQueue
from infra.sqlite.migrations import QUEUE, STORE
from infra.sqlite.store import SqliteStore

INSTALLATIONS, REPOSITORIES, TASKS, SLOTS = 20, 5, 100, 40
SENDERS = 32
MEGABYTE = 1e6
AGENTS = ("claude", "codex", "gemini")
T = TypeVar("T")
deciding = ContextVar("deciding", default=False)


class TimedDatabase(Database):
    """Counts for how long decisions wait until what they write is written."""

    waited = 0.0

    @classmethod
    async def opened(cls, path: Path, schema: Schema, *, durable: bool) -> Self:
        return await cls.open(path, schema, durable=durable)

    async def write(self, operation: Callable[[Connection], T], *, lasting: bool = True) -> T:
        begin = time.perf_counter()
        try:
            return await super().write(operation, lasting=lasting)
        finally:
            self.waited += deciding.get() * (time.perf_counter() - begin)


class MemoryGitHub:
    """Knows who the App is, which is all that admission ever asks."""

    async def identity(self) -> Identity:
        return Identity(app_id=1, slug="orch", bot_id=2, bot_login="orch[bot]")


@dataclass(frozen=True, slots=True)
class Office:
    """All that takes part."""

    queue: TimedDatabase
    documents: TimedDatabase
    events: SqliteEventQueue
    jobs: SqliteJobQueue
    process: Process
    served: Counter[int]

    async def send(self, event: Event, identity: str) -> None:
        assert await self.events.send(enclose(event, identity, datetime.now(UTC)))

    async def decide(self, count: int, spent: "Spent") -> None:
        """Handle so many events of admission, one after another; what tasks are told is for other workers."""
        deciding.set(True)
        before = (time.perf_counter(), time.process_time(), self.documents.waited, self.queue.waited)
        left = count
        while left:
            lease = await self.events.receive(1)
            if lease is not None and lease.item.group == ADMISSION:
                await self.process(lease)
                left -= 1
            elif lease is not None:
                await lease.ack()
        after = (time.perf_counter(), time.process_time(), self.documents.waited, self.queue.waited)
        deciding.set(False)
        spent.add(count, *(end - begin for begin, end in zip(before, after, strict=True)))

    async def run(self) -> int:
        """Take all that was admitted, and be done with it at once; return how many events that makes."""
        sent = 0
        while (lease := await self.jobs.receive(0)) is not None:
            job = lease.item
            self.served[job.task.repository.installation_id] += 1
            await self.send(SlotFreed(job_id=job.id), f"freed-{job.id}")
            if job.task.number % 2 == 0:
                await self.send(LocksReleased(task=job.task), f"released-{job.id}")
            await lease.ack()
            sent += 2 - job.task.number % 2
        return sent


@dataclass(slots=True)
class Spent:
    """What handling events took, in seconds: in all, of CPU, and waiting until the store or the queue has written."""

    events: int = 0
    whole: float = 0
    cpu: float = 0
    store: float = 0
    queue: float = 0

    def add(self, events: int, whole: float, cpu: float, store: float, queue: float) -> None:
        self.events += events
        self.whole += whole
        self.cpu += cpu
        self.store += store
        self.queue += queue

    def figures(self) -> dict[str, float]:
        return {
            "rate": self.events / self.whole,
            "cpu": 1000 * self.cpu / self.events,
            "store": 100 * self.store / self.whole,
            "queue": 100 * self.queue / self.whole,
        }


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Office]:
    """Open the parts as Orch does."""
    settings = ServeSettings(
        state_dir=folder,
        app_id=1,
        private_key=SecretStr("key"),
        webhook_secret=SecretStr("s"),
        agents=["script"],
        max_parallel=SLOTS,
    )
    clock, limits = SystemClock(), {"lease_seconds": 60.0, "max_failures": 5}
    async with (
        await TimedDatabase.opened(settings.queue_file, QUEUE, durable=True) as queue,
        await TimedDatabase.opened(settings.store_file, STORE, durable=False) as documents,
    ):
        events = SqliteEventQueue(queue, clock, **cast(Any, limits))
        jobs = SqliteJobQueue(queue, clock, **cast(Any, limits))
        ports = Ports(
            events=events,
            jobs=jobs,
            store=SqliteStore(documents, clock),
            artifacts=DiskArtifacts(folder / "artifacts"),
            github=cast(GitHub, MemoryGitHub()),
            clock=clock,
            stop_receiving=events.stop,
            checks={},
        )
        core = await build_core(settings, ports)
        yield Office(queue, documents, events, jobs, core.process, Counter())


def wanted() -> Iterator[SlotWanted]:
    """Let one installation after another want all of its slots: whoever goes by age serves the first one only."""
    for number in range(INSTALLATIONS * REPOSITORIES * TASKS):
        place, task = divmod(number, TASKS)
        repository = Repository(
            id=1_000_000 + place, installation_id=place // REPOSITORIES, owner="acme", name=f"widgets-{place}"
        )
        job = run_job(TaskRef(repository=repository, number=task + 1), 1)
        locks = (f"src/part-{task % 50}",) if task % 2 else ()
        yield SlotWanted(job=job, since=number, agent=AGENTS[number % len(AGENTS)], locks=locks)


async def fill(folder: Path) -> dict[str, float]:
    """Have all tasks wait; where slots are free they are taken, and kept."""
    async with opened(folder) as office:
        events = iter(wanted())

        async def sender() -> None:
            for event in events:
                await office.send(event, f"wanted-{event.job.id}")

        await asyncio.gather(*(sender() for _ in range(SENDERS)))
        spent = Spent()
        await office.decide(INSTALLATIONS * REPOSITORIES * TASKS, spent)
        board = (await Records(SqliteStore(office.documents, SystemClock())).load(ADMISSION)).board
        assert board is not None
        return {**spent.figures(), "waiting": board.waits, **_memory()}


async def turn_over(folder: Path, events: int) -> dict[str, float]:
    """Let runs end and others begin, in a new process that has to read the board first; running takes no time here."""
    async with opened(folder) as office:
        spent, sent = Spent(), await office.run()
        office.served.clear()  # whoever came first had all slots, for nobody else was there
        while spent.events < events:
            await office.decide(sent, spent)
            sent = await office.run()
        board = (await office.process.records.load(ADMISSION)).board or Board()
        shares = [office.served[number] for number in range(INSTALLATIONS)]
        assert min(shares), "an installation was not served at all"
        return {**spent.figures(), **_memory(), "fairness": max(shares) / min(shares), "waiting": board.waits}


def _memory() -> dict[str, float]:
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {"memory": int(status["VmHWM"].split()[0]) * 1024 / MEGABYTE}


if __name__ == "__main__":
    name, place, *rest = sys.argv[1:]
    with (Path(place) / "log").open("w") as stream:
        configure("info", as_json=True, stream=stream)
        work = fill(Path(place)) if name == "fill" else turn_over(Path(place), int(rest[0]))
        print(json.dumps(asyncio.run(work)))
