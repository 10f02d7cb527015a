"""What the local GitHub tells of links between issues, through the receiver and the queue to the parser."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer

from app.domain.events import (
    BlockersChanged,
    BlockingChanged,
    Event,
    IssueClosed,
    IssueReopened,
    ParentChanged,
    SubIssuesChanged,
)
from app.domain.facts import Actor
from app.domain.names import TaskRef
from app.github.payloads import parse_webhook
from app.web.receive import Given, Receiver
from infra.local.clock import SystemClock
from infra.sqlite.database import Database
from infra.sqlite.events import SqliteEventQueue
from infra.sqlite.migrations import QUEUE
from tests.contract.test_github_port import Stage
from tests.contract.test_github_port import stage as stage  # noqa: PLC0414 - the fixture itself

LINKS = (SubIssuesChanged, ParentChanged, BlockersChanged, BlockingChanged, IssueClosed, IssueReopened)


@asynccontextmanager
async def hearing(stage: Stage, folder: Path) -> AsyncIterator[SqliteEventQueue]:
    """Receive the hub's webhooks into a queue."""
    clock = SystemClock()
    async with await Database.open(folder / "queue.db", QUEUE, durable=False) as database:
        queue = SqliteEventQueue(database, clock, lease_seconds=30, max_failures=3)
        receiver = Receiver(Given((stage.hub.describe()["webhook_secret"].encode(),)), queue, clock)

        async def receive(request: web.Request) -> web.Response:
            headers = {name.lower(): value for name, value in request.headers.items()}
            answer = await receiver.receive(headers, await request.read())
            return web.Response(status=answer.status, text=answer.text)

        app = web.Application()
        app.router.add_post("/", receive)
        async with TestServer(app, host="127.0.0.1") as server:
            await stage.manage("GET", "/idle")
            await stage.manage("PUT", "/webhook", {"url": str(server.make_url("/"))})
            yield queue


async def told(stage: Stage, queue: SqliteEventQueue) -> list[Event]:
    """Return the events about links that were heard, each of which must be in its own group."""
    await stage.manage("GET", "/idle")
    found: list[Event] = []
    while (lease := await queue.receive(0)) is not None:
        event = parse_webhook(lease.item.name, lease.item.body, lease.item.group)
        assert event.group == lease.item.group
        found.append(event)
        await lease.ack()
    return sorted((event for event in found if isinstance(event, LINKS)), key=lambda event: event.type)


async def test_links_and_what_becomes_of_them_are_heard_at_both_ends(stage: Stage, tmp_path: Path) -> None:
    repository, described = stage.repository, stage.hub.describe()
    bot = Actor(id=described["bot_id"], login="orch[bot]", is_bot=True)
    first = TaskRef(repository=repository, number=await stage.open_issue())
    async with hearing(stage, tmp_path) as queue:
        made = await stage.github.create_sub_issue(repository, first.number, "Add a hinge", "")
        child = TaskRef(repository=repository, number=made.number)
        await stage.github.add_blocked_by(repository, first.number, made.id)
        assert await told(stage, queue) == [
            BlockersChanged(task=first, actor=bot),
            BlockingChanged(task=child, actor=bot, blocked=first),
            ParentChanged(task=child, actor=bot, parent=first, added=True),
            SubIssuesChanged(task=first, actor=bot, child=child, added=True),
        ]
        closed = {"state": "closed", "state_reason": "not_planned"}
        for change in (closed, {"state": "open"}):
            await stage.act("writer", "PATCH", f"/issues/{child.number}", change)
        assert [
            (type(event), event.state_reason, event.blocking, event.parent)
            for event in await told(stage, queue)
            if isinstance(event, IssueClosed | IssueReopened)
        ] == [(IssueClosed, "not_planned", 1, first.number), (IssueReopened, "reopened", 1, first.number)]
