"""What every implementation of the GitHub port promises, seen on the local GitHub."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from app.domain.errors import Missing, Permanent, Retryable
from app.domain.facts import Actor, Identity, Permission, Standing
from app.domain.grants import RunToken
from app.domain.labels import Label
from app.domain.names import Repository
from app.github.api import open_github
from app.ports import GitHub
from infra.hub.server import RunningHub, start_hub
from infra.hub.settings import HubSettings

ORCH = Label(name="orch", color="5319e7", description="Orch works on this issue")
ODD = Label(name="area: ui/\u00fcber 100% #1?", color="c5def5", description="A name that must be quoted")
ABSENT = "0123456789abcdef0123456789abcdef01234567"


class WallClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass(frozen=True)
class Stage:
    """A hub with one repository, the port under test, and people who act on GitHub themselves."""

    hub: RunningHub
    github: GitHub
    repository: Repository
    session: aiohttp.ClientSession

    async def act(self, login: str, method: str, path: str, body: Any = None) -> Any:
        """Do something as a person, on `/repos/<owner>/<name><path>`."""
        token = self.hub.describe()["tokens"][login]
        url = f"{self.hub.base_url}/repos/{self.repository.full_name}{path}"
        return await self.call(method, url, body, {"authorization": f"Bearer {token}"})

    async def manage(self, method: str, path: str, body: Any = None) -> Any:
        """Use one of the hub's own routes."""
        return await self.call(method, f"{self.hub.base_url}/_hub{path}", body, {})

    async def call(self, method: str, url: str, body: Any, headers: dict[str, str]) -> Any:
        async with self.session.request(method, url, json=body, headers=headers) as response:
            answer = await response.json() if response.content_type == "application/json" else None
            assert response.status < 400, f"{method} {url}: {response.status} {answer}"
            return answer

    async def open_issue(self, *labels: str, by: str = "writer", body: str | None = "Please.") -> int:
        made = await self.act(by, "POST", "/issues", {"title": "Add a lid", "body": body, "labels": list(labels)})
        return int(made["number"])

    async def commit(self, branch: str, path: str = "lid.txt", text: str = "bGlkCg==") -> str:
        made = await self.act(
            "writer", "PUT", f"/contents/{path}", {"message": "Add a lid", "content": text, "branch": branch}
        )
        return str(made["commit"]["sha"])

    async def branch(self, name: str) -> str:
        """Make a branch that is one commit ahead of main."""
        await self.github.create_branch(self.repository, name, await self.main())
        return await self.commit(name)

    async def main(self) -> str:
        head = await self.github.branch_head(self.repository, "main")
        assert head is not None
        return head

    async def requests(self) -> list[tuple[str, str, int]]:
        return [(made["method"], made["path"], made["status"]) for made in await self.manage("GET", "/requests")]


def connected(hub: RunningHub) -> AbstractAsyncContextManager[GitHub]:
    described = hub.describe()
    key = Path(described["key_file"]).read_text()
    return open_github(described["api_url"], described["app_id"], key, WallClock(), base_delay=0.01)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    hub = await start_hub(HubSettings())
    try:
        async with connected(hub) as github, aiohttp.ClientSession() as session:
            (repository,) = await github.repositories()
            yield Stage(hub, github, repository, session)
    finally:
        await hub.stop()


# Who we are and where


async def test_identity_is_the_app_with_its_bot(stage: Stage) -> None:
    described = stage.hub.describe()
    assert await stage.github.identity() == Identity(
        app_id=described["app_id"], slug="orch", bot_id=described["bot_id"], bot_login="orch[bot]"
    )


async def test_repositories_lists_what_is_installed_with_its_installation(stage: Stage) -> None:
    installation = stage.hub.describe()["installation_id"]
    expected = Repository(id=stage.repository.id, installation_id=installation, owner="acme", name="widgets")
    assert list(await stage.github.repositories()) == [expected]


