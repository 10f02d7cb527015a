"""What people and bots do to issues: each change with its issue event and its webhooks.

Everything here runs inside a transaction of the caller.
"""

from dataclasses import dataclass, replace
from typing import Any

from infra.hub.records import Comment, Issue, IssueEvent, Label, Pull, Repository, User
from infra.hub.shapes.issues import show_comment, show_issue, show_label
from infra.hub.shapes.pulls import show_pull
from infra.hub.webhooks import emit
from infra.hub.wire import JSON
from infra.hub.world import World


@dataclass(frozen=True, slots=True)
class Act:
    """Somebody acting in a repository; `app_id` where it is an App's bot."""

    world: World
    repository: Repository
    user: User
    app_id: int | None = None

    def send(self, event: str, payload: JSON) -> None:
        emit(self.world, self.repository, event, self.user, payload)

    def note(self, issue: Issue, event: str, **detail: Any) -> None:
        """Write an issue event."""
        state = self.world.state
        now = self.world.now()
        state.put(IssueEvent(state.new_id(), issue.id, self.user.id, event, now, self.app_id, detail))


def send_issue(act: Act, issue: Issue, action: str, **extra: Any) -> None:
    """Send `issues` or `pull_request`, whichever the number belongs to."""
    if not issue.is_pull:
        act.send("issues", {"action": action, "issue": show_issue(act.world, act.repository, issue), **extra})
        return
    pull = act.world.state.find(Pull, issue.key, issue.repository_id)
    assert pull is not None
    shown = show_pull(act.world, act.repository, issue, pull)
    act.send("pull_request", {"action": action, "number": issue.number, "pull_request": shown, **extra})


def send_comment(act: Act, issue: Issue, comment: Comment, action: str, **extra: Any) -> None:
    payload = {
        "action": action,
        "issue": show_issue(act.world, act.repository, issue),
        "comment": show_comment(act.world, act.repository, issue, comment),
    }
    act.send("issue_comment", payload | extra)


def edit_texts(act: Act, issue: Issue, title: str, body: str | None) -> Issue:
    """Change title and body; what stays the same makes no event."""
    changes: JSON = {}
    if title != issue.title:
        changes["title"] = {"from": issue.title}
        act.note(issue, "renamed", rename={"from": issue.title, "to": title})
    if body != issue.body:
        changes["body"] = {"from": issue.body or ""}
        issue = replace(issue, body_edited=act.world.now())
    if not changes:
        return issue
    issue = act.world.touch(replace(issue, title=title, body=body))
    send_issue(act, issue, "edited", changes=changes)
    return issue


def set_state(act: Act, issue: Issue, state: str, reason: str | None) -> Issue:
    """Close or reopen; an issue that is so already stays as it is."""
    if state == issue.state:
        return issue
    closing = state == "closed"
    if issue.is_pull:
        reason = None
    issue = act.world.touch(
        replace(
            issue,
            state=state,
            state_reason=reason,
            closed=act.world.now() if closing else None,
            closed_by_id=act.user.id if closing else None,
        )
    )
    act.note(issue, "closed" if closing else "reopened", state_reason=reason)
    send_issue(act, issue, "closed" if closing else "reopened")
    return issue


def add_labels(act: Act, issue: Issue, labels: list[Label]) -> Issue:
    """Put labels on, each with its own event; `updated_at` stays, as on GitHub."""
    for label in labels:
        if label.id in issue.label_ids:
            continue
        issue = act.world.state.put(replace(issue, label_ids=[*issue.label_ids, label.id]))
        _labelled(act, issue, label, "labeled")
    return issue


def remove_labels(act: Act, issue: Issue, labels: list[Label]) -> Issue:
    """Take labels off, each with its own event."""
    for label in labels:
        if label.id not in issue.label_ids:
            continue
        issue = act.world.state.put(replace(issue, label_ids=[i for i in issue.label_ids if i != label.id]))
        _labelled(act, issue, label, "unlabeled")
    return issue


def _labelled(act: Act, issue: Issue, label: Label, action: str) -> None:
    act.note(issue, action, label={"name": label.name, "color": label.color})
    send_issue(act, issue, action, label=show_label(act.world, act.repository, label))
