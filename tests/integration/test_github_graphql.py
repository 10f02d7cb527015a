"""GraphQL's refusals: told under status 200, each as the error that its REST counterpart is."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.domain.errors import Missing, Retryable
from app.domain.facts import Actor, SubIssue
from app.github.api import GitHubApi
from app.github.faults import Limited, Rejected
from tests.integration.test_github_client import WIDGETS, HandClock, Reply, Script, connected, served

ASKED = "POST /graphql"
COMMENT = {"fullDatabaseId": "3000000001", "body": "Hm", "createdAt": "2026-01-01T11:00:00Z", "diffHunk": "@@ -1 +1 @@"}


@pytest.fixture
async def script() -> AsyncIterator[Script]:
    async with served(HandClock()) as script:
        yield script


@pytest.fixture
async def github(script: Script) -> AsyncIterator[GitHubApi]:
    async with connected(script) as github:
        yield github


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        ({"type": "NOT_FOUND", "message": "Could not resolve to a node"}, Missing),
        ({"type": "FORBIDDEN", "message": "Resource not accessible by integration"}, Rejected),
        ({"type": "RATE_LIMITED", "message": "API exceeded"}, Limited),
        ({"message": "You have exceeded a secondary rate limit."}, Limited),
        ({"message": "Something went wrong while executing your query. Please include `AB:1`."}, Retryable),
        ({"message": "Field 'x' doesn't exist on type 'Query'"}, Rejected),
    ],
)
async def test_an_error_under_status_200_is_raised(
    script: Script, github: GitHubApi, error: dict[str, str], raised: type[Exception]
) -> None:
    script.on(ASKED, Reply(200, {"data": None, "errors": [error]}))
    with pytest.raises(raised) as caught:
        await github.threads(WIDGETS, 5)
    assert type(caught.value) is raised
    assert script.count(ASKED) == 1


@pytest.mark.parametrize(
    ("author", "expected"),
    [
        ({"__typename": "Bot", "login": "orch", "databaseId": 7}, Actor(id=7, login="orch[bot]", is_bot=True)),
        ({"__typename": "User", "login": "writer", "databaseId": 8}, Actor(id=8, login="writer", is_bot=False)),
        ({"__typename": "Mannequin", "login": "moved"}, Actor(id=0, login="moved", is_bot=False)),
        (None, Actor(id=0, login="ghost", is_bot=False)),
    ],
)
async def test_authors_of_a_thread_are_named_as_rest_names_them(
    script: Script, github: GitHubApi, author: Any, expected: Actor
) -> None:
    thread = {"id": "T", "path": "a", "line": None, "isResolved": False, "isOutdated": True}
    nodes = [thread | {"comments": {"nodes": [COMMENT | {"author": author}]}}]
    script.on(ASKED, Reply(200, {"data": {"repository": {"pullRequest": {"reviewThreads": {"nodes": nodes}}}}}))
    (found,) = await github.threads(WIDGETS, 5)
    assert (found.comments[0].author, found.comments[0].id) == (expected, 3_000_000_001)


IN_GEARS = {"databaseId": 8, "name": "gears", "owner": {"login": "acme"}, "defaultBranchRef": None}
CHILD: dict[str, Any] = {
    "fullDatabaseId": "3000000001",
    "number": 7,
    "title": "Add a hinge",
    "state": "CLOSED",
    "stateReason": "DUPLICATE",
    "repository": IN_GEARS,
    "author": None,
    "blockedBy": {"nodes": [None]},
}
UNSEEN = {"type": "FORBIDDEN", "message": "Resource not accessible by integration"}


def children(*nodes: Any, **more: Any) -> Reply:
    return Reply(200, {"data": {"repository": {"issue": {"subIssues": {"nodes": nodes}}}}, **more})


async def test_what_the_app_may_not_see_is_left_out_of_a_list(script: Script, github: GitHubApi) -> None:
    path = ["repository", "issue", "subIssues", "nodes", 0]
    script.on(ASKED, children(None, CHILD, errors=[{**UNSEEN, "path": path}]))
    gears = WIDGETS.model_copy(update={"id": 8, "name": "gears"})
    expected = SubIssue(
        id=3_000_000_001, number=7, repository=gears, title="Add a hinge", is_open=False, state_reason="duplicate"
    )
    assert list(await github.sub_issues(WIDGETS, 5)) == [expected]


@pytest.mark.parametrize("error", [UNSEEN, {**UNSEEN, "path": ["repository", "issue"]}, {"message": "no", "path": [0]}])
async def test_any_other_error_of_a_list_is_raised(script: Script, github: GitHubApi, error: Any) -> None:
    script.on(ASKED, children(CHILD, errors=[error]))
    with pytest.raises(Rejected):
        await github.sub_issues(WIDGETS, 5)


async def test_what_is_no_issue_has_no_sub_issues(script: Script, github: GitHubApi) -> None:
    script.on(ASKED, Reply(200, {"data": {"repository": {"issue": None}}}))
    with pytest.raises(Missing):
        await github.sub_issues(WIDGETS, 5)
