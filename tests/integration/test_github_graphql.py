"""GraphQL's refusals: told under status 200, each as the error that its REST counterpart is."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.domain.errors import Missing, Retryable
from app.domain.facts import Actor
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
