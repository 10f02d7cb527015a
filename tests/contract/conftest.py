"""The adapters under contract, each behind the same few controls.

To put another adapter under a suite, add its opener to the dictionary of its port.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.ports import Artifacts, EventQueue, JobQueue, Store
from infra.local.artifacts import DiskArtifacts
from infra.sqlite.database import Database
from infra.sqlite.events import SqliteEventQueue
from infra.sqlite.jobs import SqliteJobQueue
from infra.sqlite.migrations import QUEUE, STORE
from infra.sqlite.store import SqliteStore

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
    it is `exact`.
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
        )


OPENERS: dict[str, Opener] = {"local": open_local}


@pytest.fixture(params=sorted(OPENERS))
def opener(request: pytest.FixtureRequest) -> Opener:
    """Open a fresh back end in an empty directory, for tests that need more than one."""
    return OPENERS[request.param]


@pytest.fixture
async def rig(opener: Opener, tmp_path: Path) -> AsyncIterator[Rig]:
    async with opener(tmp_path) as opened:
        yield opened
