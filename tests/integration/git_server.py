"""A git server on loopback that asks for a token, for tests of what fetches and pushes."""

import asyncio
import os
import select
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from infra.hub.git import BareRepository, Identity
from infra.hub.smart_http import serve_git, wants_write

TOKEN = "ghs_one-shot-token-of-this-test"
WRITER = Identity("Writer", "writer@example.invalid")


@dataclass(slots=True)
class GitServer:
    """`fail_with` answers every request with that status instead."""

    repository: BareRepository
    url: str = ""
    pushes: int = 0
    fail_with: int | None = None
    location: str = ""
    seen: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request.path)
        if self.fail_with is not None:
            return web.Response(status=self.fail_with, headers={"Location": self.location} if self.location else {})
        expected = b64encode(f"x-access-token:{TOKEN}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {expected}":
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="git"'})
        self.pushes += wants_write(request)
        return await serve_git(request, self.repository.path, write_allowed=True)

    async def head(self) -> str:
        sha = await self.repository.resolve("refs/heads/main")
        assert sha is not None
        return sha


@asynccontextmanager
async def git_server(folder: Path, files: Mapping[str, bytes]) -> AsyncIterator[GitServer]:
    """Serve a new repository with these files on a free port of loopback."""
    server = GitServer(BareRepository(folder / "remote" / "project.git"))
    await server.repository.create(files, author=WRITER)
    app = web.Application()
    app.router.add_route("*", "/owner/project.git/{rest:.*}", server.answer)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/owner/project.git"
    try:
        yield server
    finally:
        await runner.cleanup()


async def has_ended(pidfd: int) -> bool:
    """Wait until a process that was told to end has done so, but not for ever."""
    try:
        readable, _, _ = await asyncio.to_thread(select.select, [pidfd], [], [], 10)
        return bool(readable)
    finally:
        os.close(pidfd)
