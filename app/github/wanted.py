"""Which webhooks mean something to Orch, apart from their readers: what takes deliveries knows no more of them."""

from collections.abc import Mapping

WANTED: Mapping[str, frozenset[str | None]] = {
    "issues": frozenset({"labeled", "unlabeled", "edited", "closed", "reopened", "transferred", "deleted"}),
    "sub_issues": frozenset(
        {"sub_issue_added", "sub_issue_removed", "parent_issue_added", "parent_issue_removed"},
    ),
    "issue_dependencies": frozenset(
        {"blocked_by_added", "blocked_by_removed", "blocking_added", "blocking_removed"},
    ),
    "issue_comment": frozenset({"created", "edited"}),
    "pull_request": frozenset({"closed", "reopened", "synchronize", "labeled", "unlabeled"}),
    "pull_request_review": frozenset({"submitted"}),
    "check_suite": frozenset({"completed"}),
    "workflow_run": frozenset({"completed"}),
    "status": frozenset({None}),
    "push": frozenset({None}),
    "repository": frozenset({"edited", "renamed", "transferred", "archived", "unarchived", "deleted"}),
    "installation": frozenset({"created", "deleted", "suspend", "unsuspend"}),
    "installation_repositories": frozenset({"added", "removed"}),
}
"""The actions per event; None for an event without one."""


def is_read(name: str, action: object) -> bool:
    """Say whether an event with that action (None if it has none) can mean anything to Orch."""
    return isinstance(action, str | None) and action in WANTED.get(name, ())
