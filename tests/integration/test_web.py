"""The receiver over real HTTP: an answer of 202 means that the delivery lies in queue.db."""

import asyncio
import hmac
import io
import json
import os
import signal
import socket
import sqlite3
import sys
import zlib
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
import uvicorn
from starlette.types import ASGIApp

from app.domain.envelope import Envelope
from app.web.asgi import web_app
from app.web.deliveries import LARGEST, TAKEN
from app.web.health import Health
from app.web.receive import Given, Receiver
from infra.local.clock import SystemClock
from infra.packing import unpack
from infra.sqlite.database import Database
from infra.sqlite.events import SqliteEventQueue
from infra.sqlite.migrations import QUEUE

SECRET = b"webhook-secret"
TREE = Path(__file__).parents[2]
PAYLOAD: dict[str, Any] = {
    "action": "labeled",
    "repository": {"id": 7},
    "issue": {"number": 5},
    "installation": {"id": 3},
}
BODY = json.dumps(PAYLOAD).encode()


class Server(uvicorn.Server):
    """uvicorn that leaves the signals to the tests."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass(frozen=True, slots=True)
class Web:
    """A receiver that listens, and the file behind it."""

    url: str
    port: int
    file: Path
    session: aiohttp.ClientSession

    async def post(self, body: Any, **headers: str) -> tuple[int, str]:
        async with self.session.post(f"{self.url}/webhook", data=body, headers=headers) as answer:
            return answer.status, await answer.text()

    async def deliver(self, body: bytes = BODY, **changes: str) -> tuple[int, str]:
        """Post a delivery as GitHub does; `changes` are other headers, and an empty one is not sent."""
        named = {name.replace("_", "-"): value for name, value in changes.items()}
        headers = {name: value for name, value in (signed(body) | named).items() if value}
        return await self.post(body, **headers)

    def envelopes(self) -> list[Envelope]:
        return envelopes_in(self.file)


def signed(body: bytes, secret: bytes = SECRET) -> dict[str, str]:
    return {
        "x-hub-signature-256": "sha256=" + hmac.new(secret, body, sha256).hexdigest(),
        "x-github-delivery": "d-1",
        "x-github-event": "issues",
        "content-type": "application/json",
    }


def envelopes_in(file: Path) -> list[Envelope]:
    """Read the envelopes as another process does."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT body FROM messages ORDER BY seq").fetchall()
    return [unpack(body) for (body,) in rows]


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[int]:
    """Serve an application on a free port."""
    server = Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))
    listener = socket.create_server(("127.0.0.1", 0))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await task


def receiving(database: Database, body_seconds: float = 20) -> ASGIApp:
    """Make the application of a receiver over the database."""
    clock = SystemClock()
    receiver = Receiver(Given((SECRET,)), SqliteEventQueue(database, clock, lease_seconds=30, max_failures=3), clock)
    return web_app(receiver, Health({}), body_seconds=body_seconds)


@pytest.fixture
async def web(tmp_path: Path) -> AsyncIterator[Web]:
    file = tmp_path / "queue.db"
    async with (
        await Database.open(file, QUEUE, durable=True) as database,
        serving(receiving(database)) as port,
        aiohttp.ClientSession() as session,
    ):
        yield Web(f"http://127.0.0.1:{port}", port, file, session)


async def test_a_delivery_lies_in_the_queue_as_it_came(web: Web) -> None:
    assert await web.deliver() == (202, "taken")
    [envelope] = web.envelopes()
    assert (envelope.id, envelope.name, envelope.group) == ("d-1", "issues", "repository:7/5")
    assert zlib.decompress(envelope.body) == BODY


async def test_i2_a_delivery_that_comes_twice_is_taken_once(web: Web) -> None:
    assert [await web.deliver(), await web.deliver()] == [(202, "taken"), (202, "taken before")]
    assert len(web.envelopes()) == 1


