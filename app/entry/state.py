"""Look at Orch's state, on this machine or on AWS, while Orch runs over it: nothing is made, no schema changed."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from app.domain.errors import UserError
from app.ports import EventQueue, JobQueue, Store
from app.settings import StateSettings
from infra.local.clock import SystemClock
from infra.sqlite.database import Database, Schema
from infra.sqlite.events import SqliteEventQueue
from infra.sqlite.jobs import SqliteJobQueue
from infra.sqlite.migrations import QUEUE, STORE
from infra.sqlite.store import SqliteStore

LEASE_SECONDS, MAX_FAILURES = 1.0, 1
"""Of queues that nothing is received from."""


def require_state(settings: StateSettings, *files: Path) -> None:
    """Raise UserError if the state directory or one of its files is not there; on AWS there is none."""
    if settings.is_on_aws:
        return
    for path in (settings.state_dir, *files):
        if not path.exists():
            raise UserError(
                f"there is no {path}; set ORCH_STATE_DIR to that of the `orch serve` that you mean, which makes it"
            )


@asynccontextmanager
async def open_store(settings: StateSettings) -> AsyncIterator[Store]:
    """Open the store."""
    if settings.is_on_aws:
        from app.entry.aws_parts import open_aws_store  # noqa: PLC0415 - boto3 is an extra

        with open_aws_store(settings, SystemClock()) as of_aws:
            yield of_aws
        return
    require_state(settings)
    if not settings.store_file.exists():
        raise UserError(f"there is no {settings.store_file}; `orch rebuild --all` reads it back from GitHub")
    async with await _open(settings.store_file, STORE) as database:
        yield SqliteStore(database, SystemClock())


@asynccontextmanager
async def open_queues(settings: StateSettings) -> AsyncIterator[tuple[EventQueue, JobQueue]]:
    """Open both queues."""
    if settings.is_on_aws:
        from app.entry.aws_parts import open_aws_queues  # noqa: PLC0415 - as above

        with open_aws_queues(settings, SystemClock()) as queues:
            yield queues
        return
    require_state(settings, settings.queue_file)
    clock = SystemClock()
    async with await _open(settings.queue_file, QUEUE) as database:
        yield (
            SqliteEventQueue(database, clock, lease_seconds=LEASE_SECONDS, max_failures=MAX_FAILURES),
            SqliteJobQueue(database, clock, lease_seconds=LEASE_SECONDS, max_failures=MAX_FAILURES),
        )


def has_queues(settings: StateSettings) -> bool:
    """Say whether there are queues to be looked at."""
    return settings.is_on_aws or settings.queue_file.exists()


def has_store(settings: StateSettings) -> bool:
    """Say whether there is a store to be looked at."""
    return settings.is_on_aws or settings.store_file.exists()


async def _open(path: Path, schema: Schema) -> Database:
    try:
        return await Database.open_existing(path, schema)
    except (OSError, sqlite3.Error) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