async def test_repositories_of_several_installations_and_not_of_suspended_ones(stage: Stage) -> None:
    for owner in ("umbrella", "initech"):
        await stage.manage("POST", "/repositories", {"owner": owner, "name": "gadgets"})
    suspended = await stage.manage("POST", "/installations", {"repositories": ["umbrella/gadgets"]})
    await stage.manage("POST", "/installations", {"repositories": ["initech/gadgets"]})
    await stage.manage("PATCH", f"/installations/{suspended['id']}", {"suspended": True})
    found = await stage.github.repositories()
    assert sorted(repository.full_name for repository in found) == ["acme/widgets", "initech/gadgets"]


async def test_repositories_that_are_archived_are_not_listed(stage: Stage) -> None:
    await stage.act("maintainer", "PATCH", "", {"archived": True})
    assert list(await stage.github.repositories()) == []


async def test_a_commit_is_of_the_account_that_its_authors_address_names(stage: Stage) -> None:
    asked = await stage.act("writer", "GET", "/collaborators/writer/permission")
    assert await stage.github.commit_author(stage.repository, await stage.branch("lid")) == asked["user"]["id"]
    with pytest.raises(Permanent):
        await stage.github.commit_author(stage.repository, ABSENT)


async def test_a_renamed_repository_is_found_by_its_old_name(stage: Stage) -> None:
    number = await stage.open_issue()
    await stage.act("maintainer", "PATCH", "", {"name": "gadgets"})
    comment = await stage.github.create_comment(stage.repository, number, "Still here.")
    assert [one.id for one in await stage.github.comments(stage.repository, number)] == [comment]


@pytest.mark.parametrize(
    ("login", "permission"),
    [
        ("writer", Permission.WRITE),
        ("maintainer", Permission.ADMIN),
        ("triager", Permission.READ),
        ("acme", Permission.ADMIN),
    ],
)
async def test_standing_is_what_github_says(stage: Stage, login: str, permission: Permission) -> None:
    assert (await stage.github.standing(stage.repository, login)).permission is permission


async def test_the_role_is_the_exact_one(stage: Stage) -> None:
    triager = await stage.github.standing(stage.repository, "triager")
    assert triager == Standing(permission=Permission.READ, role="triage")


async def test_i7_a_stranger_may_not_write(stage: Stage) -> None:
    assert not (await stage.github.standing(stage.repository, "stranger")).permission.can_write


async def test_what_is_not_there_is_missing(stage: Stage) -> None:
    gone = stage.repository.model_copy(update={"name": "gone"})
    for asked in (
        stage.github.issue(stage.repository, 99),
        stage.github.comments(stage.repository, 99),
        stage.github.label_given(stage.repository, 99, "orch"),
        stage.github.create_comment(stage.repository, 99, "hello"),
        stage.github.edit_comment(stage.repository, 99, "hello"),
        stage.github.pin_comment(stage.repository, 99),
        stage.github.close_issue(stage.repository, 99),
        stage.github.standing(gone, "writer"),
        stage.github.issues_labeled(gone, "orch", "open"),
    ):
        with pytest.raises(Missing):
            await asked


# Issues


async def test_a_file_is_read_from_the_default_branch_and_again_without_cost(stage: Stage) -> None:
    await stage.commit("main", "docs/a lid.txt")
    first = await stage.github.file(stage.repository, "docs/a lid.txt")
    assert (first, await stage.github.file(stage.repository, "docs/a lid.txt")) == (b"lid\n", b"lid\n")
    assert [status for _, path, status in await stage.requests() if "/contents/docs" in path][-2:] == [200, 304]


async def test_a_file_that_is_not_there_is_none(stage: Stage) -> None:
    assert await stage.github.file(stage.repository, ".orch.yml") is None
    assert await stage.github.file(stage.repository, "docs") is None


async def test_an_issue_is_read_as_it_is_now(stage: Stage) -> None:
    number = await stage.open_issue("orch", "bug", body=None)
    await stage.act("writer", "POST", f"/issues/{number}/comments", {"body": "one"})
    issue = await stage.github.issue(stage.repository, number)
    assert (issue.number, issue.title, issue.body, issue.is_open) == (number, "Add a lid", "", True)
    assert (issue.labels, issue.comments) == (frozenset({"orch", "bug"}), 1)
    assert abs(datetime.now(UTC) - issue.updated_at) < timedelta(minutes=1)