@pytest.mark.parametrize(
    ("body", "group"),
    [
        ({"repository": {"id": 7}, "pull_request": {"number": 9}}, "repository:7/9"),
        ({"repository": {"id": 7}, "issue": {"number": 5}, "pull_request": None}, "repository:7/5"),
        ({"repository": {"id": 7}, "check_run": {"id": 1}}, "repository:7/events"),
        ({"repository": None, "installation": {"id": 3}}, "installation:3/events"),
        ({"zen": "Design for failure."}, "installation:0/events"),
        ({"repository": {"id": "seven"}, "issue": [5]}, "installation:0/events"),
    ],
)
async def test_the_group_is_the_narrowest_thing_named(web: Web, body: dict[str, Any], group: str) -> None:
    assert (await web.deliver(json.dumps({"action": "labeled"} | body).encode()))[0] == 202
    assert [envelope.group for envelope in web.envelopes()] == [group]


async def test_a_link_is_for_the_issue_in_whose_repository_it_is_told(web: Web) -> None:
    ends = {"parent_issue": {"number": 5}, "sub_issue": {"number": 9}}
    body = {"action": "parent_issue_added", "repository": {"id": 7}, **ends}
    assert (await web.deliver(json.dumps(body).encode(), x_github_event="sub_issues"))[0] == 202
    assert [envelope.group for envelope in web.envelopes()] == ["repository:7/9"]


@pytest.mark.parametrize("signature", ["", "sha256=" + "0" * 64, "sha1=abc", "sha256=", "gar\u00e7on"])
async def test_what_is_not_signed_is_refused(web: Web, signature: str) -> None:
    status, said = await web.deliver(x_hub_signature_256=signature)
    assert (status, "webhook secret" in said) == (401, True)
    assert web.envelopes() == []


async def test_a_body_that_was_changed_on_the_way_is_refused(web: Web) -> None:
    status, _ = await web.post(BODY.replace(b"5", b"6"), **signed(BODY))
    assert (status, web.envelopes()) == (401, [])


@pytest.mark.parametrize("header", ["x_github_delivery", "x_github_event"])
@pytest.mark.parametrize("value", ["", "a b", "../x", "x" * 129, "\u00e4"])
async def test_a_request_without_its_headers_is_no_delivery(web: Web, header: str, value: str) -> None:
    status, said = await web.deliver(BODY, **{header: value})
    assert (status, "X-GitHub-Delivery or X-GitHub-Event" in said, web.envelopes()) == (400, True, [])


async def test_the_case_of_header_names_does_not_matter(web: Web) -> None:
    status, _ = await web.post(BODY, **{name.upper(): value for name, value in signed(BODY).items()})
    assert (status, len(web.envelopes())) == (202, 1)


@pytest.mark.parametrize(
    ("name", "status"), [("x-hub-signature-256", 401), ("x-github-delivery", 400), ("x-github-event", 400)]
)
async def test_a_header_that_comes_twice_does_not_count(web: Web, name: str, status: int) -> None:
    headers = [*signed(BODY).items(), (name, signed(BODY)[name])]
    async with web.session.post(f"{web.url}/webhook", data=BODY, headers=headers) as answer:
        assert (answer.status, web.envelopes()) == (status, [])


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON"])
async def test_json_by_any_spelling_is_taken(web: Web, kind: str) -> None:
    assert await web.deliver(content_type=kind) == (202, "taken")


async def test_a_form_is_refused_with_the_setting_to_change(web: Web) -> None:
    form = urlencode({"payload": BODY.decode()}).encode()
    status, said = await web.deliver(form, content_type="application/x-www-form-urlencoded")
    assert (status, said) == (415, "Orch reads JSON: set the webhook's content type to application/json")
    assert web.envelopes() == []


async def test_a_form_that_is_not_signed_learns_nothing(web: Web) -> None:
    status, said = await web.post(b"payload=x", **{"content-type": "application/x-www-form-urlencoded"})
    assert (status, "content type" in said) == (401, False)


@pytest.mark.parametrize(
    ("event", "payload"),
    [
        ("issues", {"action": "pinned"}),
        ("issues", {}),
        ("issues", {"action": ["labeled"]}),
        ("workflow_job", {"action": "queued"}),
        ("never_heard_of", {}),
    ],
)
async def test_what_means_nothing_to_orch_is_ignored_and_not_kept(web: Web, event: str, payload: Any) -> None:
    body = json.dumps({"repository": {"id": 7}, **payload}).encode()
    status, said = await web.deliver(body, x_github_event=event)
    assert (status, said.partition(":")[0], web.envelopes()) == (202, "ignored", [])


