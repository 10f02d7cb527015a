"""Webhook payloads as events. A payload that does not have what its event needs is Unparsable, never half read."""

import json
import re
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from app.domain.absent import ATTRIBUTES, MODULES
from app.domain.config import FILE
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
from app.domain.facts import CutOff
from app.domain.names import Repository, TaskRef
from app.github.answers import read_actor, read_author, read_repository
from app.github.link_payloads import LINK_READERS, read_blocked, read_links
from app.github.wanted import is_read

Json = Mapping[str, Any]
_CLOSES = re.compile(r"\nCloses #([1-9][0-9]{0,9})\s*\Z")
MOST_COMMITS = 2048
"""Commits that GitHub lists in a push."""
READ = (FILE, ATTRIBUTES, MODULES)
REPOSITORY_ACTIONS = ("renamed", "transferred", "archived", "unarchived", "deleted")


def parse_webhook(name: str, body: bytes, group: str) -> Event:
    """Return what a compressed webhook body says happened; raises Unparsable."""
    try:
        payload = json.loads(zlib.decompress(body))
        return _parse(name, payload, group)
    except (AttributeError, KeyError, TypeError, ValueError, zlib.error) as error:
        raise Unparsable(f"webhook {name}: {type(error).__name__}: {error}") from error


def _parse(name: str, payload: Json, group: str) -> Event:
    action = payload.get("action")
    if not is_read(name, action):
        return Ignored(reason=f"{name} {action or ''}".strip() + " means nothing to Orch", group=group)
    return READERS[name, action](payload, group)


def _label(payload: Json, group: str) -> Event:
    if not payload.get("label"):
        return Ignored(reason="the label itself was deleted", group=group)
    task, label, actor = _task(payload), payload["label"]["name"], read_actor(payload["sender"])
    if payload["action"] == "unlabeled":
        return IssueUnlabeled(task=task, label=label, actor=actor)
    issue = payload["issue"]
    parent, blocked_by = read_links(issue)["parent"], read_blocked(issue)
    text = {"title": issue["title"], "body": issue["body"] or ""}
    return IssueLabeled(task=task, label=label, actor=actor, blocked_by=blocked_by, parent=parent, **text)


def _issue(payload: Json, group: str) -> Event:
    facts: dict[str, Any] = {"task": _task(payload), "actor": read_actor(payload["sender"])}
    facts["labels"] = tuple(label["name"] for label in payload["issue"]["labels"])
    match payload["action"]:
        case "edited":
            return IssueEdited(**facts)
        case "closed":
            return IssueClosed(**facts, **read_links(payload["issue"]))
        case "reopened":
            return IssueReopened(**facts, **read_links(payload["issue"]))
        case "deleted":
            return IssueDeleted(**facts)
        case _:
            new, installation = payload["changes"], payload["installation"]["id"]
            # Issues are only transferred between repositories of one owner, so between those of one installation.
            repository = read_repository(new["new_repository"], installation)
            return IssueTransferred(**facts, target=TaskRef(repository=repository, number=new["new_issue"]["number"]))


def _comment(payload: Json, group: str) -> Event:
    issue, comment, edited = payload["issue"], payload["comment"], payload["action"] == "edited"
    if edited and "body" not in payload["changes"]:
        return Ignored(reason="the comment says what it said", group=group)
    facts: dict[str, Any] = {
        "actor": read_actor(payload["sender"]),
        "author_id": read_author(comment["user"]).id,
        "comment_id": comment["id"],
        "body": comment["body"] or "",
        "before": payload["changes"]["body"]["from"] or "" if edited else None,
        "written_at": comment["updated_at"] if edited else comment["created_at"],
    }
    if issue.get("pull_request"):
        closes = _CLOSES.search(issue["body"] or "")
        return PullCommented(
            repository=_repository(payload),
            number=issue["number"],
            pull_author_id=read_author(issue["user"]).id,
            task_number=int(closes[1]) if closes else None,
            **facts,
        )
    text = {"title": issue["title"], "text": issue["body"] or ""}
    return Commented(task=_task(payload), blocked_by=read_blocked(issue), **text, **facts)


def _review(payload: Json, group: str) -> Event:
    review = payload["review"]
    return ReviewSubmitted(
        **_of_pull(payload),
        review_id=review["id"],
        state=review["state"].lower(),
        body=review["body"] or "",
        at=review["submitted_at"],
    )


def _checks(payload: Json, group: str) -> Event:
    """Read the end of a check suite, a workflow run or a commit status."""
    repository = _repository(payload)
    told = payload.get("check_suite") or payload.get("workflow_run")
    if told is not None:
        branches, sha = [told["head_branch"]] if told["head_branch"] else [], told["head_sha"]
    elif payload["state"] == "pending":
        return Ignored(reason="the commit status is not at its end", group=group)
    else:
        branches, sha = [branch["name"] for branch in payload["branches"]], payload["sha"]
    return ChecksEnded(repository=repository, branches=tuple(branches), sha=sha)


