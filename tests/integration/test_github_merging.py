"""Answers about merges that the local GitHub never gives, from a server that answers what a test tells it to."""

from collections.abc import AsyncIterator

import pytest

from app.domain.errors import HeadMoved, NotMergeable, Permanent, Retryable
from app.domain.facts import CommitData
from app.github.api import GitHubApi
from tests.integration.test_github_client import WIDGETS, HandClock, Reply, Script, connected, served

HEAD, OTHER = "a" * 40, "b" * 40
MERGE = "PUT /repos/acme/widgets/pulls/5/merge"
UPDATE = "PUT /repos/acme/widgets/pulls/5/update-branch"
PULL = "GET /repos/acme/widgets/pulls/5"
GRAPHQL = "POST /graphql"
COMMITS = "POST /repos/acme/widgets/git/commits"
LOG = "GET /repos/acme/widgets/actions/jobs/7/logs"


@pytest.fixture
async def script() -> AsyncIterator[Script]:
    async with served(HandClock()) as script:
        yield script


@pytest.fixture
async def github(script: Script) -> AsyncIterator[GitHubApi]:
    async with connected(script) as github:
        yield github


def pull(head: str = HEAD, **given: object) -> Reply:
    side = {"ref": "work", "sha": head, "repo": {"id": 7}}
    shown = {"number": 5, "state": "open", "merged_at": None, "head": side, "base": {"ref": "main"}}
    return Reply(200, {**shown, "mergeable": True, "mergeable_state": "clean", **given})


def refused(status: int, message: str) -> Reply:
    return Reply(status, {"message": message})


@pytest.mark.parametrize(
    ("status", "message", "error"),
    [
        (405, "Base branch was modified. Review and try the merge again.", Retryable),
        (405, "Merge already in progress", Retryable),
        (405, "Merge commits are not allowed on this repository.", NotMergeable),
        (409, "Head branch was modified. Review and try the merge again.", HeadMoved),
    ],
)
async def test_a_refused_merge_is_what_its_status_and_words_say(
    script: Script, github: GitHubApi, status: int, message: str, error: type[Exception]
) -> None:
    script.on(MERGE, refused(status, message))
    script.on(PULL, pull())
    with pytest.raises(error, match=message):
        await github.merge_pull(WIDGETS, 5, HEAD, "merge")


async def test_an_update_that_is_refused_for_no_known_reason_is_settled_by_what_is_there(
    script: Script, github: GitHubApi
) -> None:
    script.on(UPDATE, refused(422, "Validation Failed"))
    script.on(PULL, pull(OTHER))
    with pytest.raises(HeadMoved):
        await github.update_branch(WIDGETS, 5, HEAD)
    script.on(PULL, pull(mergeable=False, mergeable_state="dirty"))
    assert not await github.update_branch(WIDGETS, 5, HEAD)
    script.on(PULL, pull())
    with pytest.raises(Permanent, match="Validation Failed"):
        await github.update_branch(WIDGETS, 5, HEAD)


async def test_what_the_queue_refuses_is_settled_by_what_is_there(script: Script, github: GitHubApi) -> None:
    refusal = Reply(200, {"errors": [{"type": "UNPROCESSABLE", "message": "Cannot be queued"}], "data": None})
    for head, queued, error in ((OTHER, False, HeadMoved), (HEAD, False, NotMergeable)):
        found = Reply(200, {"data": {"node": {"headRefOid": head, "isInMergeQueue": queued}}})
        script.on(GRAPHQL, refusal, found)
        with pytest.raises(error, match="Cannot be queued"):
            await github.enqueue_pull(WIDGETS, "PR_5", HEAD)
    script.on(GRAPHQL, refusal, Reply(200, {"data": {"node": {"headRefOid": HEAD, "isInMergeQueue": True}}}))
    await github.enqueue_pull(WIDGETS, "PR_5", HEAD)


async def test_a_commit_that_github_did_not_sign_is_no_signed_one(script: Script, github: GitHubApi) -> None:
    script.on(COMMITS, Reply(201, {"sha": OTHER, "verification": {"verified": False, "reason": "unsigned"}}))
    commit = CommitData(sha=HEAD, tree=OTHER, parents=(HEAD,), message="Add a lid")
    with pytest.raises(Permanent, match="did not sign"):
        await github.sign_commit(WIDGETS, commit)
    assert script.bodies(COMMITS) == [{"message": "Add a lid", "tree": OTHER, "parents": [HEAD]}]


async def test_a_log_is_asked_for_where_github_leads_to_and_nowhere_near_it(script: Script, github: GitHubApi) -> None:
    script.on(LOG, Reply(302, None, {"location": script.url.replace("127.0.0.1", "localhost") + "/kept?signature=1"}))
    script.on("GET /kept", Reply(200, text="no lid\n"))
    assert await github.job_log(WIDGETS, 7, 100) == "no lid\n"
    assert "authorization" not in script.headers("GET /kept")[0]
    script.on(LOG, Reply(200, {"log": "here"}))
    with pytest.raises(Permanent, match="nowhere else"):
        await github.job_log(WIDGETS, 7, 100)
