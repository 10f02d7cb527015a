"""What a container of a function does when it cannot work, and when it was frozen."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import aiohttp

from app.entry.aws_container import Container, pause
from infra.aws.events import MOST_RECEIVES

PATIENCE = 20


@dataclass(slots=True)
class Context:
    """What Lambda hands over."""

    aws_request_id: str = "1"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


class Server(ThreadingHTTPServer):
    """Answers POST, and keeps no connection that is idle for a moment."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.closed = Event()


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 0.2

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(204)
        self.end_headers()

    def finish(self) -> None:
        super().finish()
        self.connection.close()
        assert isinstance(self.server, Server)
        self.server.closed.set()

    def log_message(self, format: str, *args: object) -> None:
        return


@contextmanager
def serving() -> Iterator[Server]:
    with Server() as server:
        thread = Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield server
        server.shutdown()
        thread.join(PATIENCE)


def test_an_event_outlasts_a_week_in_which_nothing_can_be_opened() -> None:
    waits = [pause(receives) for receives in range(1, MOST_RECEIVES + 1)]
    assert waits[:4] == [15, 30, 60, 120]
    assert timedelta(seconds=sum(waits)) > timedelta(days=7)


def test_what_was_closed_while_a_container_was_frozen_is_not_used_again() -> None:
    container, sessions = Container(), list[aiohttp.ClientSession]()

    async def ask(_ends: float) -> int:
        if not sessions:
            sessions.append(aiohttp.ClientSession())
        async with sessions[0].post(f"http://127.0.0.1:{server.server_port}/", data=b"x") as answer:
            return answer.status

    async def close(_ends: float) -> None:
        await sessions[0].close()
        await asyncio.sleep(0)

    with serving() as server:
        assert container._run(ask, Context()) == 204
        assert server.closed.wait(PATIENCE)
        assert container._run(ask, Context()) == 204
        container._run(close, Context())
    container._loop.close()
