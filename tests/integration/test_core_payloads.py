"""Webhook payloads at their edges: what is understood becomes an event, what is not is never half read."""

import json
import zlib
from typing import Any

import pytest

from app.domain.errors import Unparsable
from app.domain.events import ConfigPushed, Event, Ignored, IssueLabeled, IssueUnlabeled, PullClosed, RepositoriesAdded
from app.domain.facts import Actor
from app.domain.names import Repository
from app.github.payloads import parse_webhook
from tests.integration.core_stage import REPOSITORY, TASK

GROUP = TASK.group
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


@pytest.mark.parametrize("body", [b"", b"not compressed", zlib.compress(b"{"), zlib.compress(b"x" * 20)[:-4]])
def test_a_body_that_cannot_be_read_is_unparsable(body: bytes) -> None:
    with pytest.raises(Unparsable):
        parse_webhook("issues", body, GROUP)


def test_a_pull_request_whose_fork_is_gone_has_no_head_repository() -> None:
    pull = {"number": 9, "merged": True, "head": {"ref": "orch/5-add-hello", "repo": None}}
    event = parse("pull_request", action="closed", pull_request=pull)
    assert event == PullClosed(
        repository=REPOSITORY, number=9, head_branch="orch/5-add-hello", head_repository_id=None, merged=True
    )


def test_repositories_come_in_their_short_form() -> None:
    added = RepositoriesAdded(
        installation_id=3, repositories=(Repository(id=8, installation_id=3, owner="acme", name="gears"),)
    )
    short = [{"id": 8, "name": "gears", "full_name": "acme/gears"}]
    assert parse("installation", action="created", repositories=short) == added
    assert parse("installation_repositories", action="added", repositories_added=short) == added


@pytest.mark.parametrize(
    ("name", "payload"), [("star", {"action": "created"}), ("status", {}), ("issues", {"action": 7})]
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
        {"commits": pushed()["commits"] * 2048},
        {"forced": True},
        {"created": True},
    ],
    ids=["touched", "more than GitHub lists", "forced", "created"],
)
def test_a_push_that_may_change_the_configuration_is_noticed(changes: dict[str, Any]) -> None:
    assert parse("push", **pushed(**changes)) == ConfigPushed(repository=REPOSITORY)


@pytest.mark.parametrize("changes", [{}, {"ref": "refs/heads/other", "forced": True}, {"ref": "refs/tags/main"}])
def test_other_pushes_mean_nothing(changes: dict[str, Any]) -> None:
    assert isinstance(parse("push", **pushed(**changes)), Ignored)


def test_another_default_branch_has_another_configuration() -> None:
    event = parse("repository", action="edited", changes={"default_branch": {"from": "old"}})
    assert event == ConfigPushed(repository=REPOSITORY)
    assert isinstance(parse("repository", action="edited", changes={"description": {"from": ""}}), Ignored)