async def test_the_receiver_takes_a_body_that_came_in_base64_once_it_is_decoded(tmp_path: Path) -> None:
    """Lambda hands bodies over so; decoding is its adapter's, the signature is over what was decoded."""
    file, clock = tmp_path / "queue.db", SystemClock()
    carried = b64encode(BODY)
    async with await Database.open(file, QUEUE, durable=True) as database:
        receiver = Receiver(
            Given((SECRET,)), SqliteEventQueue(database, clock, lease_seconds=30, max_failures=3), clock
        )
        assert (await receiver.receive(signed(BODY), carried)).status == 401
        assert await receiver.receive(signed(BODY), b64decode(carried)) == TAKEN
    assert [zlib.decompress(envelope.body) for envelope in envelopes_in(file)] == [BODY]


@pytest.mark.parametrize("body", [b"null", b"[]", b"7", b"", b"{", b"\xff\xfe", b"payload=%7B%7D", b"[" * 100_000])
async def test_a_body_that_is_no_object_is_refused(web: Web, body: bytes) -> None:
    status, _ = await web.deliver(body)
    assert (status, web.envelopes()) == (400, [])


async def test_ping_is_answered_and_not_kept(web: Web) -> None:
    assert await web.deliver(b'{"zen": "x"}', x_github_event="ping") == (200, "pong")
    assert web.envelopes() == []


async def test_ping_that_is_not_signed_is_refused(web: Web) -> None:
    assert (await web.deliver(x_github_event="ping", x_hub_signature_256=""))[0] == 401


async def test_the_largest_payload_is_taken_and_one_byte_more_is_not(web: Web) -> None:
    start, end = BODY[:-1] + b', "pad": "', b'"}'
    largest = start + b"x" * (LARGEST - len(start) - len(end)) + end
    assert len(largest) == LARGEST
    assert await web.post(io.BytesIO(largest), **signed(largest)) == (202, "taken")
    assert await status_of(web.port, f"Content-Length: {LARGEST + 1}", b"") == 413
    assert await status_of(web.port, "Transfer-Encoding: chunked", b"%x\r\n%s \r\n" % (LARGEST + 1, largest)) == 413
    assert len(web.envelopes()) == 1


