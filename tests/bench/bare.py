"""The limit: the least that an ASGI app can do and still answer only after the disk has the delivery."""

import asyncio
import hmac
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

import uvicorn
from isal import isal_zlib

from tests.bench.payload import SECRET

Row = tuple[str, bytes]
INSERT = "INSERT INTO deliveries VALUES (?, ?) ON CONFLICT DO NOTHING"


class Committer:
    """A thread that commits all who wait at once."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._loop = asyncio.get_running_loop()
        self._turn: list[tuple[Row, asyncio.Future[None]]] = []
        self._waiting: SimpleQueue[list[tuple[Row, asyncio.Future[None]]]] = SimpleQueue()
        Thread(target=self._work, daemon=True).start()

    def insert(self, row: Row) -> asyncio.Future[None]:
        future: asyncio.Future[None] = self._loop.create_future()
        if not self._turn:
            self._loop.call_soon(self._hand_over)
        self._turn.append((row, future))
        return future

    def _hand_over(self) -> None:
        self._waiting.put(self._turn)
        self._turn = []

    def _work(self) -> None:
        connection = sqlite3.connect(self._file, isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE deliveries (id TEXT PRIMARY KEY, body BLOB) WITHOUT ROWID")
        while True:
            batch = self._gather()
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(INSERT, [row for row, _ in batch])
            connection.execute("COMMIT")
            self._loop.call_soon_threadsafe(_settle, [future for _, future in batch])

    def _gather(self) -> list[tuple[Row, asyncio.Future[None]]]:
        batch = self._waiting.get()
        try:
            while True:
                batch += self._waiting.get_nowait()
        except Empty:
            return batch


def _settle(futures: list[asyncio.Future[None]]) -> None:
    for future in futures:
        future.set_result(None)


def bare_app(committer: Committer) -> Callable[[Any, Any, Any], Awaitable[None]]:
    """Return the application: read, check the signature, insert, answer."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        message = await receive()
        body = message["body"]
        while message["more_body"]:
            message = await receive()
            body += message["body"]
        headers = dict(scope["headers"])
        expected = b"sha256=" + hmac.new(SECRET, body, sha256).hexdigest().encode()
        taken = hmac.compare_digest(expected, headers[b"x-hub-signature-256"])
        if taken:
            await committer.insert((headers[b"x-github-delivery"].decode(), isal_zlib.compress(body, 1)))
        answer = b"taken" if taken else b"not signed"
        length = (b"content-length", str(len(answer)).encode())
        await send({"type": "http.response.start", "status": 202 if taken else 401, "headers": [length]})
        await send({"type": "http.response.body", "body": answer})

    return app


async def serve(state: Path, port: int) -> None:
    """Serve until killed, with what `orch serve` gives uvicorn."""
    app = bare_app(Committer(state / "bare.db"))
    config = uvicorn.Config(app, port=port, log_config=None, access_log=False, proxy_headers=False, lifespan="off")
    await uvicorn.Server(config).serve()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