async def test_an_issue_read_again_shows_what_changed(stage: Stage) -> None:
    number = await stage.open_issue()
    before = await stage.github.issue(stage.repository, number)
    assert await stage.github.issue(stage.repository, number) == before
    assert (await stage.requests())[-1][2] == 304
    await stage.act("writer", "PATCH", f"/issues/{number}", {"title": "Add two lids"})
    assert (await stage.github.issue(stage.repository, number)).title == "Add two lids"


async def test_issues_are_listed_by_label_and_state(stage: Stage) -> None:
    status = "status:needs_review"
    wanted, closed, other = [await stage.open_issue(*labels) for labels in ((status, "orch"), (status,), ("orch",))]
    await stage.github.close_issue(stage.repository, closed)
    listed = {
        state: {issue.number for issue in await stage.github.issues_labeled(stage.repository, status, state)}
        for state in ("open", "closed", "all")
    }
    assert listed == {"open": {wanted}, "closed": {closed}, "all": {wanted, closed}}
    assert other not in listed["all"]


async def test_lists_longer_than_a_page_are_read_whole(stage: Stage) -> None:
    numbers = {await stage.open_issue("orch") for _ in range(102)}
    found = await stage.github.issues_labeled(stage.repository, "orch", "open")
    assert {issue.number for issue in found} == numbers
    assert len(found) == 102


async def test_an_issue_is_closed_as_completed_and_only_once(stage: Stage) -> None:
    number = await stage.open_issue()
    for _ in range(2):
        await stage.github.close_issue(stage.repository, number)
    shown = await stage.act("writer", "GET", f"/issues/{number}")
    events = await stage.act("writer", "GET", f"/issues/{number}/events")
    assert (shown["state"], shown["state_reason"]) == ("closed", "completed")
    assert [event["event"] for event in events] == ["closed"]


async def test_an_issue_closed_as_not_planned_stays_so(stage: Stage) -> None:
    number = await stage.open_issue()
    await stage.act("writer", "PATCH", f"/issues/{number}", {"state": "closed", "state_reason": "not_planned"})
    await stage.github.close_issue(stage.repository, number)
    assert (await stage.act("writer", "GET", f"/issues/{number}"))["state_reason"] == "not_planned"


# Labels


async def test_labels_are_added_and_removed(stage: Stage) -> None:
    number = await stage.open_issue("bug")
    await stage.github.add_labels(stage.repository, number, ["status:new", ODD.name])
    assert (await stage.github.issue(stage.repository, number)).labels == {"bug", "status:new", ODD.name}
    await stage.github.remove_label(stage.repository, number, ODD.name)
    await stage.github.remove_label(stage.repository, number, "status:new")
    assert (await stage.github.issue(stage.repository, number)).labels == {"bug"}


async def test_adding_no_labels_asks_nothing(stage: Stage) -> None:
    number = await stage.open_issue()
    await stage.manage("DELETE", "/requests")
    await stage.github.add_labels(stage.repository, number, [])
    assert await stage.requests() == []


async def test_removing_a_label_that_is_not_on_changes_nothing(stage: Stage) -> None:
    number = await stage.open_issue("bug")
    await stage.github.create_missing_labels(stage.repository, [ORCH])
    for name in ("orch", "no such label"):
        await stage.github.remove_label(stage.repository, number, name)
    assert (await stage.github.issue(stage.repository, number)).labels == {"bug"}


async def test_only_missing_labels_are_created(stage: Stage) -> None:
    await stage.act("writer", "POST", "/labels", {"name": "Orch", "color": "000000", "description": "Our own"})
    for _ in range(2):
        await stage.github.create_missing_labels(stage.repository, [ORCH, ODD])
    listed = await stage.act("writer", "GET", "/labels?per_page=100")
    labels = {label["name"]: (label["color"], label["description"]) for label in listed}
    assert labels["Orch"] == ("000000", "Our own")
    assert labels[ODD.name] == (ODD.color, ODD.description)
    made = [request for request in await stage.requests() if request[0] == "POST" and request[1].endswith("/labels")]
    assert len(made) == 2


