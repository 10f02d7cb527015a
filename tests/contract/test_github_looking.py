"""What the GitHub port finds out that no webhook told, seen on the local GitHub."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.errors import Missing
from tests.contract.test_github_port import Stage
from tests.contract.test_github_port import stage as stage  # noqa: PLC0414 - the fixture itself

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
async def refusing(stage: Stage) -> Stage:
    """Have every webhook refused from now on."""
    await stage.manage("GET", "/idle")
    await stage.manage("PUT", "/webhook", {"url": "http://127.0.0.1:9/"})
    await stage.manage("PUT", "/faults", {"webhook_refuse_rate": 1})
    return stage


async def test_a_text_that_stays_as_it_was_written_was_never_changed(stage: Stage) -> None:
    number = await stage.open_issue("orch")
    await stage.act("writer", "POST", f"/issues/{number}/comments", {"body": "Hm."})
    await stage.act("writer", "PATCH", f"/issues/{number}", {"state": "closed"})
    assert await stage.github.text_changed(stage.repository, number) is None


@pytest.mark.parametrize("change", [{"title": "Add two lids"}, {"body": "Please, please."}])
async def test_a_change_of_title_or_body_is_told(stage: Stage, change: dict[str, str]) -> None:
    number = await stage.open_issue()
    await stage.act("writer", "PATCH", f"/issues/{number}", change)
    changed = await stage.github.text_changed(stage.repository, number)
    assert changed is not None
    assert abs(datetime.now(UTC) - changed) < timedelta(minutes=1)


async def test_a_text_that_is_nowhere_is_missing(stage: Stage) -> None:
    with pytest.raises(Missing):
        await stage.github.text_changed(stage.repository, 99)


async def test_comments_of_a_whole_repository_are_listed_with_where_they_are(stage: Stage) -> None:
    number = await stage.open_issue()
    await stage.branch("lid")
    pull = await stage.github.create_pull(stage.repository, "lid", "main", "Add a lid", "")
    for place in (number, pull.number):
        await stage.act("writer", "POST", f"/issues/{place}/comments", {"body": f"on {place}"})
    found = await stage.github.comments_since(stage.repository, LONG_AGO)
    assert [(one.number, one.on_pull, one.comment.body) for one in found] == [
        (number, False, f"on {number}"),
        (pull.number, True, f"on {pull.number}"),
    ]


async def test_eyes_under_a_comment_are_seen(stage: Stage) -> None:
    number = await stage.open_issue()
    for _ in range(2):
        await stage.act("writer", "POST", f"/issues/{number}/comments", {"body": "Hm."})
    first, second = await stage.github.comments_since(stage.repository, LONG_AGO)
    await stage.github.react(stage.repository, first.comment.id, "rocket")
    await stage.github.react(stage.repository, second.comment.id, "eyes")
    assert [one.seen for one in await stage.github.comments_since(stage.repository, LONG_AGO)] == [False, True]


async def test_comments_from_before_are_not_listed_unless_edited_since(stage: Stage) -> None:
    number = await stage.open_issue()
    made = [await stage.act("writer", "POST", f"/issues/{number}/comments", {"body": body}) for body in ("one", "two")]
    await asyncio.sleep(1.1)  # GitHub's clock counts whole seconds
    since = datetime.now(UTC)
    await stage.act("writer", "PATCH", f"/issues/comments/{made[1]['id']}", {"body": "three"})
    found = await stage.github.comments_since(stage.repository, since.replace(microsecond=0))
    assert [one.comment.body for one in found] == ["three"]


async def test_deliveries_that_failed_since_are_told_and_older_ones_not(refusing: Stage) -> None:
    await refusing.open_issue()
    await refusing.manage("GET", "/idle")
    now = datetime.now(UTC)
    assert len(await refusing.github.failed_deliveries(now - timedelta(minutes=1))) == 1
    assert await refusing.github.failed_deliveries(now + timedelta(minutes=1)) == []


async def test_what_failed_again_is_told_once_by_its_newest_attempt(refusing: Stage) -> None:
    await refusing.open_issue()
    await refusing.manage("GET", "/idle")
    [first] = await refusing.github.failed_deliveries(LONG_AGO.replace(year=2025))
    await refusing.github.redeliver(first.id)
    await refusing.manage("GET", "/idle")
    [again] = await refusing.github.failed_deliveries(first.delivered_at)
    assert (again.guid, again.id > first.id) == (first.guid, True)
