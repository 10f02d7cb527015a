"""The links between issues through the GitHub port, seen on the local GitHub."""

from typing import Any

import pytest

from app.domain.errors import Missing, Permanent
from app.domain.facts import LinkedIssue, SubIssue
from app.domain.names import Repository
from app.github.faults import Rejected
from tests.contract.test_github_port import Stage
from tests.contract.test_github_port import stage as stage  # noqa: PLC0414 - the fixture itself


async def child(stage: Stage, parent: int, title: str = "Add a hinge") -> LinkedIssue:
    return await stage.github.create_sub_issue(stage.repository, parent, title, f"{title}, please.")


async def elsewhere(stage: Stage, *, private: bool) -> tuple[Repository, Any]:
    """Open an issue in another repository of the same owner, where the App is not installed."""
    made = await stage.manage("POST", "/repositories", {"owner": "acme", "name": "gears", "private": private})
    await stage.manage("PUT", "/repositories/acme/gears/collaborators/writer", {"permission": "write"})
    repository = stage.repository.model_copy(update={"id": made["id"], "name": "gears"})
    there = Stage(stage.hub, stage.github, repository, stage.session)
    return repository, await there.act("writer", "POST", "/issues", {"title": "Cut a gear"})


def linked(issue: Any, repository: Repository, **changes: Any) -> LinkedIssue:
    facts = {"id": issue["id"], "number": issue["number"], "title": issue["title"], "is_open": True}
    return LinkedIssue(**facts | {"repository": repository} | changes)


async def test_a_sub_issue_is_made_under_its_parent_by_the_app(stage: Stage) -> None:
    parent = await stage.open_issue()
    made = await child(stage, parent)
    assert made == LinkedIssue(
        id=made.id, number=parent + 1, repository=stage.repository, title="Add a hinge", is_open=True
    )
    shown = await stage.act("writer", "GET", f"/issues/{made.number}")
    assert (shown["id"], shown["body"], shown["user"]["login"]) == (made.id, "Add a hinge, please.", "orch[bot]")
    assert (await stage.act("writer", "GET", f"/issues/{made.number}/parent"))["number"] == parent


async def test_sub_issues_are_listed_in_order_with_what_blocks_them(stage: Stage) -> None:
    parent = await stage.open_issue()
    first, second = [await child(stage, parent, title) for title in ("Add a hinge", "Add a lid")]
    await stage.github.add_blocked_by(stage.repository, second.number, first.id)
    bot = stage.hub.describe()["bot_id"]
    expected = [
        SubIssue(**first.model_dump(), author_id=bot),
        SubIssue(**second.model_dump(), author_id=bot, blocked_by=(first,)),
    ]
    assert list(await stage.github.sub_issues(stage.repository, parent)) == expected
    said = await stage.github.sub_issues(stage.repository, parent, bodies=True)
    assert [one.body for one in said] == ["Add a hinge, please.", "Add a lid, please."]


async def test_links_say_how_an_issue_was_closed(stage: Stage) -> None:
    parent = await stage.open_issue()
    made = await child(stage, parent)
    await stage.github.add_blocked_by(stage.repository, parent, made.id)
    closed = {"state": "closed", "state_reason": "not_planned"}
    await stage.act("writer", "PATCH", f"/issues/{made.number}", closed)
    (under,) = await stage.github.sub_issues(stage.repository, parent)
    (before,) = await stage.github.blocked_by(stage.repository, parent)
    assert [(one.is_open, one.state_reason) for one in (under, before)] == [(False, "not_planned")] * 2


async def test_what_blocks_an_issue_is_seen_from_both_ends_and_once(stage: Stage) -> None:
    blocker, blocked = await stage.open_issue(), await stage.open_issue()
    first = await stage.act("writer", "GET", f"/issues/{blocker}")
    second = await stage.act("writer", "GET", f"/issues/{blocked}")
    for _ in range(2):
        await stage.github.add_blocked_by(stage.repository, blocked, first["id"])
    assert list(await stage.github.blocked_by(stage.repository, blocked)) == [linked(first, stage.repository)]
    assert list(await stage.github.blocking(stage.repository, blocker)) == [linked(second, stage.repository)]
    assert list(await stage.github.blocking(stage.repository, blocked)) == []
    issues = [await stage.github.issue(stage.repository, number) for number in (blocker, blocked)]
    assert [issue.blocked_by for issue in issues] == [0, 1]


async def test_links_lead_to_other_repositories(stage: Stage) -> None:
    parent = await stage.open_issue()
    repository, issue = await elsewhere(stage, private=False)
    made = await child(stage, parent)
    for number in (parent, made.number):
        await stage.github.add_blocked_by(stage.repository, number, issue["id"])
    expected = linked(issue, repository)
    assert list(await stage.github.blocked_by(stage.repository, parent)) == [expected]
    (under,) = await stage.github.sub_issues(stage.repository, parent)
    assert under.blocked_by == (expected,)


async def test_links_to_what_the_app_may_not_see_are_left_out(stage: Stage) -> None:
    parent = await stage.open_issue()
    _, issue = await elsewhere(stage, private=True)
    await stage.act("writer", "POST", f"/issues/{parent}/sub_issues", {"sub_issue_id": issue["id"]})
    made = await child(stage, parent)
    for number in (parent, made.number):
        await stage.act("writer", "POST", f"/issues/{number}/dependencies/blocked_by", {"issue_id": issue["id"]})
    (under,) = await stage.github.sub_issues(stage.repository, parent)
    assert (under.id, under.blocked_by) == (made.id, ())
    assert list(await stage.github.blocked_by(stage.repository, parent)) == []


async def test_an_issue_that_is_nowhere_has_no_links(stage: Stage) -> None:
    for asked in (stage.github.sub_issues, stage.github.blocked_by, stage.github.blocking):
        with pytest.raises(Missing):
            await asked(stage.repository, 99)
    with pytest.raises(Missing):
        await stage.github.create_sub_issue(stage.repository, 99, "Add a hinge", "")


async def test_what_github_refuses_is_told_in_its_words(stage: Stage) -> None:
    number = await stage.open_issue()
    issue = await stage.act("writer", "GET", f"/issues/{number}")
    with pytest.raises(Rejected, match="cannot be the same"):
        await stage.github.add_blocked_by(stage.repository, number, issue["id"])
    with pytest.raises(Permanent, match="too long"):
        await child(stage, number, "x" * 300)
    with pytest.raises(Missing):
        await stage.github.add_blocked_by(stage.repository, number, 987654321)


async def test_what_went_wrong_while_a_sub_issue_was_made_is_not_done_again(stage: Stage) -> None:
    parent = await stage.open_issue()
    await child(stage, parent)
    await stage.manage("PUT", "/faults", {"write_then_502": "once"})
    with pytest.raises(Exception, match="502"):
        await child(stage, parent, "Add a lid")
    assert [one.title for one in await stage.github.sub_issues(stage.repository, parent)] == [
        "Add a hinge",
        "Add a lid",
    ]