def _task(payload: Json) -> TaskRef:
    return TaskRef(repository=_repository(payload), number=payload["issue"]["number"])


def _pull(payload: Json, group: str) -> Event:
    pull, facts = payload["pull_request"], _of_pull(payload)
    match payload["action"]:
        case "closed":
            return PullClosed(**facts, merged=pull["merged"])
        case "reopened":
            return PullReopened(**facts)
        case "labeled" | "unlabeled" as how:
            return PullLabeled(**facts, label=payload["label"]["name"], on=how == "labeled")
        case _:
            return PullPushed(**facts, head_sha=pull["head"]["sha"])


def _of_pull(payload: Json) -> dict[str, Any]:
    pull = payload["pull_request"]
    head = pull["head"]
    return {
        "repository": _repository(payload),
        "number": pull["number"],
        "head_branch": head["ref"],
        "head_repository_id": head["repo"]["id"] if head["repo"] else None,
        "actor": read_actor(payload["sender"]),
    }


def _repository(payload: Json) -> Repository:
    return read_repository(payload["repository"], payload["installation"]["id"])


def _pushed(payload: Json, group: str) -> Event:
    """Notice pushes to the default branch, and those among them that touch what is read of it, or may unseen."""
    repository = _repository(payload)
    if payload["ref"] != f"refs/heads/{repository.default_branch}":
        return Ignored(reason=f"{payload['ref']} is not the default branch", group=group)
    unseen = payload["forced"] or payload["created"] or len(payload["commits"]) >= MOST_COMMITS
    touched = (
        path for commit in payload["commits"] for how in ("added", "modified", "removed") for path in commit[how]
    )
    if unseen or any(path in READ for path in touched):
        return ConfigPushed(repository=repository)
    return BaseMoved(repository=repository)


def _edited_repository(payload: Json, group: str) -> Event:
    if "default_branch" not in payload["changes"]:
        return Ignored(reason="the default branch is still the same", group=group)
    return ConfigPushed(repository=_repository(payload))


def _changed_repository(payload: Json, group: str) -> Event:
    match payload["action"]:
        case "archived":
            return RepositoryArchived(repository=_repository(payload))
        case "deleted":
            return RepositoryDeleted(repository=_repository(payload))
        case _:
            return RepositoryChanged(repository=_repository(payload))


def _changed_installation(payload: Json, group: str) -> Event:
    installation = payload["installation"]["id"]
    match payload["action"]:
        case "deleted":
            return InstallationCutOff(installation_id=installation, because=CutOff.REMOVED)
        case "suspend":
            return InstallationCutOff(installation_id=installation, because=CutOff.SUSPENDED)
        case _:
            return InstallationRestored(installation_id=installation)


def _fewer_repositories(payload: Json, group: str) -> Event:
    ids = tuple(repository["id"] for repository in payload["repositories_removed"])
    return RepositoriesRemoved(installation_id=payload["installation"]["id"], repository_ids=ids)


def _installed(payload: Json, group: str) -> RepositoriesAdded:
    return _added(payload, payload.get("repositories") or [])


def _more_repositories(payload: Json, group: str) -> RepositoriesAdded:
    return _added(payload, payload["repositories_added"])


def _added(payload: Json, repositories: list[Json]) -> RepositoriesAdded:
    installation = payload["installation"]["id"]
    return RepositoriesAdded(
        installation_id=installation,
        repositories=tuple(_named(installation, data) for data in repositories),
        check=True,
        new=True,
    )


def _named(installation: int, data: Json) -> Repository:
    """Read the short form of a repository, which has neither owner nor default branch."""
    owner, _, name = data["full_name"].partition("/")
    return Repository(id=data["id"], installation_id=installation, owner=owner, name=name)


# As `WANTED` has them, which the receiver asks: what is not in it is not even put on the queue.
READERS: Mapping[tuple[str, object], Callable[[Json, str], Event]] = {
    ("issues", "labeled"): _label,
    ("issues", "unlabeled"): _label,
    **{("issues", action): _issue for action in ("edited", "closed", "reopened", "transferred", "deleted")},
    **LINK_READERS,
    ("issue_comment", "created"): _comment,
    ("issue_comment", "edited"): _comment,
    **{("pull_request", action): _pull for action in ("closed", "reopened", "synchronize", "labeled", "unlabeled")},
    ("pull_request_review", "submitted"): _review,
    ("check_suite", "completed"): _checks,
    ("workflow_run", "completed"): _checks,
    ("status", None): _checks,
    ("push", None): _pushed,
    ("repository", "edited"): _edited_repository,
    **{("repository", action): _changed_repository for action in REPOSITORY_ACTIONS},
    ("installation", "created"): _installed,
    **{("installation", action): _changed_installation for action in ("deleted", "suspend", "unsuspend")},
    ("installation_repositories", "added"): _more_repositories,
    ("installation_repositories", "removed"): _fewer_repositories,
}
