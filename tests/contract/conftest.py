"""The adapters under contract, each behind the same few controls."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from app.ports import Artifacts, EventQueue, JobQueue, Store
from infra.aws.artifacts import S3Artifacts
from infra.aws.clients import Clients
from infra.aws.events import SqsEventQueue
from infra.aws.jobs import SqsJobQueue
from infra.aws.store import DynamoStore
from infra.local.artifacts import DiskArtifacts
from infra.sqlite.database import Database
from infra.sqlite.events import SqliteEventQueue
from infra.sqlite.jobs import SqliteJobQueue
from infra.sqlite.migrations import QUEUE, STORE
from infra.sqlite.store import SqliteStore
from tests.aws.stack import Stack, StackClock, make_bucket, make_queue, make_table, unique

LEASE_SECONDS = 30.0
MAX_FAILURES = 3

PassTime = Callable[[float], Awaitable[None]]
Opener = Callable[[Path], AbstractAsyncContextManager["Rig"]]


class ManualClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self._now = datetime(2026, 1, 1, tzinfo=UTC)
        self._moved = asyncio.Event()

    def now(self) -> datetime:
        return self._now

    async def sleep(self, seconds: float) -> None:
        until = self._now + timedelta(seconds=seconds)
        while self._now < until:
            await self._moved.wait()

    async def pass_time(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._moved.set()
        self._moved = asyncio.Event()


@dataclass(frozen=True, slots=True)
class Rig:
    """The adapters of one back end, and what a suite must know of it.

    `pass_time` returns when so many seconds are over by the adapters' clock `now`, which has no other hands if
    it is `exact`; `slack` is how many of them a test may take by itself. An events queue that does not `remember` what
    lies on it says True to what it took before, forgets that after five minutes though it still waits, and not earlier
    though it was set aside, and counts what may only be received later as it likes.
    """

    events: EventQueue
    jobs: JobQueue
    store: Store
    artifacts: Artifacts
    lease_seconds: float
    max_failures: int
    now: Callable[[], datetime]
    pass_time: PassTime
    exact: bool
    slack: float
    remembers: bool


@asynccontextmanager
async def open_local(directory: Path) -> AsyncIterator[Rig]:
    clock = ManualClock()
    async with (
        await Database.open(directory / "queue.db", QUEUE, durable=True) as queue,
        await Database.open(directory / "store.db", STORE, durable=False) as store,
    ):
        yield Rig(
            events=SqliteEventQueue(queue, clock, lease_seconds=LEASE_SECONDS, max_failures=MAX_FAILURES),
            jobs=SqliteJobQueue(queue, clock, lease_seconds=LEASE_SECONDS, max_failures=MAX_FAILURES),
            store=SqliteStore(store, clock),
            artifacts=DiskArtifacts(directory / "artifacts"),
            lease_seconds=LEASE_SECONDS,
            max_failures=MAX_FAILURES,
            now=clock.now,
            pass_time=clock.pass_time,
            exact=True,
            slack=1,
            remembers=True,
        )


@asynccontextmanager
async def open_aws(stack: Stack, clients: Clients, _directory: Path) -> AsyncIterator[Rig]:
    clock = StackClock(stack)
    bucket, table = await asyncio.gather(make_bucket(clients), make_table(clients))
    events, jobs = await asyncio.gather(
        make_queue(clients, unique("events") + ".fifo"), make_queue(clients, unique("jobs"))
    )
    store = DynamoStore(clients, table, clock)

    async def pass_time(seconds: float) -> None:
        stack.pass_time(seconds)

    yield Rig(
        events=SqsEventQueue(
            clients, events, bucket, store, clock, lease_seconds=LEASE_SECONDS, max_failures=MAX_FAILURES
        ),
        jobs=SqsJobQueue(clients, jobs, bucket, clock, lease_seconds=LEASE_SECONDS, max_failures=MAX_FAILURES),
        store=store,
        artifacts=S3Artifacts(clients, bucket),
        lease_seconds=LEASE_SECONDS,
        max_failures=MAX_FAILURES,
        now=clock.now,
        pass_time=pass_time,
        exact=False,
        slack=10,
        remembers=False,
    )


@pytest.fixture(scope="session")
def clients(stack: Stack) -> Iterator[Clients]:
    """Clients for all tests: to make one takes longer than most tests."""
    with stack.clients() as made:
        yield made


@pytest.fixture(params=["aws", "local"])
def opener(request: pytest.FixtureRequest) -> Opener:
    """Open a fresh back end in an empty directory, for tests that need more than one."""
    if request.param == "local":
        return open_local
    return partial(open_aws, request.getfixturevalue("stack"), request.getfixturevalue("clients"))


@pytest.fixture
async def rig(opener: Opener, tmp_path: Path) -> AsyncIterator[Rig]:
    async with opener(tmp_path) as opened:
        yield opened
