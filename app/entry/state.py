"""Look at Orch's state on this machine while Orch runs over it: nothing is made, and no schema changed."""

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

TERMS = {"lease_seconds": 1.0, "max_failures": 1}
"""Of queues that nothing is received from."""


def require_state(settings: StateSettings, *files: Path) -> None:
    """Raise UserError if the state directory or one of its files is not there."""
    for path in (settings.state_dir, *files):
        if not path.exists():
            raise UserError(
                f"there is no {path}; set ORCH_STATE_DIR to that of the `orch serve` that you mean, which makes it"
            )


@asynccontextmanager
async def open_store(settings: StateSettings) -> AsyncIterator[Store]:
    """Open the store."""
    require_state(settings)
    if not settings.store_file.exists():
        raise UserError(f"there is no {settings.store_file}; `orch rebuild --all` reads it back from GitHub")
    async with await _open(settings.store_file, STORE) as database:
        yield SqliteStore(database, SystemClock())


@asynccontextmanager
async def open_queues(settings: StateSettings) -> AsyncIterator[tuple[EventQueue, JobQueue]]:
    """Open both queues."""
    require_state(settings, settings.queue_file)
    clock = SystemClock()
    async with await _open(settings.queue_file, QUEUE) as database:
        yield SqliteEventQueue(database, clock, **TERMS), SqliteJobQueue(database, clock, **TERMS)  # type: ignore[arg-type]


async def _open(path: Path, schema: Schema) -> Database:
    try:
        return await Database.open_existing(path, schema)
    except (OSError, sqlite3.Error) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
