"""Issues, labels, comments, reactions and issue events, as GitHub shows them."""

from infra.hub.links import dependencies_summary, parent_of, sub_issues_summary
from infra.hub.records import Comment, Issue, IssueEvent, Label, Pull, Reaction, Repository, User
from infra.hub.shapes.repositories import api_url, html_url, show_repository
from infra.hub.shapes.users import node_id, show_app_by_id, show_user, show_user_by_id
from infra.hub.wire import JSON, maybe_timestamp, timestamp
from infra.hub.world import World

CONTENTS = ("+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")
# What is in the detail of issue events about links: the id of the issue at the other end.
LINKS = ("sub_issue", "parent_issue", "blocked_by", "blocking")


def labels_of(world: World, issue: Issue) -> list[Label]:
    found = (world.state.get(Label, label_id) for label_id in issue.label_ids)
    return [label for label in found if label is not None]


def show_label(world: World, repository: Repository, label: Label) -> JSON:
    return {
        "id": label.id,
        "node_id": node_id("Label", label.id),
        "url": f"{api_url(world, repository)}/labels/{label.name}",
        "name": label.name,
        "color": label.color,
        "default": False,
        "description": label.description,
        "archived_at": None,
        "archived_by": None,
    }


def show_labels(world: World, repository: Repository, issue: Issue) -> list[JSON]:
    return [show_label(world, repository, label) for label in labels_of(world, issue)]


def issue_url(world: World, repository: Repository, issue: Issue) -> str:
    return f"{api_url(world, repository)}/issues/{issue.number}"


def issue_html_url(world: World, repository: Repository, issue: Issue) -> str:
    return f"{html_url(world, repository)}/{'pull' if issue.is_pull else 'issues'}/{issue.number}"


def show_issue(world: World, repository: Repository, issue: Issue) -> JSON:
    """Show an issue; a pull request has the key `pull_request` besides."""
    url = issue_url(world, repository, issue)
    assignees = [shown for user_id in issue.assignee_ids if (shown := show_user_by_id(world, user_id))]
    shown = {
        "url": url,
        "repository_url": api_url(world, repository),
        "labels_url": f"{url}/labels{{/name}}",
        "comments_url": f"{url}/comments",
        "events_url": f"{url}/events",
        "html_url": issue_html_url(world, repository, issue),
        "id": issue.id,
        "node_id": node_id("Issue", issue.id),
        "number": issue.number,
        "title": issue.title,
        "user": show_user(world, world.state.load(User, issue.author_id)),
        "labels": show_labels(world, repository, issue),
        "state": issue.state,
        "state_reason": issue.state_reason,
        "locked": False,
        "active_lock_reason": None,
        "assignee": assignees[0] if assignees else None,
        "assignees": assignees,
        "milestone": None,
        "comments": world.state.count(Comment, issue.id),
        "created_at": timestamp(issue.created),
        "updated_at": timestamp(issue.updated),
        "closed_at": maybe_timestamp(issue.closed),
        "author_association": world.association(issue.author_id, repository),
        "sub_issues_summary": sub_issues_summary(world.state, issue),
        "issue_dependencies_summary": dependencies_summary(world.state, issue),
        "body": issue.body,
        "closed_by": show_user_by_id(world, issue.closed_by_id),
        "reactions": show_rollup(world, issue.id, url),
        "timeline_url": f"{url}/timeline",
        "performed_via_github_app": show_app_by_id(world, issue.app_id),
    }
    if issue.is_pull:
        shown["pull_request"] = _pull_links(world, repository, issue)
        shown["draft"] = _pull(world, issue).draft
    above = parent_of(world.state, issue)
    if above is not None:
        shown["parent_issue_url"] = issue_url(world, world.state.load(Repository, above.repository_id), above)
    pinned = world.state.get(Comment, issue.pinned_comment_id) if issue.pinned_comment_id else None
    if pinned is not None:
        shown["pinned_comment"] = show_comment(world, repository, issue, pinned)
    return shown


def _pull(world: World, issue: Issue) -> Pull:
    pull = world.state.find(Pull, issue.key, issue.repository_id)
    assert pull is not None
    return pull


def _pull_links(world: World, repository: Repository, issue: Issue) -> JSON:
    html = issue_html_url(world, repository, issue)
    return {
        "url": f"{api_url(world, repository)}/pulls/{issue.number}",
        "html_url": html,
        "diff_url": f"{html}.diff",
        "patch_url": f"{html}.patch",
        "merged_at": maybe_timestamp(_pull(world, issue).merged),
    }


def show_rollup(world: World, subject_id: int, url: str) -> JSON:
    """Count the reactions to an issue or comment by content."""
    given = [reaction.content for reaction in world.state.rows(Reaction, subject_id)]
    counts = {content: given.count(content) for content in CONTENTS}
    return {"url": f"{url}/reactions", "total_count": len(given), **counts}


def show_comment(world: World, repository: Repository, issue: Issue, comment: Comment) -> JSON:
    url = f"{api_url(world, repository)}/issues/comments/{comment.id}"
    return {
        "url": url,
        "html_url": f"{issue_html_url(world, repository, issue)}#issuecomment-{comment.id}",
        "issue_url": issue_url(world, repository, issue),
        "id": comment.id,
        "node_id": node_id("IssueComment", comment.id),
        "user": show_user(world, world.state.load(User, comment.author_id)),
        "created_at": timestamp(comment.created),
        "updated_at": timestamp(comment.updated),
        "body": comment.body,
        "author_association": world.association(comment.author_id, repository),
        "reactions": show_rollup(world, comment.id, url),
        "performed_via_github_app": show_app_by_id(world, comment.app_id),
        "pin": _pin(world, comment),
    }


def _pin(world: World, comment: Comment) -> JSON | None:
    if comment.pinned is None:
        return None
    return {"pinned_at": timestamp(comment.pinned), "pinned_by": show_user_by_id(world, comment.pinned_by_id)}


def show_reaction(world: World, reaction: Reaction) -> JSON:
    return {
        "id": reaction.id,
        "node_id": node_id("Reaction", reaction.id),
        "user": show_user_by_id(world, reaction.user_id),
        "content": reaction.content,
        "created_at": timestamp(reaction.created),
    }


def show_event(world: World, repository: Repository, event: IssueEvent) -> JSON:
    """Show who did what to an issue, and when."""
    return {
        "id": event.id,
        "node_id": node_id("IssueEvent", event.id),
        "url": f"{api_url(world, repository)}/issues/events/{event.id}",
        "actor": show_user_by_id(world, event.actor_id),
        "event": event.event,
        "commit_id": None,
        "commit_url": None,
        "created_at": timestamp(event.created),
        "performed_via_github_app": show_app_by_id(world, event.app_id),
        **event.detail,
        **{name: _show_reference(world, event.detail[name]) for name in LINKS if name in event.detail},
    }


def _show_reference(world: World, issue_id: int) -> JSON | None:
    """Show the other end of a link as issue events do; nothing of an issue that is gone."""
    issue = world.state.get(Issue, issue_id)
    if issue is None:
        return None
    return {
        "number": issue.number,
        "title": issue.title,
        "state": issue.state,
        "state_reason": issue.state_reason,
        "repository": show_repository(world, world.state.load(Repository, issue.repository_id)),
        "issue_type": None,
    }
