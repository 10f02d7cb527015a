"""Kill Orch somewhere on the path, in a world of its own, start it again, and check the end."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.e2e.forked import Forked, Zygote
from tests.e2e.test_path import assert_done
from tests.e2e.world import PATIENCE, World, new_world

AT_ONCE = 8
HURRY: dict[str, Any] = {"REDELIVER_EVERY": 10, "EVENT_LEASE": 1, "JOB_LEASE": 1, "RUN_LEASE": 1}


@dataclass(slots=True)
class Tally:
    """What the harness did."""

    survived: int = 0
    missed: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        missed = f", not reached again: {', '.join(self.missed)}" if self.missed else ""
        return f"killed at {self.survived}, the same end each time{missed}"


@dataclass(frozen=True, slots=True)
class Harness:
    """Runs the whole path in a world of its own for each kill."""

    zygote: Zygote
    folder: Path
    template: Path

    async def enumerate(self) -> list[str]:
        """Run the path once without a kill, and list the points it passes."""
        async with self.world("enumerate") as world:
            await self.start(world)
            await finish(world, await insist(world))
            return list(dict.fromkeys(points(world).read_text().splitlines()))

    async def kill_at(
        self, point: str, tally: Tally, *, with_hub: bool = False, mutation: str = "", patience: float = PATIENCE
    ) -> None:
        """Kill Orch at a point, start it again, and check the end; `mutation` breaks both of them."""
        async with self.world(f"{'both' if with_hub else 'orch'} {point}") as world:
            world.patience = patience
            first = await self.start(world, kill_at=point, mutation=mutation)
            guard = asyncio.create_task(self.restart_when_gone(world, first, with_hub=with_hub, mutation=mutation))
            try:
                await finish_despite(guard, world, await insist(world))
            finally:
                guard.cancel()
                await asyncio.gather(guard, return_exceptions=True)
            if first.returncode is None:
                tally.missed.append(point)
            else:
                tally.survived += 1

    async def kill_after(self, seconds: float, tally: Tally, *, with_hub: bool = False) -> None:
        """Kill Orch at a moment."""
        async with self.world(f"{'both' if with_hub else 'orch'} after {seconds:.4f}") as world:
            first = await self.start(world)
            guard = asyncio.create_task(self.restart_when_gone(world, first, with_hub=with_hub))

            async def strike() -> None:
                await asyncio.sleep(seconds)
                await first.kill()

            striking = asyncio.create_task(strike())
            try:
                await finish_despite(guard, world, await insist(world))
            finally:
                guard.cancel()
                await asyncio.gather(striking, guard, return_exceptions=True)
            tally.survived += 1

    @asynccontextmanager
    async def world(self, name: str) -> AsyncIterator[World]:
        folder = self.folder / name.replace("/", "_").replace(" ", "-")
        async with new_world(folder, self.zygote.launch, self.template) as world:
            world.pause = 0.25  # many worlds at a time: looking less often leaves the machine to what is looked at
            yield world

    async def start(self, world: World, kill_at: str | None = None, mutation: str = "") -> Forked:
        """Start Orch, to be killed at a point; return when it takes webhooks, or was killed."""
        child = self.zygote.fork(
            ["serve"], world.settings(**HURRY), world.log, kill_at=kill_at, mutation=mutation, points=str(points(world))
        )
        world.orch.append(child)

        async def up() -> bool:
            if child.returncode is not None:
                return True
            async with world.session.get(f"http://127.0.0.1:{world.port}/readyz") as answer:
                return answer.status == 200

        await world.until("Orch", up)
        return child

    async def restart_when_gone(self, world: World, first: Forked, *, with_hub: bool, mutation: str = "") -> None:
        """Start Orch again when it has been killed; with the hub, if that is to be killed with it."""
        await first.wait()
        if with_hub:
            assert world.hub is not None
            await world.hub.kill()
            await world.start_hub()
        await self.start(world, mutation=mutation)


def points(world: World) -> Path:
    """Return the file of the points that were passed."""
    return world.folder / "points"


async def insist(world: World) -> int:
    """Open and label the issue when Orch has nothing else to do, whether or not the hub answers just then."""
    await world.until_idle()

    async def opened() -> int | None:
        issues = await world.read("/issues?state=all")
        if not issues:
            return await world.open_issue()
        number: int = issues[0]["number"]
        if not issues[0]["labels"]:
            await world.label(number, "orch")
        return number

    number: int = await world.until("an issue", opened)
    return number


async def finish_despite(guard: asyncio.Task[None], world: World, number: int) -> None:
    """Finish, and look again from the start if the hub was killed between two looks."""
    try:
        await finish(world, number)
    except aiohttp.ClientError:
        await guard
        await finish(world, number)


async def finish(world: World, number: int, *, allow_run_refs: bool = False) -> None:
    """Be the reviewer who merges, wait for the end, and check that it is the one there is.

    A run that was lost together with the store leaves its ref, which nobody knows of any more: `allow_run_refs`.
    """

    async def merged() -> bool:
        open_pulls = [pull for pull in await world.pulls() if pull["state"] == "open"]
        if open_pulls and "status:in_review" in await world.labels(number):
            await world.merge(open_pulls[0]["number"])
        return any(pull["merged_at"] for pull in await world.pulls())

    await world.until("a merged pull request", merged)
    await world.until_status(number, "done")
    await world.until_idle()
    await assert_done(world, number, allow_run_refs=allow_run_refs)
    assert leftovers(world) == []


def leftovers(world: World) -> list[str]:
    """List processes that work in the world's folder, but for the hub and Orch themselves."""
    own = {child.pid for child in (world.hub, *world.orch) if child}
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) not in own:
            try:
                text = (entry / "cmdline").read_bytes().decode(errors="replace") + os.readlink(entry / "cwd")  # noqa: PTH115
            except OSError:
                continue
            if str(world.folder) in text:
                found.append(text)
    return found


async def run_all(cases: Mapping[str, Callable[[], Awaitable[None]]]) -> list[str]:
    """Run a few cases at a time, all of them whatever fails, and return what failed."""
    turn = asyncio.Semaphore(AT_ONCE)
    failed: list[str] = []

    async def run(name: str, case: Callable[[], Awaitable[None]]) -> None:
        async with turn:
            try:
                await case()
            except Exception as error:  # the others are of interest too
                failed.append(f"{name}: {type(error).__name__}: {error}")

    await asyncio.gather(*(run(name, case) for name, case in cases.items()))
    return failed
