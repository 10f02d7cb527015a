"""Reactions to issues and comments."""

from infra.hub.api.comments import find_comment
from infra.hub.api.issues import acting, permissions_for
from infra.hub.api.review_comments import find_review_comment
from infra.hub.call import Call, Route
from infra.hub.errors import invalid, not_found
from infra.hub.records import Issue, Reaction, Repository, Role
from infra.hub.shapes.issues import CONTENTS, show_reaction
from infra.hub.wire import Answer


async def list_issue_reactions(call: Call) -> Answer:
    repository = call.repository()
    issue = call.issue(repository)
    return _list(call, repository, issue, issue.id)


async def list_comment_reactions(call: Call) -> Answer:
    repository, issue, comment = find_comment(call)
    return _list(call, repository, issue, comment.id)


async def list_review_comment_reactions(call: Call) -> Answer:
    repository, issue, comment = find_review_comment(call)
    return _list(call, repository, issue, comment.id)


async def react_to_issue(call: Call) -> Answer:
    repository = call.repository()
    issue = call.issue(repository)
    return _react(call, repository, issue, issue.id)


async def react_to_comment(call: Call) -> Answer:
    repository, issue, comment = find_comment(call)
    return _react(call, repository, issue, comment.id)


async def react_to_review_comment(call: Call) -> Answer:
    repository, issue, comment = find_review_comment(call)
    return _react(call, repository, issue, comment.id)


async def delete_issue_reaction(call: Call) -> Answer:
    repository = call.repository()
    issue = call.issue(repository)
    return _delete(call, repository, issue, issue.id)


async def delete_comment_reaction(call: Call) -> Answer:
    repository, issue, comment = find_comment(call)
    return _delete(call, repository, issue, comment.id)


async def delete_review_comment_reaction(call: Call) -> Answer:
    repository, issue, comment = find_review_comment(call)
    return _delete(call, repository, issue, comment.id)


def _list(call: Call, repository: Repository, issue: Issue, subject_id: int) -> Answer:
    call.require(repository, Role.READ, "read", *permissions_for(issue))
    wanted = call.query("content")
    found = [r for r in call.state.rows(Reaction, subject_id) if wanted in ("", r.content)]
    return call.page(found, lambda reaction: show_reaction(call.world, reaction))


def _react(call: Call, repository: Repository, issue: Issue, subject_id: int) -> Answer:
    """Answer 201 for a new reaction, 200 for one that is there already."""
    call.require_voice(repository, *permissions_for(issue))
    act = acting(call, repository)
    content = call.text("Reaction", "content")
    if content not in CONTENTS:
        raise invalid("Reaction", "content")
    found = call.state.find(Reaction, f"{act.user.id}/{content}", subject_id)
    if found is not None:
        return Answer(200, show_reaction(call.world, found))
    with call.state.transaction():
        reaction = Reaction(call.state.new_id(), subject_id, act.user.id, content, call.world.now())
        return Answer(201, show_reaction(call.world, call.state.put(reaction)))


def _delete(call: Call, repository: Repository, issue: Issue, subject_id: int) -> Answer:
    reaction = call.state.get(Reaction, call.number("reaction_id"))
    if reaction is None or reaction.subject_id != subject_id:
        raise not_found()
    if reaction.user_id != call.actor.id:
        call.require(repository, Role.WRITE, "write", *permissions_for(issue))
    with call.state.transaction():
        call.state.delete(reaction)
    return Answer(204)


REVIEW_COMMENT = "/repos/{owner}/{repo}/pulls/comments/{comment_id}"

ROUTES: list[Route] = [
    ("GET", "/repos/{owner}/{repo}/issues/{number}/reactions", list_issue_reactions),
    ("POST", "/repos/{owner}/{repo}/issues/{number}/reactions", react_to_issue),
    ("DELETE", "/repos/{owner}/{repo}/issues/{number}/reactions/{reaction_id}", delete_issue_reaction),
    ("GET", "/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions", list_comment_reactions),
    ("POST", "/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions", react_to_comment),
    ("DELETE", "/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions/{reaction_id}", delete_comment_reaction),
    ("GET", f"{REVIEW_COMMENT}/reactions", list_review_comment_reactions),
    ("POST", f"{REVIEW_COMMENT}/reactions", react_to_review_comment),
    ("DELETE", f"{REVIEW_COMMENT}/reactions/{{reaction_id}}", delete_review_comment_reaction),
]
