"""Where queues, store and artifacts are: on this machine here, on AWS in `aws_parts`."""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from app.domain.errors import Permanent
from app.ports import Artifacts, Clock, EventQueue, JobQueue, Store
from app.settings import ServeSettings
from infra.local.artifacts import DiskArtifacts
from infra.sqlite.database import Database, Schema
from infra.sqlite.events import SqliteEventQueue
from infra.sqlite.jobs import SqliteJobQueue
from infra.sqlite.migrations import QUEUE, STORE
from infra.sqlite.store import SqliteStore


async def nothing() -> None:
    """Do nothing: on one machine nobody needs to look after runners."""


@dataclass(frozen=True, slots=True)
class Backend:
    """The adapters that keep things. Each of `checks` raises when what it is named for cannot be used.

    `tend` looks after the runners, and is called each minute by whoever is in charge of that.
    """

    events: EventQueue
    jobs: JobQueue
    store: Store
    artifacts: Artifacts
    stop_receiving: Callable[[], None]
    checks: Mapping[str, Callable[[], Awaitable[object]]]
    tend: Callable[[], Awaitable[None]] = nothing


def open_backend(settings: ServeSettings, clock: Clock) -> AbstractAsyncContextManager[Backend]:
    """Open the back end that the settings name."""
    if not settings.is_on_aws:
        return _open_local(settings, clock)
    from app.entry.aws_parts import open_aws  # noqa: PLC0415 - boto3 is an extra, and memory is short

    return open_aws(settings, clock)


@asynccontextmanager
async def _open_local(settings: ServeSettings, clock: Clock) -> AsyncIterator[Backend]:
    async with AsyncExitStack() as stack:
        queue = await stack.enter_async_context(await _open(settings.queue_file, QUEUE, durable=True))
        documents = await stack.enter_async_context(await _open(settings.store_file, STORE, durable=False))
        limits = {"max_failures": settings.max_failures}
        events = SqliteEventQueue(queue, clock, lease_seconds=settings.event_lease, **limits)
        jobs = SqliteJobQueue(queue, clock, lease_seconds=settings.job_lease, **limits)

        def stop_receiving() -> None:
            events.stop()
            jobs.stop()

        yield Backend(
            events=events,
            jobs=jobs,
            store=SqliteStore(documents, clock),
            artifacts=DiskArtifacts(settings.state_dir / "artifacts"),
            stop_receiving=stop_receiving,
            checks={"queue": queue.check, "store": documents.check},
        )


async def _open(path: Path, schema: Schema, *, durable: bool) -> Database:
    try:
        return await Database.open(path, schema, durable=durable)
    except (OSError, sqlite3.Error) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise Permanent(
            f"{path} cannot be used: {why}; let ORCH_STATE_DIR be a folder that Orch may write, with room on its disk"
        ) from error
