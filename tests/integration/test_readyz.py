"""`/healthz` says that the process is alive, `/readyz` whether it can work, and what is missing if it cannot."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from starlette.types import ASGIApp

from app.domain.errors import Missing, Permanent, Retryable, Unauthorized
from app.web.asgi import web_app
from app.web.health import Health, Probe
from app.web.receive import Given, Receiver
from infra.local.clock import SystemClock
from infra.sqlite.database import Database
from infra.sqlite.events import SqliteEventQueue
from infra.sqlite.migrations import QUEUE
from tests.e2e.world import World
from tests.integration.test_web import SECRET, serving, signed

FOR_NOW = "cannot be reached or used for now; the log says why"


class SteppedClock(SystemClock):
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


class Thing:
    """Something that Orch needs, and how often it was looked at."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.looks = 0

    async def check(self) -> None:
        self.looks += 1
        await asyncio.sleep(0)
        if self.error:
            raise self.error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Unauthorized("401 token-of-ours"), "does not take the App's key; see ORCH_APP_ID and ORCH_PRIVATE_KEY"),
        (Missing("404 token-of-ours"), "does not know the App; see ORCH_APP_ID and ORCH_GITHUB_API_URL"),
        (Retryable("503 token-of-ours"), FOR_NOW),
        (TimeoutError(), FOR_NOW),
        (Permanent("token-of-ours"), "cannot be used; the log says why"),
        (OSError("token-of-ours"), "cannot be used; the log says why"),
    ],
)
async def test_what_is_wrong_is_said_in_words_without_secrets(error: Exception, said: str) -> None:
    health = Health(
        {"thing": Probe(Thing(error).check, SteppedClock(), 60), "other": Probe(Thing().check, SteppedClock(), 0)}
    )
    health.started = True
    assert await health() == {"start": "ok", "thing": said, "other": "ok"}


async def test_however_many_ask_it_is_looked_at_once_a_minute() -> None:
    thing, clock = Thing(), SteppedClock()
    probe = Probe(thing.check, clock, 60)
    assert await asyncio.gather(*(probe.look("thing") for _ in range(10))) == ["ok"] * 10
    thing.error = Retryable("gone")
    clock.time += timedelta(seconds=59)
    assert (await probe.look("thing"), thing.looks) == ("ok", 1)
    clock.time += timedelta(seconds=1)
    assert (await probe.look("thing"), await probe.look("thing"), thing.looks) == (FOR_NOW, FOR_NOW, 2)


async def test_the_start_says_that_all_was_there() -> None:
    thing = Thing(Retryable("not yet"))
    health = Health({"thing": Probe(thing.check, SteppedClock(), 60)})
    assert (await health())["start"].startswith("still looking")
    health.begin()
    assert (await health(), thing.looks) == ({"start": "ok", "thing": "ok"}, 1)


@asynccontextmanager
async def asking(app: ASGIApp) -> AsyncIterator[Any]:
    """Serve the application, and yield what asks a path of it."""
    async with serving(app) as port, aiohttp.ClientSession() as session:

        async def ask(path: str) -> tuple[int, str]:
            async with session.get(f"http://127.0.0.1:{port}{path}") as answer:
                return answer.status, await answer.text()

        yield ask


async def test_a_queue_that_cannot_be_written_is_named_and_the_process_is_alive(tmp_path: Path) -> None:
    clock = SystemClock()
    async with await Database.open(tmp_path / "queue.db", QUEUE, durable=True) as database:
        receiver = Receiver(
            Given((SECRET,)), SqliteEventQueue(database, clock, lease_seconds=30, max_failures=3), clock
        )
        health = Health({"queue": Probe(database.check, clock, 0)})
        async with asking(web_app(receiver, health)) as ask:
            health.begin()
            assert await ask("/readyz") == (200, '{"ready":true,"start":"ok","queue":"ok"}')
            await database.close()
            status, said = await ask("/readyz")
            assert (status, '"queue":"cannot be used; the log says why"' in said) == (503, True)
            assert await ask("/healthz") == (200, "ok")


async def test_looking_at_a_database_keeps_its_version(tmp_path: Path) -> None:
    for _ in range(2):
        async with await Database.open(tmp_path / "queue.db", QUEUE, durable=True) as database:
            await database.check()
            assert await database.read(lambda at: at.execute("PRAGMA user_version").fetchone()) == (len(QUEUE),)


async def ready(world: World) -> tuple[int, dict[str, Any]]:
    async with world.session.get(f"http://127.0.0.1:{world.port}/readyz") as answer:
        return answer.status, await answer.json()


async def test_probes_cost_github_next_to_nothing(world: World) -> None:
    await world.start_orch(REDELIVER_EVERY=300)
    await world.until_idle()
    before = len(await world.requests())
    for _ in range(20):
        assert await ready(world) == (
            200,
            {"ready": True, "start": "ok", "queue": "ok", "store": "ok", "github": "ok"},
        )
    assert (await world.requests())[before:] == []


async def test_i1_what_is_delivered_while_github_is_down_waits_for_it(world: World) -> None:
    await world.faults(webhook_drop_rate=1)
    number = await world.open_issue()
    body = await labeled(world, number)
    assert world.hub is not None
    await world.hub.kill()

    await world.start_orch(wait=False)
    status, said = await world.until("an answer", lambda: ready(world))
    assert (status, said["ready"], said["github"], said["queue"]) == (503, False, FOR_NOW, "ok")
    assert said["start"].startswith("still looking")
    headers = signed(body, world.about["webhook_secret"].encode())
    async with world.session.post(f"http://127.0.0.1:{world.port}/webhook", data=body, headers=headers) as answer:
        assert (answer.status, world.queued()) == (202, {"events": 1})

    await world.start_hub()
    await world.until_status(number, "in_review")
    await world.until_idle()
    assert len(await world.pulls()) == 1
    assert (await ready(world))[0] == 200


async def labeled(world: World, number: int) -> bytes:
    """Return the webhook that GitHub sends when `writer` labels the issue."""
    payload = {
        "action": "labeled",
        "issue": await world.read(f"/issues/{number}"),
        "label": {"name": "orch"},
        "repository": await world.read(""),
        "sender": await world.call("GET", "/users/writer"),
        "installation": {"id": world.about["installation_id"]},
    }
    return json.dumps(payload).encode()