async def test_the_last_to_give_a_label_is_found(stage: Stage) -> None:
    number = await stage.open_issue("orch", by="maintainer")
    await stage.act("writer", "DELETE", f"/issues/{number}/labels/orch")
    await stage.act("triager", "POST", f"/issues/{number}/labels", {"labels": ["orch"]})
    await stage.act("writer", "POST", f"/issues/{number}/labels", {"labels": ["bug"]})
    given = await stage.github.label_given(stage.repository, number, "orch")
    assert given is not None
    assert (given.actor.login, given.actor.is_bot) == ("triager", False)
    assert abs(datetime.now(UTC) - given.created_at) < timedelta(minutes=1)


async def test_a_label_taken_off_was_given_by_nobody(stage: Stage) -> None:
    number = await stage.open_issue("orch")
    await stage.github.remove_label(stage.repository, number, "orch")
    assert await stage.github.label_given(stage.repository, number, "orch") is None
    assert await stage.github.label_given(stage.repository, number, "bug") is None


async def test_a_label_given_by_the_app_is_from_a_bot(stage: Stage) -> None:
    number = await stage.open_issue()
    await stage.github.add_labels(stage.repository, number, ["orch"])
    given = await stage.github.label_given(stage.repository, number, "orch")
    assert given is not None
    assert given.actor == Actor(id=stage.hub.describe()["bot_id"], login="orch[bot]", is_bot=True)


# Comments


async def test_comments_are_created_edited_and_listed_in_order(stage: Stage) -> None:
    number = await stage.open_issue()
    theirs = await stage.act("writer", "POST", f"/issues/{number}/comments", {"body": "theirs"})
    ours = await stage.github.create_comment(stage.repository, number, "ours")
    await stage.github.edit_comment(stage.repository, ours, "ours, edited")
    listed = await stage.github.comments(stage.repository, number)
    assert [(one.id, one.author.id, one.body) for one in listed] == [
        (theirs["id"], theirs["user"]["id"], "theirs"),
        (ours, stage.hub.describe()["bot_id"], "ours, edited"),
    ]
    assert all(one.created_at <= one.edited_at for one in listed)


async def test_a_comment_is_pinned_once(stage: Stage) -> None:
    number = await stage.open_issue()
    comment = await stage.github.create_comment(stage.repository, number, "ours")
    for _ in range(2):
        await stage.github.pin_comment(stage.repository, comment)
    assert (await stage.act("writer", "GET", f"/issues/comments/{comment}"))["pin"] is not None


async def test_a_comment_that_is_too_long_is_permanent(stage: Stage) -> None:
    number = await stage.open_issue()
    with pytest.raises(Permanent, match="too long"):
        await stage.github.create_comment(stage.repository, number, "x" * 65_537)


async def test_a_permission_that_is_missing_is_permanent(stage: Stage) -> None:
    number = await stage.open_issue()
    installation = stage.hub.describe()["installation_id"]
    await stage.manage("PATCH", f"/installations/{installation}", {"permissions": {"metadata": "read"}})
    async with connected(stage.hub) as github:
        with pytest.raises(Permanent, match="Resource not accessible by integration"):
            await github.add_labels(stage.repository, number, ["orch"])


# When things go wrong


async def test_a_write_that_answers_502_is_never_repeated_when_it_creates(stage: Stage) -> None:
    number = await stage.open_issue()
    await stage.manage("PUT", "/faults", {"write_then_502": "once"})
    with pytest.raises(Retryable):
        await stage.github.create_comment(stage.repository, number, "hello")
    assert [comment.body for comment in await stage.github.comments(stage.repository, number)] == ["hello"]


