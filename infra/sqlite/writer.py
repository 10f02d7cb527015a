"""The one thread of a process that writes to a database, committing all who wait at once."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, NamedTuple, TypeVar

from infra.sqlite.faults import fault_of

T = TypeVar("T")

BATCH = 256
NORMAL = 1
"""What SQLite calls not to wait for the disk at each commit: the last ones may be lost with the power."""


class Call(NamedTuple):
    """An operation that waits for its turn, where its result goes, and whether that must outlast the power."""

    operation: Callable[[sqlite3.Connection], Any]
    future: asyncio.Future[Any]
    lasting: bool


class Result(NamedTuple):
    """What became of a call."""

    call: Call
    value: Any = None
    error: Exception | None = None


Run = Callable[[sqlite3.Connection, Call], Result]


class Writer:
    """Run operations in the order of their submission, as many per transaction as wait (group commit).

    It owns the connection and belongs to the event loop that made it. An operation that raises undoes what
    it wrote itself and nothing else; a commit that fails fails every operation in it. What only the disk is to
    blame for is raised as Retryable. An operation runs twice when another of its transaction raises: it must do
    nothing but read and write the database. A transaction waits for the disk if the connection is set to do so and one
    of its operations is `lasting`.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        (self._durable,) = connection.execute("PRAGMA synchronous").fetchone()
        self._synchronous = self._durable
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Call] = []
        self._batches: SimpleQueue[list[Call]] = SimpleQueue()
        self._pending = 0
        self._idle = asyncio.Event()
        self._closed = False
        self._thread = Thread(target=self._work, name="sqlite-writer", daemon=True)
        self._thread.start()

    def submit(self, operation: Callable[[sqlite3.Connection], T], *, lasting: bool = True) -> asyncio.Future[T]:
        """Queue an operation; the future is done after the commit. To cancel it does not keep it from being done."""
        if self._closed:
            raise RuntimeError("The database is closed.")
        future: asyncio.Future[T] = self._loop.create_future()
        self._pending += 1
        # Not at once: what the same turn of the loop submits besides shall share its commit, and costs far less so.
        if not self._waiting:
            self._loop.call_soon(self._hand_over)
        self._waiting.append(Call(operation, future, lasting))
        return future

    def _hand_over(self) -> None:
        self._batches.put(self._waiting)
        self._waiting = []

    async def close(self) -> None:
        """Finish what was submitted, and what its callbacks submit; then end the thread."""
        while self._pending:
            self._idle.clear()
            await self._idle.wait()
        if not self._closed:
            self._closed = True
            self._hand_over()
            self._batches.put([])
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        with closing(self._connection), suppress(RuntimeError):  # the loop may be closed before us
            while batch := self._gather():
                self._loop.call_soon_threadsafe(self._settle, self._commit(batch))

    def _commit(self, batch: list[Call]) -> list[Result]:
        try:
            self._wait_for_disk(any(call.lasting for call in batch))
            try:
                return _in_transaction(self._connection, batch, _run)
            except _Raised:  # seldom, and only now is it worth while to be able to undo each alone
                return _in_transaction(self._connection, batch, _attempt)
        except Exception as error:
            return [Result(call, error=error) for call in batch]

    def _wait_for_disk(self, lasting: bool) -> None:
        """Set what the next commits wait for; what is not lasting is no less in order, and as safe from a kill."""
        wanted = self._durable if lasting else min(self._durable, NORMAL)
        if wanted != self._synchronous:
            self._connection.executescript(f"PRAGMA synchronous={wanted}")  # a cached statement need not set it again
            self._synchronous = wanted

    def _gather(self) -> list[Call]:
        """Wait for calls and take all there are; none are the sign to end."""
        batch = self._batches.get()
        with suppress(Empty):
            while batch and len(batch) < BATCH:
                more = self._batches.get_nowait()
                if not more:
                    self._batches.put(more)
                    break
                batch = batch + more
        return batch

    def _settle(self, results: list[Result]) -> None:
        self._pending -= len(results)
        for result in results:
            future = result.call.future
            if future.cancelled():
                continue
            if result.error is None:
                future.set_result(result.value)
            else:
                future.set_exception(fault_of(result.error))
        if not self._pending:
            self._loop.call_soon(self._idle.set)  # after the callbacks, which may submit more


class _Raised(Exception):
    """An operation raised; what the others of its transaction wrote is to be written again without it."""


def _in_transaction(connection: sqlite3.Connection, batch: list[Call], run: Run) -> list[Result]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        results = [run(connection, call) for call in batch]
        connection.execute("COMMIT")
    except Exception:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return results


def _run(connection: sqlite3.Connection, call: Call) -> Result:
    try:
        return Result(call, call.operation(connection))
    except Exception as error:
        raise _Raised from error


def _attempt(connection: sqlite3.Connection, call: Call) -> Result:
    connection.execute("SAVEPOINT call")
    try:
        result = Result(call, call.operation(connection))
    except Exception as error:
        if not connection.in_transaction:  # a full disk undoes the whole transaction, not only this call
            raise
        connection.execute("ROLLBACK TO call")
        result = Result(call, error=error)
    connection.execute("RELEASE call")
    return result
