"""SQLite in memory and in the caller's own thread: the statements of the real adapters, without files and waiting."""

import asyncio
import sqlite3
from collections.abc import Callable
from typing import TypeVar

from infra.sqlite.database import Database, Schema

T = TypeVar("T")


class InlineDatabase(Database):
    """A database that lasts as long as this object, whoever is killed meanwhile; each write is a transaction."""

    def __init__(self, schema: Schema) -> None:
        # Not the base's: there is no writer thread and no reader thread.
        self._connection = sqlite3.connect(":memory:", isolation_level=None)
        for statements in schema:
            for statement in statements:
                self._connection.execute(statement)

    def submit(self, operation: Callable[[sqlite3.Connection], T], *, lasting: bool = True) -> asyncio.Future[T]:
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        try:
            future.set_result(self._write(operation))
        except Exception as error:
            future.set_exception(error)
        return future

    async def write(self, operation: Callable[[sqlite3.Connection], T], *, lasting: bool = True) -> T:
        return self._write(operation)

    async def read(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        return operation(self._connection)

    async def check(self) -> None:
        """Find nothing wrong."""

    async def close(self) -> None:
        self.shut()

    def shut(self) -> None:
        """Close it, from where nothing can be awaited."""
        self._connection.close()

    def next_due(self) -> float | None:
        """Return when the first message of any queue may be received (Unix time); None if there is none."""
        row = self._connection.execute("SELECT min(due) FROM lanes").fetchone()
        return None if row[0] is None else float(row[0])

    def _write(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        self._connection.execute("BEGIN")
        try:
            result = operation(self._connection)
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")
        return result
