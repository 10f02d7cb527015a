"""What every implementation of the GitHub port promises of reviews and their threads, seen on the local GitHub."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from app.domain.effects import ThreadAnswer
from app.domain.errors import Missing, Permanent, Retryable
from app.domain.facts import Actor, Review, ReviewState, Thread, ThreadComment
from infra.hub.server import start_hub
from infra.hub.settings import HubSettings
from tests.contract.test_github_port import Stage, connected


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    hub = await start_hub(HubSettings())
    try:
        async with connected(hub) as github, aiohttp.ClientSession() as session:
            (repository,) = await github.repositories()
            yield Stage(hub, github, repository, session)
    finally:
        await hub.stop()


async def opened(stage: Stage) -> int:
    """Open a pull request of the App's that adds `lid.txt`."""
    await stage.branch("lid")
    return (await stage.github.create_pull(stage.repository, "lid", "main", "Add a lid", "Please.")).number


async def remarked(stage: Stage, number: int) -> Any:
    """Say something about the first line, as the maintainer."""
    said = {"body": "Which lid?", "path": "lid.txt", "line": 1}
    return await stage.act("maintainer", "POST", f"/pulls/{number}/comments", said)


async def actor(stage: Stage, login: str) -> Actor:
    found = await stage.act("writer", "GET", f"/collaborators/{login}/permission")
    return Actor(id=found["user"]["id"], login=login, is_bot=False)


async def test_reviews_are_those_submitted_oldest_first(stage: Stage) -> None:
    number = await opened(stage)
    path = f"/pulls/{number}/reviews"
    await stage.act("triager", "POST", path, {"body": "Not submitted"})
    asked = await stage.act("maintainer", "POST", path, {"event": "REQUEST_CHANGES", "body": "A round one"})
    own = await stage.github.create_review(stage.repository, number, "It is round now.")
    await stage.act("writer", "PUT", f"{path}/{asked['id']}/dismissals", {"message": "Done"})
    first, second = await stage.github.reviews(stage.repository, number)
    head = await stage.github.branch_head(stage.repository, "lid")
    assert first == Review(
        id=asked["id"],
        author=await actor(stage, "maintainer"),
        state=ReviewState.DISMISSED,
        body="A round one",
        commit=str(head),
        submitted_at=first.submitted_at,
    )
    assert (second.id, second.author.login, second.state) == (own, "orch[bot]", ReviewState.COMMENTED)
    assert (second.author.is_bot, second.body) == (True, "It is round now.")


def said(thread: Thread, body: str, *, resolve: bool = False) -> ThreadAnswer:
    return ThreadAnswer(thread=thread.id, body=body, resolve=resolve)


async def test_a_thread_is_answered_and_resolved(stage: Stage) -> None:
    number, identity = await opened(stage), await stage.github.identity()
    remark = await remarked(stage, number)
    (thread,) = await stage.github.threads(stage.repository, number)
    await stage.github.answer_threads(stage.repository, [said(thread, "The round one.")])
    (thread,) = await stage.github.threads(stage.repository, number)
    bot = Actor(id=identity.bot_id, login=identity.bot_login, is_bot=True)
    first, second = thread.comments
    assert thread == Thread(
        id=thread.id,
        path="lid.txt",
        line=1,
        hunk="@@ -0,0 +1 @@\n+lid",
        is_resolved=False,
        is_outdated=False,
        comments=(
            ThreadComment(
                id=remark["id"],
                author=await actor(stage, "maintainer"),
                body="Which lid?",
                created_at=first.created_at,
            ),
            ThreadComment(id=second.id, author=bot, body="The round one.", created_at=second.created_at),
        ),
    )
    for _ in range(2):
        await stage.github.answer_threads(stage.repository, [said(thread, "Done.", resolve=True)])
    there = await stage.act("writer", "GET", "/contents/lid.txt?ref=lid")
    changed = {"message": "Two", "content": "bGlkcwo=", "branch": "lid", "sha": there["sha"]}
    await stage.act("writer", "PUT", "/contents/lid.txt", changed)
    (thread,) = await stage.github.threads(stage.repository, number)
    assert (thread.is_resolved, thread.is_outdated, thread.line) == (True, True, None)


async def test_what_is_not_there_is_missing_and_what_is_not_granted_is_permanent(stage: Stage) -> None:
    number = await opened(stage)
    await remarked(stage, number)
    (thread,) = await stage.github.threads(stage.repository, number)
    with pytest.raises(Missing, match="PullRequest with the number of 99"):
        await stage.github.threads(stage.repository, 99)
    nobody = ThreadAnswer(thread="bm9ib2R5OjE=", body="Nobody hears.", resolve=False)
    with pytest.raises(Missing):
        await stage.github.answer_threads(stage.repository, [nobody])
    installation = stage.repository.installation_id
    narrow = {"permissions": {"pull_requests": "write", "contents": "read"}}
    await stage.manage("PATCH", f"/installations/{installation}", narrow)
    async with connected(stage.hub) as narrowed:
        with pytest.raises(Permanent, match="Resource not accessible by integration"):
            await narrowed.answer_threads(stage.repository, [said(thread, "Done.", resolve=True)])


async def test_a_mutation_is_sent_once_and_a_query_again(stage: Stage) -> None:
    number = await opened(stage)
    await remarked(stage, number)
    (thread,) = await stage.github.threads(stage.repository, number)
    await stage.manage("DELETE", "/requests")
    await stage.manage("PUT", "/faults", {"write_then_502": "once"})
    with pytest.raises(Retryable):
        await stage.github.answer_threads(stage.repository, [said(thread, "Done.", resolve=True)])
    await stage.manage("PUT", "/faults", {"fail_rate": 1.0})
    with pytest.raises(Retryable):
        await stage.github.threads(stage.repository, number)
    await stage.manage("PUT", "/faults", {})
    assert (await stage.github.threads(stage.repository, number))[0].is_resolved
    statuses = [status for _, path, status in await stage.requests() if path == "/graphql"]
    assert (statuses[0], len(statuses)) == (502, 5)
