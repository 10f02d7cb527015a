"""What GitHub sends: the payloads of webhooks, by GitHub's own names, as far as anybody could read them here."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from app.domain.names import Repository
from tests.simulation.rows import CommentRow, IssueRow, Person, PullRow

API = "https://api.github.com"
Json = dict[str, Any]


def stamp(moment: datetime) -> str:
    """Write a time as GitHub does, in whole seconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def show_person(person: Person) -> Json:
    return {"id": person.id, "login": person.login, "type": "Bot" if person.is_bot else "User"}


def show_repository(repository: Repository) -> Json:
    return {
        "id": repository.id,
        "name": repository.name,
        "full_name": repository.full_name,
        "owner": {"id": 1, "login": repository.owner, "type": "Organization"},
        "default_branch": repository.default_branch,
        "url": f"{API}/repos/{repository.full_name}",
        "private": True,
    }


def issue_url(repository: Repository, number: int) -> str:
    return f"{API}/repos/{repository.full_name}/issues/{number}"


def show_issue(repository: Repository, row: IssueRow, summaries: Json, comments: int) -> Json:
    """Show an issue; `summaries` are those of its links."""
    parent = None if row.parent is None else issue_url(repository, row.parent)
    return {
        "id": row.id,
        "number": row.number,
        "url": issue_url(repository, row.number),
        "repository_url": f"{API}/repos/{repository.full_name}",
        "title": row.title,
        "body": row.body or None,
        "user": show_person(row.author),
        "labels": [{"name": label} for label in row.labels],
        "state": "open" if row.is_open else "closed",
        "state_reason": row.state_reason,
        "comments": comments,
        "created_at": stamp(row.created),
        "updated_at": stamp(row.updated),
        "parent_issue_url": parent,
        **summaries,
    }


def summarise(children: Sequence[IssueRow], blockers: Sequence[IssueRow], blocked: Sequence[IssueRow]) -> Json:
    """Count an issue's links: of dependencies the open ones, and all."""
    completed = sum(not child.is_open for child in children)
    percent = 100 * completed // len(children) if children else 0
    return {
        "sub_issues_summary": {"total": len(children), "completed": completed, "percent_completed": percent},
        "issue_dependencies_summary": {
            "blocked_by": sum(one.is_open for one in blockers),
            "total_blocked_by": len(blockers),
            "blocking": sum(one.is_open for one in blocked),
            "total_blocking": len(blocked),
        },
    }


def show_pull_as_issue(repository: Repository, row: PullRow, comments: int) -> Json:
    """Show a pull request as a comment on it does."""
    return {
        "id": row.id,
        "number": row.number,
        "title": row.title,
        "body": row.body,
        "user": show_person(row.author),
        "labels": [{"name": label} for label in row.labels],
        "state": "open" if row.is_open else "closed",
        "comments": comments,
        "pull_request": {"url": f"{API}/repos/{repository.full_name}/pulls/{row.number}"},
    }


def show_pull(repository: Repository, row: PullRow) -> Json:
    repo = show_repository(repository)
    return {
        "id": row.id,
        "number": row.number,
        "title": row.title,
        "body": row.body,
        "user": show_person(row.author),
        "labels": [{"name": label} for label in row.labels],
        "state": "open" if row.is_open else "closed",
        "merged": row.merged,
        "draft": False,
        "head": {"ref": row.branch, "sha": row.head, "repo": repo},
        "base": {"ref": row.base, "repo": repo},
    }


def show_comment(row: CommentRow) -> Json:
    return {
        "id": row.id,
        "user": show_person(row.author),
        "body": row.body,
        "created_at": stamp(row.created),
        "updated_at": stamp(row.edited),
    }
