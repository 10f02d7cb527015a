"""Runners and a server are killed at work, deliveries come twice, and AWS throttles, fails and loses its answers."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.aws.cloud import Cloud, open_cloud, runs_at_work
from tests.aws.faulty import do_and_fail, fail, faulty, lose, throttle
from tests.aws.stack import Stack
from tests.e2e.processes import free_port, healthy
from tests.e2e.world import PATIENCE, Process, World

pytestmark = pytest.mark.kill

TASKS = 5
HANGS = 2
"""The runs of each task that get stuck, and are killed with their runner."""
RUNNERS = 3
HURRY: dict[str, Any] = {"RUN_LEASE": 4, "JOB_LEASE": 4, "BEAT": 1, "RETRY_BASE": 0.2}
SERVER = HURRY | {"EVENT_LEASE": 5, "MAX_PARALLEL": TASKS}


@dataclass(slots=True)
class Marks:
    """What agents wrote down of their runs: where those happen that are stuck, and which came to their end."""

    folder: Path
    seen: set[Path] = field(default_factory=set)

    def script(self, name: str) -> str:
        """Return the text of an issue whose first runs hang."""
        mark, times = self.folder / name, " ".join(map(str, range(HANGS)))
        hang = f"for n in {times}; do if [ ! -e {mark}.$n ]; then pwd > {mark}.$n; sleep 300; fi; done"
        return f"```bash\n{hang}\necho hello > {name}.txt\necho {name} >> {self.folder}/ended\n```\n"

    def stuck(self) -> Iterator[str]:
        """Yield the working directories of runs that have got stuck since."""
        for path in set(self.folder.glob("*.*")) - self.seen:
            if place := path.read_text():
                self.seen.add(path)
                yield place

    def ended(self) -> list[str]:
        return sorted((self.folder / "ended").read_text().split())


async def kill_the_stuck(cloud: Cloud, marks: Marks, kills: int) -> None:
    """Kill each runner that has a stuck run, and start another in its place."""
    runners = {f"runner{number}": await _runner(cloud, f"runner{number}") for number in range(RUNNERS)}
    killed = 0
    while killed < kills:
        for place in marks.stuck():
            name = next(name for name in runners if f"/{name}/" in place)
            await runners.pop(name).kill()
            killed += 1
            runners[f"again{killed}"] = await _runner(cloud, f"again{killed}")
        await asyncio.sleep(0.1)


async def _runner(cloud: Cloud, name: str) -> Process:
    return await cloud.start_runner(name, **HURRY, SLOTS=1)


async def test_every_task_is_done_once_whatever_happens(world: World, stack: Stack, tmp_path: Path) -> None:
    marks = Marks(tmp_path / "marks")
    marks.folder.mkdir()
    world.pause = 0.2
    async with AsyncExitStack() as opened:
        proxy = await opened.enter_async_context(faulty(stack.endpoint))
        cloud = await opened.enter_async_context(open_cloud(world, stack, proxy.endpoint))
        await opened.enter_async_context(runs_at_work(cloud, **SERVER))
        server = await cloud.start_server("--no-runner", port=world.port, **SERVER)
        another = await cloud.start_server("--no-runner", port=free_port(), log=tmp_path / "another.log", **SERVER)
        await asyncio.gather(*(cloud.functions["runs"].invoke({}) for _ in range(RUNNERS)))  # so that no job waits
        await healthy(f"http://127.0.0.1:{world.port}", server, world.log)
        await world.faults(webhook_double=True)
        proxy.every(15, throttle, fail, do_and_fail, lose)

        names = [f"task{number}" for number in range(TASKS)]
        numbers = [await world.open_issue(name, marks.script(name)) for name in names]
        async with asyncio.timeout(PATIENCE):
            await kill_the_stuck(cloud, marks, kills=TASKS * HANGS)
        assert " decided " in (tmp_path / "another.log").read_text(), "they share the work"
        await another.kill()
        for number in numbers:
            await world.until_status(number, "in_review")
        pulls = await world.pulls()
        for pull in pulls:
            await world.merge(pull["number"])
        for number in numbers:
            await world.until_status(number, "done")
        assert {"SendMessage", "ReceiveMessage", "DeleteMessage"} <= proxy.befell.keys()
        proxy.heal()
        await cloud.until_idle()

        assert set(marks.ended()) == set(names), "one whose job's lease was lost may come to its end again"
        assert sorted(pull["title"] for pull in pulls) == names
        assert len(await world.pulls()) == TASKS
        assert [len(await world.comments(number)) for number in numbers] == [1] * TASKS
        assert await world.refs() == ["refs/heads/main"]