async def test_a_write_that_answers_502_is_repeated_when_that_is_harmless(stage: Stage) -> None:
    number = await stage.open_issue("orch")
    await stage.manage("PUT", "/faults", {"write_then_502": "once"})
    await stage.manage("DELETE", "/requests")
    await stage.github.remove_label(stage.repository, number, "orch")
    await stage.github.close_issue(stage.repository, number)
    writes = [(method, status) for method, _, status in await stage.requests() if method in ("DELETE", "PATCH")]
    assert writes == [("DELETE", 502), ("DELETE", 404), ("PATCH", 502), ("PATCH", 200)]
    assert not (await stage.github.issue(stage.repository, number)).is_open


async def test_a_secondary_limit_is_met_once_and_then_kept(stage: Stage) -> None:
    number = await stage.open_issue()
    await stage.manage("PUT", "/faults", {"secondary_limit": {"count": 1, "retry_after": 50}})
    await stage.github.create_comment(stage.repository, number, "one")
    for _ in range(3):
        with pytest.raises(Retryable) as raised:
            await stage.github.create_comment(stage.repository, number, "two")
        assert raised.value.delay is not None
        assert 30 <= raised.value.delay <= 50
    assert (await stage.manage("GET", "/faults"))["violations"] == 0
    refused = [request for request in await stage.requests() if request[2] == 403]
    assert len(refused) == 1


async def test_a_server_that_fails_every_time_is_retryable(stage: Stage) -> None:
    number = await stage.open_issue()
    await stage.github.issue(stage.repository, number)
    await stage.manage("PUT", "/faults", {"fail_rate": 1.0})
    with pytest.raises(Retryable):
        await stage.github.issue(stage.repository, number)


# Branches


async def test_the_head_of_a_branch_is_its_sha_or_none(stage: Stage) -> None:
    head = await stage.branch("orch/1-add-a-lid")
    assert await stage.github.branch_head(stage.repository, "orch/1-add-a-lid") == head
    assert await stage.github.branch_head(stage.repository, "orch/1-add") is None
    assert await stage.github.branch_head(stage.repository, "orch") is None


async def test_a_branch_is_created_once(stage: Stage) -> None:
    main = await stage.main()
    assert await stage.github.create_branch(stage.repository, "orch/1-add-a-lid", main) is True
    moved = await stage.commit("orch/1-add-a-lid")
    assert await stage.github.create_branch(stage.repository, "orch/1-add-a-lid", main) is False
    assert await stage.github.branch_head(stage.repository, "orch/1-add-a-lid") == moved


async def test_a_branch_of_an_absent_commit_is_permanent(stage: Stage) -> None:
    with pytest.raises(Permanent):
        await stage.github.create_branch(stage.repository, "orch/1", ABSENT)
    assert await stage.github.branch_head(stage.repository, "orch/1") is None


async def test_a_branch_moves_forward_only(stage: Stage) -> None:
    main, ahead = await stage.main(), await stage.branch("ahead")
    await stage.github.create_branch(stage.repository, "orch/1-add-a-lid", main)
    for _ in range(2):
        await stage.github.move_branch(stage.repository, "orch/1-add-a-lid", ahead)
    assert await stage.github.branch_head(stage.repository, "orch/1-add-a-lid") == ahead
    with pytest.raises(Permanent):
        await stage.github.move_branch(stage.repository, "orch/1-add-a-lid", main)
    assert await stage.github.branch_head(stage.repository, "orch/1-add-a-lid") == ahead


async def test_moving_a_branch_that_is_gone_is_permanent(stage: Stage) -> None:
    with pytest.raises(Permanent):
        await stage.github.move_branch(stage.repository, "orch/1-gone", await stage.main())


async def test_a_ref_is_deleted_and_may_be_gone(stage: Stage) -> None:
    await stage.branch("orch/1-add-a-lid")
    for _ in range(2):
        await stage.github.delete_ref(stage.repository, "refs/heads/orch/1-add-a-lid")
    await stage.github.delete_ref(stage.repository, "refs/orch/runs/never-was")
    assert await stage.github.branch_head(stage.repository, "orch/1-add-a-lid") is None


