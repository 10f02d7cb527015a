"""The store in SQLite."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from sqlite3 import Connection
from typing import Any

from app.ports import Clock, Conflict, Document
from infra.documents import check_commit, dump_body
from infra.sqlite.database import Database

PURGE = 20
LAST = "\U0010ffff"
Row = tuple[str, int, str]

GET = """
    SELECT key, version, body FROM documents
    WHERE partition = ? AND key = ? AND (expires IS NULL OR expires > ?)
"""
PARTITIONS = """
    SELECT DISTINCT partition FROM documents
    WHERE partition >= ? AND partition < ? AND (expires IS NULL OR expires > ?)
    ORDER BY partition
"""
QUERY = """
    SELECT key, version, body FROM documents
    WHERE partition = ? AND key >= ? AND key < ? AND (expires IS NULL OR expires > ?)
    ORDER BY key
"""


class SqliteStore:
    """Implement `app.ports.Store` in a database of the schema `STORE`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def get(self, partition: str, key: str) -> Document | None:
        found = await self._select(GET, partition, key)
        return found[0] if found else None

    async def query(self, partition: str, prefix: str = "") -> Sequence[Document]:
        return await self._select(QUERY, partition, prefix, prefix + LAST)

    async def find(self, partition: str, keys: Collection[str], prefix: str) -> Sequence[Document]:
        now = self._clock.now().timestamp()

        def read(connection: Connection) -> list[Row]:
            rows = connection.execute(QUERY, (partition, prefix, prefix + LAST, now)).fetchall()
            for key in keys:
                rows += connection.execute(GET, (partition, key, now)).fetchall()
            return sorted({row[0]: row for row in rows}.values())

        return _documents(await self._database.read(read))

    async def partitions(self, prefix: str = "") -> Sequence[str]:
        now = self._clock.now().timestamp()
        rows = await self._database.read(
            lambda connection: connection.execute(PARTITIONS, (prefix, prefix + LAST, now)).fetchall()
        )
        return [name for (name,) in rows]

    async def commit(
        self,
        partition: str,
        puts: Mapping[str, Mapping[str, Any]] | None = None,
        deletes: Collection[str] = (),
        expected: Mapping[str, int] | None = None,
        expires: Mapping[str, datetime] | None = None,
    ) -> None:
        puts, expected, expires = puts or {}, expected or {}, expires or {}
        check_commit(puts, deletes, expected, expires)
        rows = [(partition, key, dump_body(body), _seconds(expires.get(key))) for key, body in puts.items()]

        def write(connection: Connection) -> None:
            now = self._clock.now().timestamp()
            _drop_expired(connection, partition, puts, now)
            _require(connection, partition, expected, now)
            connection.executemany(
                "DELETE FROM documents WHERE partition = ? AND key = ?", [(partition, key) for key in deletes]
            )
            connection.executemany(
                "INSERT INTO documents (partition, key, version, body, expires) VALUES (?, ?, 1, ?, ?)"
                " ON CONFLICT DO UPDATE SET version = version + 1, body = excluded.body, expires = excluded.expires",
                rows,
            )

        await self._database.write(write)

    async def _select(self, query: str, *values: str) -> list[Document]:
        now = self._clock.now().timestamp()
        rows = await self._database.read(lambda connection: connection.execute(query, (*values, now)).fetchall())
        return _documents(rows)


def _documents(rows: Iterable[Row]) -> list[Document]:
    return [Document(key, version, json.loads(body)) for key, version, body in rows]


def _drop_expired(connection: Connection, partition: str, puts: Iterable[str], now: float) -> None:
    """Delete what a put would otherwise revive with its old version, and a few expired ones of anybody's."""
    connection.executemany(
        "DELETE FROM documents WHERE partition = ? AND key = ? AND expires <= ?",
        [(partition, key, now) for key in puts],
    )
    connection.execute(
        "DELETE FROM documents WHERE rowid IN (SELECT rowid FROM documents WHERE expires <= ? LIMIT ?)", (now, PURGE)
    )


def _require(connection: Connection, partition: str, expected: Mapping[str, int], now: float) -> None:
    for key, version in expected.items():
        row = connection.execute(GET, (partition, key, now)).fetchone()
        found = row[1] if row else 0
        if found != version:
            raise Conflict(f"{partition} {key}: expected version {version}, found {found}")


def _seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None
