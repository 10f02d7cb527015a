"""Pull requests, as GitHub shows them."""

from infra.hub.records import Comment, Issue, Pull, Repository, ReviewComment, User
from infra.hub.rules import mergeable_state
from infra.hub.shapes.issues import issue_html_url, issue_url, show_labels
from infra.hub.shapes.repositories import api_url, show_repository
from infra.hub.shapes.users import node_id, show_user, show_user_by_id
from infra.hub.wire import JSON, maybe_timestamp, timestamp
from infra.hub.world import World

EMPTY = ("assignees", "requested_reviewers", "requested_teams")
MISSING = ("assignee", "milestone", "active_lock_reason", "auto_merge")


def show_pull_simple(world: World, repository: Repository, issue: Issue, pull: Pull) -> JSON:
    """Show a pull request as lists do."""
    return {
        "id": pull.id,
        "node_id": node_id("PullRequest", pull.id),
        "number": pull.number,
        "state": issue.state,
        "locked": False,
        "title": issue.title,
        "user": show_user(world, world.state.load(User, issue.author_id)),
        "body": issue.body,
        "created_at": timestamp(issue.created),
        "updated_at": timestamp(issue.updated),
        "closed_at": maybe_timestamp(issue.closed),
        "merged_at": maybe_timestamp(pull.merged),
        "merge_commit_sha": pull.merge_commit_sha,
        **{name: [] for name in EMPTY},
        **dict.fromkeys(MISSING),
        "labels": show_labels(world, repository, issue),
        "draft": pull.draft,
        "head": _side(world, repository, pull.head_ref, pull.head_sha),
        "base": _side(world, repository, pull.base_ref, pull.base_sha),
        "author_association": world.association(issue.author_id, repository),
        **_urls(world, repository, issue, pull),
    }


def show_pull(world: World, repository: Repository, issue: Issue, pull: Pull) -> JSON:
    """Show a pull request as its own path and webhooks do."""
    return {
        **show_pull_simple(world, repository, issue, pull),
        "merged": pull.merged is not None,
        "mergeable": pull.mergeable,
        "rebaseable": pull.mergeable,
        "mergeable_state": mergeable_state(world, repository, pull),
        "merged_by": show_user_by_id(world, pull.merged_by_id),
        "comments": world.state.count(Comment, issue.id),
        "review_comments": world.state.count(ReviewComment, issue.id),
        "maintainer_can_modify": False,
        "commits": pull.commits,
        "additions": pull.additions,
        "deletions": pull.deletions,
        "changed_files": pull.changed_files,
    }


def _side(world: World, repository: Repository, ref: str, sha: str) -> JSON:
    owner = world.state.load(User, repository.owner_id)
    return {
        "label": f"{owner.login}:{ref}",
        "ref": ref,
        "sha": sha,
        "user": show_user(world, owner),
        "repo": show_repository(world, repository),
    }


def _urls(world: World, repository: Repository, issue: Issue, pull: Pull) -> JSON:
    api = api_url(world, repository)
    url, html, as_issue = (
        f"{api}/pulls/{pull.number}",
        issue_html_url(world, repository, issue),
        issue_url(world, repository, issue),
    )
    links = {
        "comments": f"{as_issue}/comments",
        "commits": f"{url}/commits",
        "review_comments": f"{url}/comments",
        "review_comment": f"{api}/pulls/comments{{/number}}",
        "statuses": f"{api}/statuses/{pull.head_sha}",
    }
    return {
        "url": url,
        "html_url": html,
        "diff_url": f"{html}.diff",
        "patch_url": f"{html}.patch",
        "issue_url": as_issue,
        **{f"{name}_url": link for name, link in links.items()},
        "_links": {
            name: {"href": href} for name, href in (links | {"self": url, "html": html, "issue": as_issue}).items()
        },
    }