async def status_of(port: int, length: str, body: bytes) -> int:
    """Post without minding that the server answers before all of it was sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"POST /webhook HTTP/1.1\r\nHost: orch\r\n{length}\r\n\r\n".encode() + body)
    try:
        status_line = await asyncio.wait_for(reader.readline(), 120)
    finally:
        writer.close()
    return int(status_line.split()[1])


async def test_a_chunked_body_is_read_to_its_end(web: Web) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(BODY), 10):
            yield BODY[start : start + 10]

    assert await web.post(chunks(), **signed(BODY)) == (202, "taken")
    assert [zlib.decompress(envelope.body) for envelope in web.envelopes()] == [BODY]


@pytest.mark.parametrize("half", [BODY[:20], b""])
async def test_a_client_that_hangs_up_in_the_middle_leaves_nothing(web: Web, half: bytes) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", web.port)
    lines = ["POST /webhook HTTP/1.1", "Host: orch", f"Content-Length: {len(BODY)}"]
    lines += [f"{name}: {value}" for name, value in signed(half).items()]
    writer.write("\r\n".join([*lines, "", ""]).encode() + half)
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await web.deliver(x_github_delivery="d-2"))[0] == 202
    assert [envelope.id for envelope in web.envelopes()] == ["d-2"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_a_webhook_is_delivered_by_post_alone(web: Web, method: str) -> None:
    async with web.session.request(method, f"{web.url}/webhook", data=BODY, headers=signed(BODY)) as answer:
        said = await answer.text()
        assert (answer.status, answer.headers["allow"], web.envelopes()) == (405, "POST", [])
    assert method == "HEAD" or "Webhook URL" in said


async def test_other_paths_are_not_there(web: Web) -> None:
    async with web.session.post(f"{web.url}/", data=BODY, headers=signed(BODY)) as answer:
        assert (answer.status, web.envelopes()) == (404, [])


@pytest.fixture
async def hurried(tmp_path: Path) -> AsyncIterator[Web]:
    """A receiver that waits for no body for long."""
    file = tmp_path / "queue.db"
    async with (
        await Database.open(file, QUEUE, durable=True) as database,
        serving(receiving(database, body_seconds=1.5)) as port,
        aiohttp.ClientSession() as session,
    ):
        yield Web(f"http://127.0.0.1:{port}", port, file, session)


async def test_bodies_that_trickle_are_given_up_and_keep_nobody_waiting(hurried: Web) -> None:
    head = f"POST /webhook HTTP/1.1\r\nHost: orch\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()
    slow = [await asyncio.open_connection("127.0.0.1", hurried.port) for _ in range(20)]
    answers = [asyncio.create_task(reader.readline()) for reader, _ in slow]
    trickling = [asyncio.create_task(trickle(writer, head, BODY)) for _, writer in slow]
    try:
        assert await hurried.deliver() == (202, "taken")
        assert {await asyncio.wait_for(answer, 120) for answer in answers} == {b"HTTP/1.1 408 Request Timeout\r\n"}
    finally:
        await asyncio.gather(*trickling)
    assert [envelope.id for envelope in hurried.envelopes()] == ["d-1"]


async def trickle(writer: asyncio.StreamWriter, head: bytes, body: bytes) -> None:
    """Send a body byte by byte until the other side has enough of it."""
    with closing(writer), suppress(OSError):
        writer.write(head)
        for byte in body:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("length", ["Content-Length: seven", "Content-Length: -1", "Transfer-Encoding: gzip"])
async def test_a_length_that_is_none_is_no_request(web: Web, length: str) -> None:
    assert await status_of(web.port, length, BODY) in (400, 501)
    assert web.envelopes() == []


async def test_a_chunk_that_is_none_is_no_delivery(web: Web) -> None:
    lines = ["POST /webhook HTTP/1.1", "Host: orch", "Transfer-Encoding: chunked"]
    lines += [f"{name}: {value}" for name, value in signed(BODY).items()]
    reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
    with closing(writer):
        writer.write("\r\n".join([*lines, "", ""]).encode() + b"%x\r\n%s\r\nzz\r\n" % (len(BODY), BODY))
        assert (await asyncio.wait_for(reader.read(), 120)).startswith(b"HTTP/1.1 400")
    assert web.envelopes() == []


async def test_i1_a_queue_that_takes_nothing_is_503_so_that_github_delivers_again(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "queue.db", QUEUE, durable=True)
    async with serving(receiving(database)) as port, aiohttp.ClientSession() as session:
        web = Web(f"http://127.0.0.1:{port}", port, tmp_path / "queue.db", session)
        await database.close()
        assert (await web.deliver())[0] == 503


async def test_i1_a_delivery_answered_202_outlives_kill_9(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "import asyncio, sys; from tests.integration.test_web import main; asyncio.run(main(sys.argv[1]))",
        str(tmp_path / "queue.db"),
        stdout=asyncio.subprocess.PIPE,
        cwd=TREE,
        env={"PATH": os.environ["PATH"]},
    )
    try:
        assert process.stdout is not None
        port = int(await asyncio.wait_for(process.stdout.readline(), 120))
        async with aiohttp.ClientSession() as session:
            web = Web(f"http://127.0.0.1:{port}", port, tmp_path / "queue.db", session)
            async with session.post(f"{web.url}/webhook", data=BODY, headers=signed(BODY)) as answer:
                process.send_signal(signal.SIGKILL)
                assert answer.status == 202
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    [envelope] = envelopes_in(tmp_path / "queue.db")
    assert (envelope.id, zlib.decompress(envelope.body)) == ("d-1", BODY)


async def main(file: str) -> None:
    """Serve until killed; print the port."""
    async with await Database.open(Path(file), QUEUE, durable=True) as database, serving(receiving(database)) as port:
        print(port, flush=True)
        await asyncio.Event().wait()
