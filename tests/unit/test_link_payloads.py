"""Webhooks about links between issues: each end is told in its own group, and whoever made the link."""

import json
import zlib
from typing import Any

import pytest

from app.domain.errors import Unparsable
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
from app.domain.names import Repository, TaskRef
from app.domain.task_events import TaskEvent
from app.github.link_payloads import LINK_READERS
from app.github.payloads import parse_webhook
from app.web.head import read_head
from tests.unit.build import WRITER

WIDGETS = Repository(id=7, installation_id=3, owner="acme", name="widgets")
GEARS = Repository(id=8, installation_id=3, owner="acme", name="gears")
API = "https://api.github.com/repos/acme"
WHERE = {"installation": {"id": 3}, "sender": {"id": WRITER.id, "login": WRITER.login, "type": "User"}}
CHILD, PARENT = TaskRef(repository=WIDGETS, number=12), TaskRef(repository=GEARS, number=5)


def named(repository: Repository) -> dict[str, Any]:
    return {"id": repository.id, "name": repository.name, "owner": {"login": "acme"}, "default_branch": "main"}


def sub_issue(action: str, own: TaskRef) -> dict[str, Any]:
    """Make the payload of one end of the link between child and parent, as each repository gets it."""
    other = PARENT if own is CHILD else CHILD
    far = "parent_issue_repo" if own is CHILD else "sub_issue_repo"
    ends = {"sub_issue": {"id": 120, "number": CHILD.number}, "parent_issue": {"id": 50, "number": PARENT.number}}
    return {"action": action, "repository": named(own.repository), far: named(other.repository), **ends, **WHERE}


def dependency(action: str, own: TaskRef) -> dict[str, Any]:
    """Make the payload of one end of "the parent is blocked by the child"."""
    other = PARENT if own is CHILD else CHILD
    far = "blocked_issue_repo" if own is CHILD else "blocking_issue_repo"
    ends = {"blocking_issue": {"id": 120, "number": CHILD.number}, "blocked_issue": {"number": PARENT.number}}
    return {"action": action, "repository": named(own.repository), far: named(other.repository), **ends, **WHERE}


TOLD: list[tuple[str, dict[str, Any], Event]] = [
    (
        "sub_issues",
        sub_issue("sub_issue_added", PARENT),
        SubIssuesChanged(task=PARENT, actor=WRITER, child=CHILD, added=True),
    ),
    (
        "sub_issues",
        sub_issue("sub_issue_removed", PARENT),
        SubIssuesChanged(task=PARENT, actor=WRITER, child=CHILD, added=False),
    ),
    (
        "sub_issues",
        sub_issue("parent_issue_added", CHILD),
        ParentChanged(task=CHILD, actor=WRITER, parent=PARENT, added=True),
    ),
    (
        "sub_issues",
        sub_issue("parent_issue_removed", CHILD),
        ParentChanged(task=CHILD, actor=WRITER, parent=PARENT, added=False),
    ),
    ("issue_dependencies", dependency("blocked_by_added", PARENT), BlockersChanged(task=PARENT, actor=WRITER)),
    ("issue_dependencies", dependency("blocked_by_removed", PARENT), BlockersChanged(task=PARENT, actor=WRITER)),
    (
        "issue_dependencies",
        dependency("blocking_added", CHILD),
        BlockingChanged(task=CHILD, actor=WRITER, blocked=PARENT),
    ),
    (
        "issue_dependencies",
        dependency("blocking_removed", CHILD),
        BlockingChanged(task=CHILD, actor=WRITER, blocked=PARENT),
    ),
]


def parse(name: str, payload: dict[str, Any]) -> Event:
    return parse_webhook(name, zlib.compress(json.dumps(payload).encode()), "any/1")


def test_every_link_that_is_read_is_told_below() -> None:
    assert {(name, payload["action"]) for name, payload, _ in TOLD} == set(LINK_READERS)


@pytest.mark.parametrize(("name", "payload", "event"), TOLD, ids=lambda told: getattr(told, "type", None))
def test_a_link_is_told_to_the_end_whose_repository_it_comes_from(
    name: str, payload: dict[str, Any], event: TaskEvent
) -> None:
    assert parse(name, payload) == event
    head = read_head(json.dumps(payload).encode())
    assert head is not None
    assert (head.repository, head.issue) == (event.task.repository.id, event.task.number)


def test_a_link_counts_though_nobody_is_named_as_its_maker() -> None:
    event = parse("sub_issues", {**sub_issue("parent_issue_added", CHILD), "sender": None})
    nobody = Actor(id=0, login="ghost", is_bot=False)
    assert event == ParentChanged(task=CHILD, actor=nobody, parent=PARENT, added=True)


@pytest.mark.parametrize("lost", ["sub_issue", "parent_issue_repo", "repository", "installation"])
def test_a_link_without_one_of_its_ends_is_unparsable(lost: str) -> None:
    with pytest.raises(Unparsable):
        parse("sub_issues", {**sub_issue("parent_issue_added", CHILD), lost: None})


def closed(**issue: Any) -> dict[str, Any]:
    return {
        "action": "closed",
        "issue": {"number": 12, "labels": [], "repository_url": f"{API}/widgets", **issue},
        "repository": named(WIDGETS),
        **WHERE,
    }


def test_a_closed_issue_says_why_what_it_blocks_and_whose_part_it_is() -> None:
    payload = closed(
        state_reason="not_planned",
        parent_issue_url=f"{API}/widgets/issues/5",
        issue_dependencies_summary={"blocked_by": 1, "total_blocked_by": 2, "blocking": 0, "total_blocking": 3},
    )
    told: dict[str, Any] = {"task": CHILD, "actor": WRITER, "labels": (), "blocking": 3, "parent": 5}
    assert parse("issues", payload) == IssueClosed(**told, state_reason="not_planned")
    payload = {**payload, "action": "reopened", "issue": {**payload["issue"], "state_reason": "reopened"}}
    assert parse("issues", payload) == IssueReopened(**told, state_reason="reopened")


@pytest.mark.parametrize(
    "issue", [{"parent_issue_url": None}, {"parent_issue_url": f"{API}/gears/issues/5"}, {"repository_url": None}]
)
def test_a_parent_elsewhere_is_not_named(issue: dict[str, Any]) -> None:
    assert parse("issues", closed(**issue)) == IssueClosed(task=CHILD, actor=WRITER, labels=())
