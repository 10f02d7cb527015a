"""Comments on issues and pull requests."""

from dataclasses import replace
from datetime import datetime

from infra.hub.access import actor
from infra.hub.act import Act, send_comment
from infra.hub.api.issues import acting, permissions_for
from infra.hub.call import TOO_LONG, Call, Route
from infra.hub.errors import invalid, not_found
from infra.hub.records import Comment, Issue, Reaction, Repository, Role
from infra.hub.shapes.issues import show_comment
from infra.hub.wire import Answer


async def list_comments(call: Call) -> Answer:
    repository = call.repository()
    issue = call.issue(repository)
    call.require(repository, Role.READ, "read", *permissions_for(issue))
    since = since_of(call)
    found = [c for c in call.state.rows(Comment, issue.id) if c.updated >= since and call.fresh_enough(c.created)]
    return call.page(found, lambda comment: show_comment(call.world, repository, issue, comment))


async def create_comment(call: Call) -> Answer:
    repository = call.repository()
    issue = call.issue(repository)
    call.require_voice(repository, *permissions_for(issue))
    act = acting(call, repository)
    body = call.text("IssueComment", "body", limit=TOO_LONG)
    now = call.world.now()
    with call.state.transaction():
        comment = call.state.put(
            Comment(call.state.new_id(), repository.id, issue.id, act.user.id, body, now, now, act.app_id)
        )
        issue = call.world.touch(issue)
        send_comment(act, issue, comment, "created")
        shown = show_comment(call.world, repository, issue, comment)
    return Answer(201, shown, {"Location": shown["url"]})


async def get_comment(call: Call) -> Answer:
    repository, issue, comment = find_comment(call)
    call.require(repository, Role.READ, "read", *permissions_for(issue))
    return Answer(200, show_comment(call.world, repository, issue, comment))


async def update_comment(call: Call) -> Answer:
    act, issue, comment = _begin_change(call)
    body = call.text("IssueComment", "body", limit=TOO_LONG)
    with call.state.transaction():
        if body != comment.body:
            before = comment.body
            comment = call.state.put(replace(comment, body=body, updated=call.world.now()))
            issue = call.world.touch(issue)
            send_comment(act, issue, comment, "edited", changes={"body": {"from": before}})
        return Answer(200, show_comment(call.world, act.repository, issue, comment))


async def delete_comment(call: Call) -> Answer:
    act, issue, comment = _begin_change(call)
    with call.state.transaction():
        if issue.pinned_comment_id == comment.id:
            issue = call.state.put(replace(issue, pinned_comment_id=None))
        for reaction in call.state.rows(Reaction, comment.id):
            call.state.delete(reaction)
        call.state.delete(comment)
        send_comment(act, call.world.touch(issue), comment, "deleted")
    return Answer(204)


async def pin_comment(call: Call) -> Answer:
    """Pin a comment; the one pinned before gives way."""
    act, issue, comment = _begin_pin(call)
    with call.state.transaction():
        before = call.state.get(Comment, issue.pinned_comment_id) if issue.pinned_comment_id else None
        if before is not None and before.id != comment.id:
            _set_pin(act, issue, before, pinned=False)
        if comment.pinned is None:
            comment = _set_pin(act, issue, comment, pinned=True)
        return Answer(200, show_comment(call.world, act.repository, issue, comment))


async def unpin_comment(call: Call) -> Answer:
    act, issue, comment = _begin_pin(call)
    with call.state.transaction():
        if comment.pinned is not None:
            _set_pin(act, issue, comment, pinned=False)
    return Answer(204)


def find_comment(call: Call) -> tuple[Repository, Issue, Comment]:
    """Find the comment of the path, in a repository the caller can see."""
    repository = call.repository()
    comment = call.state.get(Comment, call.number("comment_id"))
    if comment is None or comment.repository_id != repository.id:
        raise not_found()
    return repository, call.state.load(Issue, comment.issue_id), comment


def _begin_change(call: Call) -> tuple[Act, Issue, Comment]:
    repository, issue, comment = find_comment(call)
    own = call.principal.app_id is None and actor(call.principal).id == comment.author_id
    if not own:
        call.require(repository, Role.WRITE, "write", *permissions_for(issue))
    return acting(call, repository), issue, comment


def _begin_pin(call: Call) -> tuple[Act, Issue, Comment]:
    repository, issue, comment = find_comment(call)
    call.require(repository, Role.TRIAGE, "write", *permissions_for(issue))
    return acting(call, repository), issue, comment


def _set_pin(act: Act, issue: Issue, comment: Comment, *, pinned: bool) -> Comment:
    state = act.world.state
    comment = state.put(
        replace(
            comment,
            pinned=act.world.now() if pinned else None,
            pinned_by_id=act.user.id if pinned else None,
        )
    )
    issue = state.put(replace(issue, pinned_comment_id=comment.id if pinned else None))
    send_comment(act, issue, comment, "pinned" if pinned else "unpinned")
    return comment


def since_of(call: Call) -> float:
    """Read what a list of comments is to begin with. Raises ApiError 422."""
    text = call.query("since")
    if not text:
        return 0.0
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError as error:
        raise invalid("IssueComment", "since") from error


ROUTES: list[Route] = [
    ("GET", "/repos/{owner}/{repo}/issues/{number}/comments", list_comments),
    ("POST", "/repos/{owner}/{repo}/issues/{number}/comments", create_comment),
    ("GET", "/repos/{owner}/{repo}/issues/comments/{comment_id}", get_comment),
    ("PATCH", "/repos/{owner}/{repo}/issues/comments/{comment_id}", update_comment),
    ("DELETE", "/repos/{owner}/{repo}/issues/comments/{comment_id}", delete_comment),
    ("PUT", "/repos/{owner}/{repo}/issues/comments/{comment_id}/pin", pin_comment),
    ("DELETE", "/repos/{owner}/{repo}/issues/comments/{comment_id}/pin", unpin_comment),
]
