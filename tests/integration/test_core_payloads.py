"""Webhook payloads at their edges: what is understood becomes an event, what is not is never half read."""

import json
import zlib
from datetime import UTC, datetime
from typing import Any

import pytest

from app.domain.errors import Unparsable
from app.domain.events import (
    BaseMoved,
    ChecksEnded,
    Commented,
    ConfigPushed,
    Event,
    Ignored,
    InstallationCutOff,
    InstallationRestored,
    IssueClosed,
    IssueDeleted,
    IssueEdited,
    IssueLabeled,
    IssueReopened,
    IssueTransferred,
    IssueUnlabeled,
    PullClosed,
    PullCommented,
    PullEvent,
    PullLabeled,
    PullPushed,
    PullReopened,
    RepositoriesAdded,
    RepositoriesRemoved,
    RepositoryArchived,
    RepositoryChanged,
    RepositoryDeleted,
    ReviewSubmitted,
)
from app.domain.facts import Actor, CutOff, ReviewState
from app.domain.names import Repository, TaskRef
from app.github.payloads import parse_webhook
from tests.integration.core_stage import REPOSITORY, TASK

GROUP = TASK.group
SHA = "a" * 40
NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
WRITER = Actor(id=11, login="writer", is_bot=False)
SENDER = {"id": 11, "login": "writer", "type": "User"}
WHERE = {
    "installation": {"id": 3},
    "repository": {"id": 7, "name": "widgets", "owner": {"login": "acme"}, "default_branch": "main"},
    "sender": SENDER,
}


def parse(name: str, **payload: Any) -> Event:
    return parse_webhook(name, zlib.compress(json.dumps({**WHERE, **payload}).encode()), GROUP)


def labeled(**changes: Any) -> dict[str, Any]:
    issue = {"number": 5, "title": "Add hello", "body": "please"}
    return {"action": "labeled", "issue": issue, "label": {"name": "orch"}, **changes}


def test_a_null_body_is_an_empty_one() -> None:
    event = parse("issues", **labeled(issue={"number": 5, "title": "Add hello", "body": None}))
    actor = Actor(id=11, login="writer", is_bot=False)
    assert event == IssueLabeled(task=TASK, label="orch", actor=actor, title="Add hello", body="")


@pytest.mark.parametrize("account", [{"id": 1, "login": "ci", "type": "Bot"}, {"id": 1, "login": "ci[bot]"}])
def test_bots_are_known_by_type_or_login(account: dict[str, Any]) -> None:
    event = parse("issues", **labeled(sender=account))
    assert isinstance(event, IssueLabeled)
    assert event.actor.is_bot


@pytest.mark.parametrize("action", ["labeled", "unlabeled"])
@pytest.mark.parametrize("changes", [{"label": None}, {"label": {}}])
def test_a_label_that_was_deleted_itself_is_no_poison(action: str, changes: dict[str, Any]) -> None:
    assert parse("issues", **labeled(action=action, **changes)) == Ignored(
        reason="the label itself was deleted", group=GROUP
    )


def test_a_label_taken_off() -> None:
    event = parse("issues", **labeled(action="unlabeled"))
    assert event == IssueUnlabeled(task=TASK, label="orch", actor=Actor(id=11, login="writer", is_bot=False))


@pytest.mark.parametrize(
    "changes",
    [{"installation": None}, {"sender": None}, {"issue": None}, {"repository": {}}, {"issue": {"number": "five"}}],
)
def test_what_lacks_something_is_unparsable(changes: dict[str, Any]) -> None:
    with pytest.raises(Unparsable):
        parse("issues", **labeled(**changes))


@pytest.mark.parametrize(
    "body", [b"", b"not compressed", zlib.compress(b"{"), zlib.compress(b"[]"), zlib.compress(b"x" * 20)[:-4]]
)
def test_a_body_that_cannot_be_read_is_unparsable(body: bytes) -> None:
    with pytest.raises(Unparsable):
        parse_webhook("issues", body, GROUP)


def test_a_pull_request_whose_fork_is_gone_has_no_head_repository() -> None:
    pull = {"number": 9, "merged": True, "head": {"ref": "orch/5-add-hello", "repo": None}}
    event = parse("pull_request", action="closed", pull_request=pull)
    assert event == PullClosed(
        repository=REPOSITORY,
        number=9,
        head_branch="orch/5-add-hello",
        head_repository_id=None,
        merged=True,
        actor=WRITER,
    )


