"""Reading logs from another host than GitHub's: what is sent there, how much is read, and what may go wrong."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from app.domain.errors import Missing, Permanent, Retryable
from app.github.client import Transport
from app.github.logs import CHUNK, MOST_READ, read_log
from app.github.pacing import Pacing


class WallClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass
class Storage:
    """A host that keeps one log, in so many pieces, and answers with `status`."""

    transport: Transport
    url: str = ""
    status: int = 200
    pieces: list[bytes] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen += list(request.headers)
        response = web.StreamResponse(status=self.status)
        await response.prepare(request)
        for piece in self.pieces:
            await response.write(piece)
        return response


@pytest.fixture
async def storage() -> AsyncIterator[Storage]:
    async with aiohttp.ClientSession() as session:
        storage = Storage(Transport(session, "http://api.example", WallClock(), Pacing(WallClock())))
        app = web.Application()
        app.router.add_get("/log", storage.answer)
        async with TestServer(app, host="127.0.0.1") as server:
            storage.url = f"{server.make_url('/log')}?signature=secret"
            yield storage


async def test_a_log_is_read_to_its_end_and_the_end_is_kept(storage: Storage) -> None:
    storage.pieces = [b"2026-11-21T22:30:40.1Z line\n"] * 10_000 + [b"2026-11-21T22:30:40.1Z the l\xc3\xa4st\n\xff"]
    assert await read_log(storage.transport, storage.url, 16) == "\nline\nthe l\u00e4st\n\ufffd"
    assert "Authorization" not in storage.seen


async def test_a_log_without_end_is_read_no_further_than_its_limit(storage: Storage) -> None:
    storage.pieces = [b"x" * CHUNK] * (MOST_READ // CHUNK + 2)
    read = await read_log(storage.transport, storage.url, 100)
    assert (len(read), read[-62:]) == (
        100,
        "x\n(the log goes on: only its first 64 MiB were read)"[-62:].rjust(62, "x"),
    )


@pytest.mark.parametrize(("status", "error"), [(404, Missing), (410, Missing), (403, Retryable), (503, Retryable)])
async def test_a_refusal_names_the_address_without_what_opens_it(
    storage: Storage, status: int, error: type[Exception]
) -> None:
    storage.status = status
    with pytest.raises(error) as raised:
        await read_log(storage.transport, storage.url, 100)
    assert str(raised.value) == f"GET {storage.url.partition('?')[0]}: {status}"


async def test_a_host_that_is_not_there_is_retryable_and_its_address_stays_secret(storage: Storage) -> None:
    with pytest.raises(Retryable) as raised:
        await read_log(storage.transport, "http://127.0.0.1:1/log?signature=secret", 100)
    assert ("secret" in str(raised.value), raised.value.__cause__) == (False, None)


async def test_no_log_of_a_github_behind_https_is_fetched_in_the_clear(storage: Storage) -> None:
    secure = Transport(storage.transport.session, "https://api.example", WallClock(), Pacing(WallClock()))
    with pytest.raises(Permanent, match="not https"):
        await read_log(secure, storage.url, 100)
    assert storage.seen == []
