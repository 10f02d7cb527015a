"""One SQLite file: its schema, its writer thread, its reader thread."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self, TypeVar

from app.domain.errors import Permanent
from infra.sqlite.writer import Writer

T = TypeVar("T")
Schema = Sequence[Sequence[str]]

BUSY_SECONDS = 10.0
RETRY_SECONDS = 0.01


class Database:
    """A SQLite file that several processes may have open; no method blocks the event loop."""

    def __init__(self, writing: sqlite3.Connection, reading: sqlite3.Connection) -> None:
        self._writer = Writer(writing)
        self._reading = reading
        self._reader = ThreadPoolExecutor(1, "sqlite-reader")

    @classmethod
    async def open(cls, path: Path, schema: Schema, *, durable: bool) -> Self:
        """Open the file, made if missing, and bring it to the newest version of its schema.

        The schema is a list of versions, each a list of statements that lead there from the version before.
        With `durable` each commit reaches the disk before it returns; without, the last ones may be lost with
        the power. Raises Permanent if a newer Orch wrote the file.
        """
        return cls(*await asyncio.to_thread(_prepare, path, schema, durable))

    @classmethod
    async def open_existing(cls, path: Path, schema: Schema) -> Self:
        """Open a file that is there, and leave its schema as it is; raises Permanent if that is another, or no file."""
        return cls(*await asyncio.to_thread(_find, path, schema))

    def submit(self, operation: Callable[[sqlite3.Connection], T], *, lasting: bool = True) -> asyncio.Future[T]:
        """Queue a write, as `write` does. It is done even if its future is cancelled."""
        return self._writer.submit(operation, lasting=lasting)

    async def write(self, operation: Callable[[sqlite3.Connection], T], *, lasting: bool = True) -> T:
        """Run the operation in a transaction that others may share; what it raises undoes it alone.

        It is done even if the caller is cancelled meanwhile. One that is not `lasting` may be lost with the power also
        in a durable file, but only with all that was written after it.
        """
        return await self._writer.submit(operation, lasting=lasting)

    async def read(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        """Run one query beside the writer; it sees every write that returned before."""
        return await asyncio.get_running_loop().run_in_executor(self._reader, operation, self._reading)

    async def check(self) -> None:
        """Raise what keeps the file from being written, or do nothing."""
        await self.write(_touch)

    async def close(self) -> None:
        """Finish the writes under way and close the file; closing twice is closing once."""
        await self._writer.close()
        await asyncio.to_thread(self._reader.shutdown)
        self._reading.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _prepare(path: Path, schema: Schema, durable: bool) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    path.parent.mkdir(parents=True, exist_ok=True)
    writing = _connect(path)
    try:
        _use_wal(writing)
        writing.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        _migrate(writing, path, schema)
    except BaseException:
        writing.close()
        raise
    reading = _connect(path)
    reading.execute("PRAGMA query_only=ON")
    return writing, reading


def _find(path: Path, schema: Schema) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    if not path.is_file():
        raise Permanent(f"there is no {path}")
    writing = _connect(path)
    try:
        _require_version(writing, path, schema)
        writing.execute("PRAGMA synchronous=FULL")
    except BaseException:
        writing.close()
        raise
    reading = _connect(path)
    reading.execute("PRAGMA query_only=ON")
    return writing, reading


def _require_version(connection: sqlite3.Connection, path: Path, schema: Schema) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version != len(schema):
        raise Permanent(
            f"{path} has schema version {version}, this Orch knows {len(schema)}: use the Orch that serves it"
        )


def _touch(connection: sqlite3.Connection) -> None:
    """Write one page as it is: a file that can be read may be on a disk that is full."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    connection.execute(f"PRAGMA user_version={version}")


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to WAL. SQLite does not apply its busy timeout here when two processes make the file at once."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(RETRY_SECONDS)
        else:
            return


def _migrate(connection: sqlite3.Connection, path: Path, schema: Schema) -> None:
    connection.execute("BEGIN IMMEDIATE")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(schema):
        connection.execute("ROLLBACK")
        raise Permanent(
            f"{path} has schema version {version}, this Orch knows {len(schema)}: start the newer Orch that wrote it."
        )
    for statements in schema[version:]:
        for statement in statements:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version={len(schema)}")
    connection.execute("COMMIT")