PULL = {"number": 9, "head": {"ref": "orch/5-add-hello", "sha": SHA, "repo": {"id": 7}}}
OF_PULL: dict[str, Any] = {
    "repository": REPOSITORY,
    "number": 9,
    "actor": WRITER,
    "head_branch": "orch/5-add-hello",
    "head_repository_id": 7,
}


@pytest.mark.parametrize(
    ("action", "event"),
    [
        ("reopened", PullReopened(**OF_PULL)),
        ("synchronize", PullPushed(**OF_PULL, head_sha=SHA)),
        ("labeled", PullLabeled(**OF_PULL, label="automerge", on=True)),
        ("unlabeled", PullLabeled(**OF_PULL, label="automerge", on=False)),
    ],
)
def test_what_else_happens_to_a_pull_request(action: str, event: PullEvent) -> None:
    assert parse("pull_request", action=action, pull_request=PULL, label={"name": "automerge"}) == event


@pytest.mark.parametrize(("said", "body"), [("Well.", "Well."), (None, "")])
def test_a_review_says_what_it_asks_for(said: str | None, body: str) -> None:
    review = {"id": 4, "state": "CHANGES_REQUESTED", "body": said, "submitted_at": "2025-03-01T12:00:00Z"}
    expected = ReviewSubmitted(**OF_PULL, review_id=4, state=ReviewState.CHANGES_REQUESTED, body=body, at=NOON)
    assert parse("pull_request_review", action="submitted", pull_request=PULL, review=review) == expected


@pytest.mark.parametrize(
    ("name", "payload", "branches"),
    [
        ("check_suite", {"check_suite": {"head_branch": "orch/5-x", "head_sha": SHA}}, ("orch/5-x",)),
        ("check_suite", {"check_suite": {"head_branch": None, "head_sha": SHA}}, ()),
        ("workflow_run", {"workflow_run": {"head_branch": "orch/5-x", "head_sha": SHA}}, ("orch/5-x",)),
    ],
)
def test_checks_end_on_a_commit_of_a_branch(name: str, payload: dict[str, Any], branches: tuple[str, ...]) -> None:
    ended = ChecksEnded(repository=REPOSITORY, branches=branches, sha=SHA)
    assert parse(name, action="completed", **payload) == ended


def test_a_commit_status_ends_unless_it_is_pending() -> None:
    status = {"state": "failure", "sha": SHA, "branches": [{"name": "orch/5-x"}, {"name": "main"}]}
    ended = ChecksEnded(repository=REPOSITORY, branches=("orch/5-x", "main"), sha=SHA)
    assert parse("status", **status) == ended
    assert isinstance(parse("status", **{**status, "state": "pending"}), Ignored)


@pytest.mark.parametrize(
    ("action", "kind"),
    [("edited", IssueEdited), ("closed", IssueClosed), ("reopened", IssueReopened), ("deleted", IssueDeleted)],
)
def test_the_life_of_an_issue(action: str, kind: Any) -> None:
    issue = {"number": 5, "labels": [{"name": "orch"}, {"name": "bug"}]}
    assert parse("issues", action=action, issue=issue) == kind(task=TASK, actor=WRITER, labels=("orch", "bug"))


COMMENT = {"id": 50, "user": SENDER, "body": "/approve", "created_at": "2025-03-01T12:00:00Z"}
AN_ISSUE = {"number": 5, "title": "Add hello", "body": None, "user": {"id": 99, "login": "orch[bot]"}}
SAID: dict[str, Any] = {"actor": WRITER, "author_id": 11, "comment_id": 50, "body": "/approve", "written_at": NOON}


def test_a_comment_on_an_issue_comes_with_the_issues_text_of_that_moment() -> None:
    expected = Commented(task=TASK, **SAID, title="Add hello", text="")
    assert parse("issue_comment", action="created", issue=AN_ISSUE, comment=COMMENT) == expected
    with pytest.raises(Unparsable):
        parse("issue_comment", action="created", issue=AN_ISSUE, comment={**COMMENT, "created_at": "then"})


def test_a_comment_on_a_pull_request_says_who_opened_that() -> None:
    expected = PullCommented(repository=REPOSITORY, number=5, pull_author_id=99, **SAID)
    pull = {**AN_ISSUE, "pull_request": {"url": "https://api.github.com/repos/acme/widgets/pulls/5"}}
    assert parse("issue_comment", action="created", issue=pull, comment=COMMENT) == expected


