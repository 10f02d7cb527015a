"""The one way out for agents that may reach listed hosts only: an HTTP proxy on a unix socket.

It passes CONNECT and plain requests on, and knows hosts by name alone: what a name stands for must be a public address,
and what is connected to is the address that was looked at. What is said inside a tunnel it does not see, so a listed
host that serves others under its own name is as wide as it is.
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from app.log import log

PORTS = (80, 443)
HEAD_BYTES = 1 << 16
HEAD_SECONDS = 30
CONNECT_SECONDS = 15
CONNECTIONS = 256
CHUNK = 1 << 16
HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,62}\.)*[a-z0-9_-]{0,62}[a-z0-9_]|[a-z0-9_]")
LINE = re.compile(rb"([A-Z]+) ([!-~]+) (HTTP/1\.[01])")
HOP_BY_HOP = {b"connection", b"proxy-connection", b"proxy-authorization", b"keep-alive", b"host", b"te", b"upgrade"}


class Refused(Exception):
    """The proxy does not do that; `status` is what the client is answered."""

    def __init__(self, reason: str, status: int = 403) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class Allowed:
    """One entry of the list: `example.org`, `*.example.org` (which is not example.org itself), or either with `:port`.

    Without a port it means 80 and 443. An entry with a port may be of a private address, as a mirror of packages in
    one's own network; raises ValueError for what is no entry.
    """

    name: str
    port: int | None

    @classmethod
    def parse(cls, entry: str) -> "Allowed":
        name, colon, port = entry.strip().lower().rstrip(".").partition(":")
        if not HOST.fullmatch(name.removeprefix("*.")) or _is_address(name) or (colon and not port.isdecimal()):
            raise ValueError(
                f"{entry!r} is no host: name it as in docs.example.org, *.example.net or mirror.internal:8080"
            )
        return cls(name, int(port) if colon else None)

    def covers(self, host: str, port: int) -> bool:
        """Say whether it lets this through."""
        if port not in (PORTS if self.port is None else (self.port,)):
            return False
        return host.endswith(self.name[1:]) if self.name.startswith("*.") else host == self.name


@dataclass(frozen=True, slots=True)
class Request:
    """The head of what a client asks for; `onward` is what the server is told first, empty in a tunnel."""

    host: str
    port: int
    onward: bytes


@asynccontextmanager
async def egress(path: Path, hosts: Iterable[str]) -> AsyncIterator[None]:
    """Serve as the proxy to these hosts on a unix socket; raises ValueError for an entry that is none."""
    proxy = _Proxy(tuple(Allowed.parse(entry) for entry in hosts))
    server = await asyncio.start_unix_server(proxy.serve, path, limit=HEAD_BYTES)
    try:
        yield
    finally:
        server.close()
        await proxy.close()


class _Proxy:
    def __init__(self, allowed: tuple[Allowed, ...]) -> None:
        self._allowed = allowed
        self._serving: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            await self._answer(reader, writer)
        except Refused as refused:
            await _say(writer, refused.status, str(refused))
        except asyncio.CancelledError:  # it is the end of the run: nobody waits for this task
            pass
        except (OSError, ValueError, asyncio.IncompleteReadError, TimeoutError) as error:
            log().debug("egress broke off", reason=str(error))
        finally:
            self._serving.discard(task)
            writer.close()

    async def close(self) -> None:
        """End what is under way."""
        for task in self._serving:
            task.cancel()
        if self._serving:
            await asyncio.wait(set(self._serving))

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._serving) > CONNECTIONS:
            raise Refused("too many connections at a time", 503)
        async with asyncio.timeout(HEAD_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
        request = read_head(head)
        try:
            far_reader, far_writer = await self._connect(request.host, request.port)
        except Refused as refused:
            log().warning("egress refused", host=request.host, port=request.port, reason=str(refused))
            raise
        try:
            if request.onward:
                far_writer.write(request.onward)
            else:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await _join(reader, writer, far_reader, far_writer)
        finally:
            far_writer.close()

    async def _connect(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to an address that was looked at, and not to what the name may stand for a moment later."""
        if _is_address(host):
            raise Refused(f"{host} is an address: only hosts by name are let through")
        covering = [each for each in self._allowed if each.covers(host, port)]
        if not covering:
            raise Refused(f"{host}:{port} is not among the hosts that agents may reach")
        addresses = await _addresses(host, port)
        if all(each.port is None for each in covering):
            addresses = [address for address in addresses if is_public(address)]
            if not addresses:
                raise Refused(f"{host} stands for an address that is not public")
        failure: Exception | None = None
        for address in addresses:
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    return await asyncio.open_connection(address, port)
            except (OSError, TimeoutError) as error:
                failure = error
        raise Refused(f"{host}:{port} cannot be reached: {failure or 'time-out'}", 502)


def read_head(head: bytes) -> Request:
    """Understand the head of a request; raises Refused."""
    line, *fields = head[:-4].split(b"\r\n")
    found = LINE.fullmatch(line)
    if found is None:
        raise Refused("this is no request to a proxy", 400)
    method, target, version = (part.decode() for part in found.groups())
    tunnel = method == "CONNECT"
    try:
        parts = urlsplit(f"//{target}" if tunnel else target)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        raise Refused(f"{target} is no address", 400) from None
    if not (HOST.fullmatch(host) or _is_address(host)) or (port is None if tunnel else parts.scheme != "http"):
        raise Refused("only http:// addresses in full, and CONNECT host:port for others", 400)
    if tunnel:
        return Request(host, port or 0, b"")
    path = target.partition("//")[2].partition("/")[2]
    kept = [field for field in fields if field.partition(b":")[0].strip().lower() not in HOP_BY_HOP]
    name = host if port is None else f"{host}:{port}"
    onward = [f"{method} /{path} {version}".encode(), f"Host: {name}".encode(), *kept, b"Connection: close", b"", b""]
    return Request(host, port or PORTS[0], b"\r\n".join(onward))


def is_public(address: str) -> bool:
    """Say whether an address is anybody's and not of this machine or a network of one's own."""
    found = ipaddress.ip_address(address.partition("%")[0])
    for inner in (getattr(found, "ipv4_mapped", None), getattr(found, "sixtofour", None)):
        if inner is not None:
            found = inner
    if isinstance(found, ipaddress.IPv6Address) and found in ipaddress.ip_network("64:ff9b::/96"):
        found = ipaddress.ip_address(int(found) & 0xFFFFFFFF)
    return found.is_global and not found.is_multicast


async def _addresses(host: str, port: int) -> list[str]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Refused(f"{host} is not found: {error.strerror}", 502) from error
    return [str(address[0]) for *_, address in found]


def _is_address(host: str) -> bool:
    """Take whatever the system would: 127.1 and 0x7f000001 are addresses, too."""
    if ":" in host:
        return True
    with suppress(OSError):
        socket.inet_aton(host)
        return True
    return False


async def _join(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    far_reader: asyncio.StreamReader,
    far_writer: asyncio.StreamWriter,
) -> None:
    """Copy both ways until both ends have ended, or one has broken off."""
    ways = {asyncio.create_task(_copy(reader, far_writer)), asyncio.create_task(_copy(far_reader, writer))}
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


async def _say(writer: asyncio.StreamWriter, status: int, reason: str) -> None:
    body = f"Orch: {reason}\n".encode(errors="replace")
    head = f"HTTP/1.1 {status} Refused\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
    writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
    with suppress(OSError):
        await writer.drain()
