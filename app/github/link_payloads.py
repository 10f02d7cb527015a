"""Webhook payloads about links between issues. GitHub tells each end of a link in a payload of its own."""

from collections.abc import Callable, Mapping
from typing import Any

from app.domain.events import BlockersChanged, BlockingChanged, Event, ParentChanged, SubIssuesChanged
from app.domain.names import TaskRef
from app.github.answers import Json, read_author, read_repository


def read_links(issue: Json) -> Mapping[str, Any]:
    """Return how an issue was closed or opened, how many it blocks, and its parent if that is in its repository."""
    home, _, parent = str(issue.get("parent_issue_url") or "").rpartition("/issues/")
    is_beside = home != "" and home == issue.get("repository_url")
    return {
        "state_reason": issue.get("state_reason"),
        "blocking": (issue.get("issue_dependencies_summary") or {}).get("total_blocking", 0),
        "parent": int(parent) if is_beside else None,
    }


def read_blocked(issue: Json) -> int | None:
    """Return how many issues block an issue, closed ones too; None if GitHub does not tell."""
    count: int | None = (issue.get("issue_dependencies_summary") or {}).get("total_blocked_by")
    return count


def _children(payload: Json, group: str) -> Event:
    added = payload["action"] == "sub_issue_added"
    return SubIssuesChanged(**_own(payload, "parent_issue"), child=_other(payload, "sub_issue"), added=added)


def _parent(payload: Json, group: str) -> Event:
    added = payload["action"] == "parent_issue_added"
    return ParentChanged(**_own(payload, "sub_issue"), parent=_other(payload, "parent_issue"), added=added)


def _blockers(payload: Json, group: str) -> Event:
    return BlockersChanged(**_own(payload, "blocked_issue"))


def _blocked(payload: Json, group: str) -> Event:
    return BlockingChanged(**_own(payload, "blocking_issue"), blocked=_other(payload, "blocked_issue"))


def _own(payload: Json, end: str) -> dict[str, Any]:
    repository = read_repository(payload["repository"], payload["installation"]["id"])
    task = TaskRef(repository=repository, number=payload[end]["number"])
    # A link is a fact: it counts though nobody may be named as its maker.
    return {"task": task, "actor": read_author(payload.get("sender"))}


def _other(payload: Json, end: str) -> TaskRef:
    repository = read_repository(payload[f"{end}_repo"], payload["installation"]["id"])
    return TaskRef(repository=repository, number=payload[end]["number"])


LINK_READERS: Mapping[tuple[str, object], Callable[[Json, str], Event]] = {
    **{("sub_issues", f"sub_issue_{how}"): _children for how in ("added", "removed")},
    **{("sub_issues", f"parent_issue_{how}"): _parent for how in ("added", "removed")},
    **{("issue_dependencies", f"blocked_by_{how}"): _blockers for how in ("added", "removed")},
    **{("issue_dependencies", f"blocking_{how}"): _blocked for how in ("added", "removed")},
}
