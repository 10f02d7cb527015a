"""The proxy to listed hosts, with real sockets on both sides."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from runner.egress import Allowed, Refused, Request, egress, is_public, read_head


@dataclass(slots=True)
class Server:
    """Keeps what it is sent up to the end of a head or `until`, answers it and closes."""

    port: int = 0
    heard: list[bytes] = field(default_factory=list)


@asynccontextmanager
async def server(answer: bytes = b"answer", until: bytes = b"\r\n\r\n") -> AsyncIterator[Server]:
    made = Server()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.heard.append(await reader.readuntil(until))
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        made.port = listening.sockets[0].getsockname()[1]
        yield made


async def ask(path: Path, data: bytes) -> bytes:
    """Send it to the proxy and return all that comes back."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(data)
    answer = await reader.read()
    writer.close()
    return answer


async def status(path: Path, data: bytes) -> str:
    return (await ask(path, data)).split(b"\r\n")[0].decode()


def connect(target: str) -> bytes:
    return f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "egress.sock"


async def test_a_tunnel_to_a_listed_host_passes_everything_both_ways(path: Path) -> None:
    big = b"x" * 1_000_000 + b"END"
    async with server(big, until=b"\0END") as far, egress(path, [f"localhost:{far.port}"]):
        answer = await ask(path, connect(f"localhost:{far.port}") + b"not http \0END")
    assert far.heard == [b"not http \0END"]
    assert answer == b"HTTP/1.1 200 Connection established\r\n\r\n" + big


async def test_the_end_of_one_way_is_passed_on_and_the_other_goes_on(path: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"got %d" % len(await reader.read()))
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        async with egress(path, [f"localhost:{port}"]):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(connect(f"localhost:{port}") + b"four")
            writer.write_eof()
            assert (await reader.read()).endswith(b"got 4")
            writer.close()


async def test_a_plain_request_goes_on_as_the_server_expects_it(path: Path) -> None:
    async with server() as far, egress(path, [f"localhost:{far.port}"]):
        head = (
            f"GET http://localhost:{far.port}/a?b=c HTTP/1.1\r\nHost: elsewhere.example\r\nProxy-Authorization: x\r\n"
        )
        answer = await ask(path, head.encode() + b"X-Own: kept\r\nConnection: keep-alive\r\n\r\n")
    expected = f"GET /a?b=c HTTP/1.1\r\nHost: localhost:{far.port}\r\nX-Own: kept\r\nConnection: close\r\n\r\n"
    assert (answer, far.heard) == (b"answer", [expected.encode()])


@pytest.mark.parametrize(
    ("listed", "target"),
    [
        ("example.org", "example.com:443"),
        ("example.org", "sub.example.org:443"),
        ("example.org", "example.org:22"),
        ("example.org", "example.org.evil.test:443"),
        ("*.example.org", "example.org:443"),
        ("*.example.org", "notexample.org:443"),
        ("example.org:8443", "example.org:443"),
    ],
)
async def test_what_is_not_listed_is_refused_and_logged(path: Path, listed: str, target: str) -> None:
    async with egress(path, [listed]):
        with capture_logs() as logs:
            said = await ask(path, connect(target))
    assert said.startswith(b"HTTP/1.1 403 ")
    assert f"{target} is not among the hosts".encode() in said
    assert [(line["event"], line["host"]) for line in logs] == [("egress refused", target.partition(":")[0])]


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "127.1", "0x7f000001", "2130706433", "[::1]", "[::ffff:127.0.0.1]", "8.8.8.8"]
)
async def test_addresses_are_refused_whatever_is_listed(path: Path, address: str) -> None:
    async with server() as far, egress(path, ["*.example.org", f"localhost:{far.port}"]):
        said = await ask(path, connect(f"{address}:{far.port}"))
    assert b"403" in said.split(b"\r\n")[0]
    assert b"is an address" in said
    assert far.heard == []


async def test_a_listed_name_of_a_private_address_is_refused(path: Path) -> None:
    async with egress(path, ["localhost"]):
        assert b"localhost stands for an address that is not public" in await ask(path, connect("localhost:443"))
        assert b"not public" in await ask(path, b"GET http://localhost/ HTTP/1.1\r\n\r\n")


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET https://example.org/ HTTP/1.1\r\n\r\n",
        b"CONNECT example.org HTTP/1.1\r\n\r\n",
        b"CONNECT example.org:x HTTP/1.1\r\n\r\n",
        b"CONNECT exa mple.org:443 HTTP/1.1\r\n\r\n",
        b"CONNECT a@example.org,b:443 HTTP/1.1\r\n\r\n",
        b"GET http://example.org/ HTTP/1.1\nHost:evil\r\n\r\n",
        b"\x16\x03\x01 garbage\r\n\r\n",
    ],
)
async def test_what_is_no_request_to_a_proxy_is_answered_400(path: Path, head: bytes) -> None:
    async with egress(path, ["example.org"]):
        assert await status(path, head) == "HTTP/1.1 400 Refused"


async def test_a_host_that_does_not_listen_is_answered_502(path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with egress(path, [f"localhost:{port}"]):
        assert await status(path, connect(f"localhost:{port}")) == "HTTP/1.1 502 Refused"


async def test_a_head_without_an_end_is_cut_off(path: Path) -> None:
    async with egress(path, ["example.org"]):
        assert await ask(path, b"GET http://example.org/" + b"x" * 200_000) == b""


async def test_the_end_of_the_run_ends_what_is_under_way(path: Path) -> None:
    async with server(until=b"never") as far:
        async with egress(path, [f"localhost:{far.port}"]):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(connect(f"localhost:{far.port}"))
            await reader.readuntil(b"\r\n\r\n")
        assert await reader.read() == b""
        writer.close()
        with pytest.raises(OSError, match=r"refused|No such file"):
            await asyncio.open_unix_connection(path)


@pytest.mark.parametrize(
    ("entry", "allowed"),
    [
        ("Docs.Example.org.", Allowed("docs.example.org", None)),
        ("*.example.net", Allowed("*.example.net", None)),
        (" mirror.internal:8080 ", Allowed("mirror.internal", 8080)),
        ("localhost", Allowed("localhost", None)),
    ],
)
def test_entries_are_read(entry: str, allowed: Allowed) -> None:
    assert Allowed.parse(entry) == allowed


@pytest.mark.parametrize(
    "entry", ["", "*", "*.", "10.0.0.1", "a b", "http://x.org", "x.org:", "x.org:y", "[::1]", "a.*.org"]
)
def test_what_is_no_entry_is_refused_by_name(entry: str) -> None:
    with pytest.raises(ValueError, match="is no host"):
        Allowed.parse(entry)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700:4700::1111", True),
        ("10.1.2.3", False),
        ("100.64.0.1", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("192.168.0.1", False),
        ("0.0.0.0", False),  # noqa: S104 - an address to judge
        ("224.0.0.1", False),
        ("::1", False),
        ("::ffff:10.0.0.1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("64:ff9b::a00:1", False),
        ("2002:a00:1::", False),
    ],
)
def test_only_addresses_of_anybodys_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


def test_heads_are_understood() -> None:
    assert read_head(b"CONNECT A.example.org.:443 HTTP/1.1\r\n\r\n") == Request("a.example.org", 443, b"")
    with pytest.raises(Refused):
        read_head(b"GET ftp://example.org/ HTTP/1.1\r\n\r\n")
