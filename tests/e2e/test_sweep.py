"""Half of all webhooks are gone, the rest come twice and in any order: every task is done all the same, and once.

The clock that hub and Orch share leaps whenever nobody has anything to do, so that a sweep every five minutes takes a
moment. `SWEEP_TASKS` says how many tasks there are, `SWEEP_SEED` which webhooks are lost.
"""

import asyncio
import json
import os
import sqlite3
from base64 import b64decode
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from app.github.api import open_github
from tests.e2e.forked import Forked, Zygote
from tests.e2e.leaps import LeapingClock
from tests.e2e.stories import STORIES, Eyes, Story, live
from tests.e2e.world import World, new_world

TASKS = int(os.environ.get("SWEEP_TASKS", len(STORIES)))
SEED = int(os.environ.get("SWEEP_SEED", "1"))
BETWEEN_LEAPS = 0.4
SWEEP_EVERY = 300
"""As Orch does it if nobody says otherwise, and `claim_after` and the rest too; leases outlive any leap."""
SETTINGS: dict[str, Any] = {
    "REDELIVER_EVERY": SWEEP_EVERY, "CLAIM_AFTER": 60, "SETTLE": 2, "LIST_LAG": 5, "RETRY_BASE": 5,
    "JOB_LEASE": 100_000, "RUN_LEASE": 100_000, "EVENT_LEASE": 100_000, "MAX_PARALLEL": 4,
}  # fmt: skip
GONE: dict[str, Any] = {
    "webhook_drop_rate": 0.25, "webhook_refuse_rate": 1 / 3, "webhook_double": True, "webhook_shuffle": True,
}  # fmt: skip


@pytest.fixture
def clock(tmp_path: Path) -> LeapingClock:
    return LeapingClock(tmp_path / "clock")


@pytest.fixture
async def world(tmp_path: Path, zygote: Zygote, template: Path, clock: LeapingClock) -> AsyncIterator[World]:
    async def launch(argv: list[str], env: Any, log: Path) -> Forked:
        return zygote.fork(argv, env, log, clock=str(tmp_path / "clock"))

    async with new_world(tmp_path / "world", launch, template) as made:
        made.clock, made.pause = clock.timestamp, 0.3
        yield made


@asynccontextmanager
async def _beside(*works: Any) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _at_work(world: World) -> bool:
    """Say whether an event is due or being handled."""
    with closing(sqlite3.connect(f"file:{world.folder}/orch/queue.db?mode=ro", uri=True)) as database:
        due = "SELECT count(*) FROM lanes WHERE queue = 'events' AND (held OR due <= ?)"
        (found,) = database.execute(due, (world.clock(),)).fetchone()
    return bool(found)


async def _leap(world: World, clock: LeapingClock) -> None:
    """Let the time until the next sweep be over, again and again, whenever no webhook or event is under way."""
    while True:
        await asyncio.sleep(BETWEEN_LEAPS)
        await world.call("GET", "/_hub/idle")
        if not _at_work(world):
            clock.leap(SWEEP_EVERY)


@pytest.mark.timeout(1500)
async def test_half_of_all_webhooks_gone_and_every_task_is_done_once(
    world: World, clock: LeapingClock, capsys: pytest.CaptureFixture[str]
) -> None:
    await world.start_orch(**SETTINGS)
    await world.until_idle()
    await world.faults(**GONE, seed=SEED)
    eyes = Eyes(world)
    async with _beside(eyes.watch(), _leap(world, clock)):
        stories = await live(world, eyes, TASKS)
        await _until_all_was_delivered(world, clock)
        await world.until_idle()
        for story in stories:
            await _assert_once(world, story)
        assert await world.refs() == ["refs/heads/main"]
    asked = await _asked_for(world)
    assert set(asked.values()) == {1}
    with capsys.disabled():
        print(f"\n{TASKS} tasks done, {len(asked)} deliveries were refused and asked for again")


async def _until_all_was_delivered(world: World, clock: LeapingClock) -> None:
    """Wait until GitHub's log has no webhook that only failed."""
    key = await asyncio.to_thread(Path(world.about["key_file"]).read_text)
    async with open_github(world.about["api_url"], world.about["app_id"], key, clock) as github:

        async def none_failed() -> bool:
            return not await github.failed_deliveries()

        await world.until("every webhook that was refused delivered", none_failed)


async def _asked_for(world: World) -> Counter[str]:
    """Count how often each failed attempt was asked for again."""
    asked = [one["path"] for one in await world.requests() if one["status"] == 202]
    return Counter(path for path in asked if path.endswith("/attempts"))


async def _assert_once(world: World, story: Story) -> None:
    """One pull request, each instruction delivered once, each command done and answered once."""
    record, replies = _record(world, story), await world.replies(story.number)
    assert len(story.eyes.pulls[story.number]) == 1, story
    assert await _told(world, story) == sorted(story.told), story
    assert len(replies) == story.answers, (story, replies)
    assert len(record["runs"]) == story.runs, (story, record["runs"])
    assert float(record["allowance"] or 0) == story.allowed, story


async def _told(world: World, story: Story) -> list[str]:
    """List what the agent wrote down of what it was told, as merged."""
    if not story.told:
        return []
    found = await world.read(f"/contents/told-{story.number}.txt")
    return sorted(b64decode(found["content"]).decode().splitlines())


def _record(world: World, story: Story) -> dict[str, Any]:
    with closing(sqlite3.connect(f"file:{world.folder}/orch/store.db?mode=ro", uri=True)) as database:
        query = "SELECT body FROM documents WHERE key = ?"
        (body,) = database.execute(query, (f"record/{story.number}",)).fetchone()
    found: dict[str, Any] = json.loads(body)
    return found
