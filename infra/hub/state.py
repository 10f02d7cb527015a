"""The hub's memory: rows as JSON documents in one SQLite database."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter

from infra.hub.records import Record

R = TypeVar("R", bound=Record)

FIRST_ID = 1001
LAST_ID = 2**63 - 1

SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    kind TEXT NOT NULL, id INTEGER NOT NULL, parent INTEGER NOT NULL,
    key TEXT NOT NULL COLLATE NOCASE, body TEXT NOT NULL, PRIMARY KEY (kind, id)
);
CREATE INDEX IF NOT EXISTS documents_by_key ON documents (kind, parent, key, id);
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS requests (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL,
    query TEXT NOT NULL, status INTEGER NOT NULL, principal TEXT NOT NULL
);
"""


@cache
def adapter(cls: type[R]) -> TypeAdapter[R]:
    """Read and write one kind of row as JSON."""
    return TypeAdapter(cls)


class State:
    """Rows by kind, id and key; changed only inside a transaction.

    Used from one thread. A transaction holds no `await`, so no other request sees half of it.
    """

    def __init__(self, path: Path | None) -> None:
        self._db = sqlite3.connect(":memory:" if path is None else path, isolation_level=None)
        # NORMAL in WAL mode survives a killed process, which is what the hub promises; a power cut it need not.
        self._db.execute("PRAGMA journal_mode=WAL").fetchone()
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit everything written inside, or nothing; an inner one joins the outer."""
        if self._db.in_transaction:
            yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def count_up(self, name: str, first: int = 1) -> int:
        """Take the next value of a counter."""
        self._require_transaction()
        row = self._db.execute(
            "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value",
            (name, first),
        ).fetchone()
        return int(row[0])

    def new_id(self) -> int:
        return self.count_up("id", FIRST_ID)

    def put(self, record: R) -> R:
        """Write a row, replacing the one of the same id."""
        self._require_transaction()
        body = adapter(type(record)).dump_json(record).decode()
        self._db.execute(
            "INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?, ?)",
            (type(record).__name__, record.id, record.parent, record.key, body),
        )
        return record

    def delete(self, record: Record) -> None:
        self._require_transaction()
        self._db.execute("DELETE FROM documents WHERE kind = ? AND id = ?", (type(record).__name__, record.id))

    def get(self, cls: type[R], row_id: int) -> R | None:
        return next(iter(self._select(cls, "id = ?", (row_id,))), None)

    def load(self, cls: type[R], row_id: int) -> R:
        """Read a row that must be there."""
        record = self.get(cls, row_id)
        if record is None:
            raise LookupError(f"no {cls.__name__} {row_id}")
        return record

    def find(self, cls: type[R], key: str, parent: int = 0) -> R | None:
        return next(iter(self._select(cls, "parent = ? AND key = ?", (parent, key))), None)

    def rows(self, cls: type[R], parent: int = 0, key: str | None = None) -> list[R]:
        """List the rows under a parent, oldest first."""
        if key is None:
            return self._select(cls, "parent = ?", (parent,))
        return self._select(cls, "parent = ? AND key = ?", (parent, key))

    def first(self, cls: type[R], parent: int, key: str) -> R | None:
        """Read the oldest row of a key, however many there are."""
        return next(iter(self._select(cls, "parent = ? AND key = ?", (parent, key), limit=1)), None)

    def latest(self, cls: type[R], limit: int, before: int | None = None) -> list[R]:
        """Read the newest rows of a kind under any parent, newest first; `before` is an id to stop short of."""
        sql = "SELECT body FROM documents WHERE kind = ? AND id < ? ORDER BY id DESC LIMIT ?"
        rows = self._db.execute(sql, (cls.__name__, LAST_ID if before is None else before, limit)).fetchall()
        return [adapter(cls).validate_json(row[0]) for row in rows]

    def after(self, cls: type[R], row_id: int) -> list[R]:
        """List the rows of a kind under any parent whose id is higher, oldest first."""
        return self._select(cls, "id > ?", (row_id,))

    def count(self, cls: type[R], parent: int = 0, state: str | None = None) -> int:
        """Count the rows under a parent, all or those of one `state`."""
        sql = "SELECT count(*) FROM documents WHERE kind = ? AND parent = ?"
        if state is None:
            return int(self._db.execute(sql, (cls.__name__, parent)).fetchone()[0])
        sql += " AND json_extract(body, '$.state') = ?"
        return int(self._db.execute(sql, (cls.__name__, parent, state)).fetchone()[0])

    def log_request(self, *, at: float, method: str, path: str, query: str, status: int, principal: str) -> None:
        self._db.execute(
            "INSERT INTO requests (at, method, path, query, status, principal) VALUES (?, ?, ?, ?, ?, ?)",
            (at, method, path, query, status, principal),
        )

    def requests(self) -> list[dict[str, Any]]:
        names = ("id", "at", "method", "path", "query", "status", "principal")
        rows = self._db.execute("SELECT id, at, method, path, query, status, principal FROM requests ORDER BY id")
        return [dict(zip(names, row, strict=True)) for row in rows]

    def clear_requests(self) -> None:
        self._db.execute("DELETE FROM requests")

    def _select(self, cls: type[R], where: str, values: tuple[object, ...], limit: int = -1) -> list[R]:
        sql = f"SELECT body FROM documents WHERE kind = ? AND {where} ORDER BY id LIMIT ?"  # noqa: S608 - constants
        rows = self._db.execute(sql, (cls.__name__, *values, limit)).fetchall()
        return [adapter(cls).validate_json(row[0]) for row in rows]

    def _require_transaction(self) -> None:
        if not self._db.in_transaction:
            raise RuntimeError("rows are changed only inside a transaction")