# Pull requests


async def test_a_pull_request_is_opened_and_read(stage: Stage) -> None:
    head = await stage.branch("orch/1-add-a-lid")
    pull = await stage.github.create_pull(stage.repository, "orch/1-add-a-lid", "main", "Add a lid", "Closes #1")
    assert (pull.head_sha, pull.is_open, pull.merged) == (head, True, False)
    worked_out = pull.model_copy(update={"mergeable": True})
    assert await stage.github.pull(stage.repository, pull.number) == worked_out
    shown = await stage.act("writer", "GET", f"/pulls/{pull.number}")
    assert (shown["title"], shown["body"], shown["base"]["ref"]) == ("Add a lid", "Closes #1", "main")


async def test_a_pull_request_is_opened_once(stage: Stage) -> None:
    await stage.branch("orch/1-add-a-lid")
    wanted = (stage.repository, "orch/1-add-a-lid", "main", "Add a lid", "Closes #1")
    assert await stage.github.create_pull(*wanted) == await stage.github.create_pull(*wanted)


async def test_a_pull_request_of_nothing_is_permanent(stage: Stage) -> None:
    await stage.github.create_branch(stage.repository, "orch/1-nothing", await stage.main())
    with pytest.raises(Permanent, match="No commits between"):
        await stage.github.create_pull(stage.repository, "orch/1-nothing", "main", "Nothing", "")


async def test_pull_requests_of_a_branch_are_listed_newest_first(stage: Stage) -> None:
    for branch in ("orch/1-add-a-lid", "orch/2-other"):
        await stage.branch(branch)
    first = await stage.github.create_pull(stage.repository, "orch/1-add-a-lid", "main", "Add a lid", "")
    await stage.github.create_pull(stage.repository, "orch/2-other", "main", "Other", "")
    await stage.github.close_issue(stage.repository, first.number)
    second = await stage.github.create_pull(stage.repository, "orch/1-add-a-lid", "main", "Add a lid", "")
    found = await stage.github.pulls_from(stage.repository, "orch/1-add-a-lid")
    assert [(pull.number, pull.is_open) for pull in found] == [(second.number, True), (first.number, False)]
    assert list(await stage.github.pulls_from(stage.repository, "orch/3-none")) == []


async def test_a_merged_pull_request_is_merged_in_both_views(stage: Stage) -> None:
    await stage.branch("orch/1-add-a-lid")
    opened = await stage.github.create_pull(stage.repository, "orch/1-add-a-lid", "main", "Add a lid", "")
    await stage.act("maintainer", "PUT", f"/pulls/{opened.number}/merge", {"sha": opened.head_sha})
    merged = opened.model_copy(update={"is_open": False, "merged": True})
    assert await stage.github.pull(stage.repository, opened.number) == merged
    assert list(await stage.github.pulls_from(stage.repository, "orch/1-add-a-lid")) == [merged]


async def test_pull_requests_are_not_listed_as_issues(stage: Stage) -> None:
    await stage.branch("orch/1-add-a-lid")
    pull = await stage.github.create_pull(stage.repository, "orch/1-add-a-lid", "main", "Add a lid", "")
    await stage.github.add_labels(stage.repository, pull.number, ["orch"])
    assert list(await stage.github.issues_labeled(stage.repository, "orch", "open")) == []


# Tokens


async def user_of(stage: Stage, token: RunToken, method: str, path: str, body: Any = None) -> int:
    url = f"{stage.hub.base_url}/repos/{stage.repository.full_name}{path}"
    headers = {"authorization": f"Bearer {token.value}"}
    async with stage.session.request(method, url, json=body, headers=headers) as response:
        return response.status


async def test_a_run_token_can_do_only_what_it_was_minted_for(stage: Stage) -> None:
    number = await stage.open_issue()
    token = await stage.github.mint(stage.repository, {"contents": "read"})
    assert timedelta(minutes=50) < token.expires_at - datetime.now(UTC) <= timedelta(minutes=61)
    assert await user_of(stage, token, "GET", f"/issues/{number}") == 200
    assert await user_of(stage, token, "POST", f"/issues/{number}/labels", {"labels": ["orch"]}) == 403
    assert token.value not in repr(token)


