"""Git over HTTP: one `git http-backend` per request, streamed both ways."""

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar

from aiohttp import web

from infra.hub.git import git_environment

SERVICES = ("/info/refs", "/git-upload-pack", "/git-receive-pack")
CHUNK = 64 * 1024
GZIP_MAGIC = b"\x1f\x8b"
WATCH_SECONDS = 0.2
GRACE_SECONDS = 2.0

T = TypeVar("T")


def wants_write(request: web.Request) -> bool:
    """Tell whether a git request belongs to a push."""
    return request.query.get("service") == "git-receive-pack" or request.path.endswith("/git-receive-pack")


async def serve_git(
    request: web.Request, repository: Path, *, write_allowed: bool, told: Mapping[str, str] | None = None
) -> web.StreamResponse:
    """Answer one smart-HTTP request for a repository; `told` is what its hooks find in their environment.

    404 for what is not smart HTTP, 403 for a push without `write_allowed` before any process starts, 502 if git
    ends without an answer. A client that goes away ends git and all that git started.
    """
    service = next((s for s in SERVICES if request.path.endswith(s)), None)
    if service is None:
        return web.Response(status=404, text="Repository not found\n")
    if wants_write(request) and not write_allowed:
        return web.Response(status=403, text="Write access to repository not granted\n")
    # Whether the server unpacked the body before we see it is the server's setting; the bytes themselves tell.
    head = await request.content.readany() if request.body_exists else b""
    environment = _environment(request, repository, service, compressed=head.startswith(GZIP_MAGIC))
    try:
        async with _backend({**environment, **(told or {})}) as process:
            return await _while_connected(request, _exchange(request, process, head))
    except ConnectionError:
        return web.Response(status=499, text="The client went away\n")


def _environment(request: web.Request, repository: Path, service: str, *, compressed: bool) -> dict[str, str]:
    environment = {
        "GATEWAY_INTERFACE": "CGI/1.1",
        "GIT_PROJECT_ROOT": str(repository.parent),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": f"/{repository.name}{service}",
        "REQUEST_METHOD": request.method,
        "QUERY_STRING": request.rel_url.raw_query_string,
        "CONTENT_TYPE": request.headers.get("Content-Type", ""),
        "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
    }
    if compressed:
        environment["HTTP_CONTENT_ENCODING"] = "gzip"
    if wants_write(request):
        environment["REMOTE_USER"] = "writer"
    return git_environment(environment)


@asynccontextmanager
async def _backend(environment: dict[str, str]) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        "git", "http-backend", stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=environment, start_new_session=True
    )
    try:
        yield process
        await process.wait()
    finally:
        if process.returncode is None:
            await _end(process)


async def _end(process: Process) -> None:
    assert process.stdout is not None
    # Only git itself removes its lock files, so all of it is asked to end before it is made to. The output ends
    # when the last of git's children is gone, which may be later than the first.
    _signal_group(process, signal.SIGTERM)
    with suppress(TimeoutError):
        async with asyncio.timeout(GRACE_SECONDS):
            while await process.stdout.read(CHUNK):
                pass
    _signal_group(process, signal.SIGKILL)
    await process.wait()


def _signal_group(process: Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


async def _while_connected(request: web.Request, work: Coroutine[None, None, T]) -> T:
    # aiohttp tells a handler of a lost client only when it reads or writes, and git may be busy between the two.
    task = asyncio.create_task(work)
    try:
        while not task.done():
            if request.transport is None or request.transport.is_closing():
                raise ConnectionResetError
            await asyncio.wait({task}, timeout=WATCH_SECONDS)
        return task.result()
    finally:
        task.cancel()
        await asyncio.wait({task})


async def _exchange(request: web.Request, process: Process, head: bytes) -> web.StreamResponse:
    feeding = asyncio.create_task(_feed(request, process, head))
    try:
        return await _relay(request, process)
    finally:
        feeding.cancel()
        await asyncio.wait({feeding})


async def _feed(request: web.Request, process: Process, head: bytes) -> None:
    assert process.stdin is not None
    with suppress(ConnectionError):
        process.stdin.write(head)
        async for chunk in request.content.iter_chunked(CHUNK):
            process.stdin.write(chunk)
            await process.stdin.drain()
        process.stdin.close()


async def _relay(request: web.Request, process: Process) -> web.StreamResponse:
    assert process.stdout is not None
    try:
        head = await process.stdout.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return web.Response(status=502, text="git did not answer\n")
    fields = [line.partition(": ") for line in head.decode("latin-1").split("\r\n") if line]
    headers = {name: value for name, _, value in fields}
    status = int(headers.pop("Status", "200 OK").split(" ", 1)[0])
    response = web.StreamResponse(status=status, headers=headers)
    await response.prepare(request)
    while chunk := await process.stdout.read(CHUNK):
        await response.write(chunk)
    await response.write_eof()
    return response
