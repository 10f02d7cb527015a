"""A world whose processes are forked from a zygote, and can be killed at points of the path."""

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp

from tests.e2e.processes import START_SECONDS, free_port
from tests.e2e.world import World

TREE = Path(__file__).parents[2]


@dataclass(slots=True)
class Zygote:
    """The process that forks."""

    process: asyncio.subprocess.Process
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def fork(self, **order: Any) -> "Forked":
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        async with self.turn:
            self.process.stdin.write(json.dumps(order).encode() + b"\n")
            return Forked(int(await self.process.stdout.readline()))


@dataclass(slots=True)
class Forked:
    """A forked process, which leads a group of its own."""

    pid: int

    @property
    def alive(self) -> bool:
        with suppress(ProcessLookupError):
            os.kill(self.pid, 0)
            return True
        return False

    async def kill(self) -> None:
        """End it as `kill -9` does, and nothing but it; return when it is gone."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        await self.gone()

    async def gone(self) -> None:
        """Wait until it has ended."""
        with suppress(ProcessLookupError):
            descriptor = os.pidfd_open(self.pid)
            ended = asyncio.Event()
            loop = asyncio.get_running_loop()
            loop.add_reader(descriptor, ended.set)
            try:
                await ended.wait()
            finally:
                loop.remove_reader(descriptor)
                os.close(descriptor)

    async def stop(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        await asyncio.wait_for(self.gone(), 20)


@asynccontextmanager
async def new_zygote() -> AsyncIterator[Zygote]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.e2e.zygote",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=TREE,
        env={"PATH": os.environ["PATH"]},
    )
    try:
        yield Zygote(process)
    finally:
        process.kill()
        await process.wait()


@dataclass(slots=True)
class ForkedWorld(World):
    """A world of forked processes. `template` is the state of a hub that has just been set up."""

    zygote: Zygote = field(kw_only=True)
    template: Path | None = None

    @property
    def points(self) -> Path:
        return self.folder / "points"

    async def start_hub(self) -> None:
        state = self.folder / "hub"
        if self.template is not None and not state.exists():
            await asyncio.to_thread(shutil.copytree, self.template, state)
        self.hub = await self.zygote.fork(  # type: ignore[assignment]
            kind="hub",
            state=str(state),
            port=self.hub_port,
            # A hub set up for all tells nobody: what it could not deliver would be delivered in each world again.
            webhook=f"http://127.0.0.1:{self.port}/webhook" if self.template else None,
            log=str(self.folder / "hub.log"),
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder)},
        )
        self.about = await self._answer(f"http://127.0.0.1:{self.hub_port}/_hub")

    async def fork_orch(self, kill_at: str | None = None, mutation: str = "", **more: Any) -> Forked:
        """Start Orch, to be killed at a point; return when it takes webhooks, or was killed."""
        child = await self.zygote.fork(
            kind="orch",
            kill_at=kill_at,
            mutation=mutation,
            points=str(self.points),
            log=str(self.log),
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder), **self.settings(**more)},
        )
        self.orch.append(child)  # type: ignore[arg-type]
        await self.until("Orch", partial(self._up, child))
        return child

    async def merge_when_in_review(self, number: int, unless_gone: Forked) -> None:
        """Merge the pull request when it waits for review, or do nothing when the process is gone before."""

        async def probe() -> bool:
            return not unless_gone.alive or "status:in_review" in await self.labels(number)

        await self.until("review, or the kill", probe)
        if unless_gone.alive:
            await self.merge((await self.until_pull())["number"])

    async def _up(self, child: Forked) -> bool:
        if not child.alive:
            return True
        async with self.session.get(f"http://127.0.0.1:{self.port}/readyz") as answer:
            return answer.status == 200

    async def _answer(self, url: str) -> dict[str, Any]:
        async with asyncio.timeout(START_SECONDS):
            while True:
                try:
                    async with self.session.get(url) as answer:
                        found: dict[str, Any] = await answer.json()
                        return found
                except aiohttp.ClientError:
                    await asyncio.sleep(0.02)


@asynccontextmanager
async def new_forked_world(folder: Path, zygote: Zygote, template: Path | None = None) -> AsyncIterator[ForkedWorld]:
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    async with aiohttp.ClientSession() as session:
        # Many worlds at a time: looking less often leaves the machine to what is looked at.
        world = ForkedWorld(folder, free_port(), free_port(), session, pause=0.25, zygote=zygote, template=template)
        try:
            await world.start_hub()
            yield world
        finally:
            await world.stop()