async def test_a_run_token_is_for_one_repository(stage: Stage) -> None:
    await stage.manage("POST", "/repositories", {"owner": "acme", "name": "secrets", "private": True})
    installation = stage.hub.describe()["installation_id"]
    await stage.manage("PATCH", f"/installations/{installation}", {"add": ["acme/secrets"]})
    token = await stage.github.mint(stage.repository, {"contents": "write", "issues": "write"})
    url = f"{stage.hub.base_url}/repos/acme/secrets/labels"
    async with stage.session.get(url, headers={"authorization": f"Bearer {token.value}"}) as response:
        assert response.status == 404


async def test_a_revoked_token_is_dead_and_may_be_revoked_again(stage: Stage) -> None:
    number = await stage.open_issue()
    token = await stage.github.mint(stage.repository, {"contents": "read"})
    for _ in range(2):
        await stage.github.revoke(token)
    assert await user_of(stage, token, "GET", f"/issues/{number}") == 401
    assert (await stage.github.issue(stage.repository, number)).number == number


async def test_more_than_was_granted_is_permanent(stage: Stage) -> None:
    with pytest.raises(Permanent, match="not granted"):
        await stage.github.mint(stage.repository, {"workflows": "write"})


async def test_an_installation_that_is_gone_is_missing(stage: Stage) -> None:
    gone = stage.repository.model_copy(update={"installation_id": 999_999})
    with pytest.raises(Missing):
        await stage.github.issue(gone, 1)


# Deliveries


async def test_only_deliveries_that_never_arrived_are_failed_ones(stage: Stage) -> None:
    statuses = {"issues": [503, 200], "issue_comment": [500, 500]}
    arrived: list[tuple[str, str]] = []

    async def receive(request: web.Request) -> web.Response:
        event = request.headers["x-github-event"]
        arrived.append((event, request.headers["x-github-delivery"]))
        return web.Response(status=statuses[event].pop(0) if statuses.get(event) else 202)

    app = web.Application()
    app.router.add_post("/", receive)
    async with TestServer(app, host="127.0.0.1") as server:
        await stage.manage("GET", "/idle")
        already = {delivery.guid for delivery in await stage.github.failed_deliveries()}
        await stage.manage("PUT", "/webhook", {"url": str(server.make_url("/"))})
        number = await stage.open_issue()
        await stage.act("writer", "POST", f"/issues/{number}/comments", {"body": "one"})
        await stage.manage("GET", "/idle")
        failed = [d for d in await stage.github.failed_deliveries() if d.guid not in already]
        opened, commented = (next(guid for name, guid in arrived if name == event) for event in statuses)
        assert [d.guid for d in failed] == [commented, opened]
        for delivery in failed:
            await stage.github.redeliver(delivery.id)
        await stage.manage("GET", "/idle")
        still = [d for d in await stage.github.failed_deliveries() if d.guid not in already]
    assert [d.guid for d in still] == [commented]
    assert still[0].id > failed[0].id


async def test_redelivering_what_never_was_is_missing(stage: Stage) -> None:
    with pytest.raises(Missing):
        await stage.github.redeliver(999_999)


async def test_labels_are_created_in_a_repository_that_was_added_after_the_token_was_made(stage: Stage) -> None:
    await stage.github.create_missing_labels(stage.repository, [])
    made = await stage.manage("POST", "/repositories", {"owner": "acme", "name": "later"})
    await stage.manage("PATCH", f"/installations/{stage.repository.installation_id}", {"add": ["acme/later"]})
    later = stage.repository.model_copy(update={"id": made["id"], "name": "later"})
    await stage.github.create_missing_labels(later, [Label(name="new", color="ededed", description="")])
    there = await stage.call("GET", f"{stage.hub.base_url}/repos/acme/later/labels/new", None, {})
    assert there["color"] == "ededed"