def test_an_edited_comment_comes_with_what_it_said_before() -> None:
    edited = {**COMMENT, "created_at": "2025-02-01T12:00:00Z", "updated_at": "2025-03-01T12:00:00Z"}
    event = parse("issue_comment", action="edited", issue=AN_ISSUE, comment=edited, changes={"body": {"from": "Hm."}})
    assert event == Commented(task=TASK, **SAID, before="Hm.", title="Add hello", text="")
    untouched = parse("issue_comment", action="edited", issue=AN_ISSUE, comment=edited, changes={})
    assert isinstance(untouched, Ignored)


def test_a_transferred_issue_says_where_it_is_now() -> None:
    there = {"id": 8, "name": "gears", "owner": {"login": "acme"}, "default_branch": "main"}
    changes = {"new_issue": {"number": 2}, "new_repository": there}
    event = parse("issues", action="transferred", issue={"number": 5, "labels": []}, changes=changes)
    target = TaskRef(repository=Repository(id=8, installation_id=3, owner="acme", name="gears"), number=2)
    assert event == IssueTransferred(task=TASK, actor=WRITER, labels=(), target=target)


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        ("renamed", RepositoryChanged),
        ("transferred", RepositoryChanged),
        ("unarchived", RepositoryChanged),
        ("archived", RepositoryArchived),
        ("deleted", RepositoryDeleted),
    ],
)
def test_the_life_of_a_repository(action: str, kind: Any) -> None:
    assert parse("repository", action=action) == kind(repository=REPOSITORY)


def test_the_life_of_an_installation() -> None:
    suspended = InstallationCutOff(installation_id=3, because=CutOff.SUSPENDED)
    assert parse("installation", action="suspend") == suspended
    assert parse("installation", action="deleted") == InstallationCutOff(installation_id=3, because=CutOff.REMOVED)
    assert parse("installation", action="unsuspend") == InstallationRestored(installation_id=3)
    removed = parse("installation_repositories", action="removed", repositories_removed=[{"id": 8}, {"id": 9}])
    assert removed == RepositoriesRemoved(installation_id=3, repository_ids=(8, 9))


def test_repositories_come_in_their_short_form() -> None:
    gears = Repository(id=8, installation_id=3, owner="acme", name="gears")
    added = RepositoriesAdded(installation_id=3, repositories=(gears,), check=True, new=True)
    short = [{"id": 8, "name": "gears", "full_name": "acme/gears"}]
    assert parse("installation", action="created", repositories=short) == added
    assert parse("installation_repositories", action="added", repositories_added=short) == added


@pytest.mark.parametrize(
    ("name", "payload"),
    [("star", {"action": "created"}), ("check_run", {"action": "completed"}), ("issues", {"action": 7})],
)
def test_the_rest_is_ignored(name: str, payload: dict[str, Any]) -> None:
    assert isinstance(parse(name, **payload), Ignored)


def pushed(**changes: Any) -> dict[str, Any]:
    commits = [{"added": [], "modified": ["README.md"], "removed": []}]
    return {"ref": "refs/heads/main", "forced": False, "created": False, "commits": commits, **changes}


@pytest.mark.parametrize(
    "changes",
    [
        {"commits": [{"added": [], "modified": [], "removed": [".orch.yml"]}, *pushed()["commits"]]},
        {"commits": [{"added": [".gitmodules"], "modified": [], "removed": []}]},
        {"commits": [{"added": [], "modified": [".gitattributes"], "removed": []}]},
        {"commits": pushed()["commits"] * 2048},
        {"forced": True},
        {"created": True},
    ],
    ids=["touched", "submodules", "attributes", "more than GitHub lists", "forced", "created"],
)
def test_a_push_that_may_change_the_configuration_is_noticed(changes: dict[str, Any]) -> None:
    assert parse("push", **pushed(**changes)) == ConfigPushed(repository=REPOSITORY)


def test_any_other_push_to_the_default_branch_moves_what_pull_requests_are_based_on() -> None:
    assert parse("push", **pushed()) == BaseMoved(repository=REPOSITORY)


@pytest.mark.parametrize("changes", [{"ref": "refs/heads/other", "forced": True}, {"ref": "refs/tags/main"}])
def test_other_pushes_mean_nothing(changes: dict[str, Any]) -> None:
    assert isinstance(parse("push", **pushed(**changes)), Ignored)


def test_another_default_branch_has_another_configuration() -> None:
    event = parse("repository", action="edited", changes={"default_branch": {"from": "old"}})
    assert event == ConfigPushed(repository=REPOSITORY)
    assert isinstance(parse("repository", action="edited", changes={"description": {"from": ""}}), Ignored)
