"""Comments on lines and files of a pull request."""

from dataclasses import replace

from infra.hub.access import actor
from infra.hub.act import Act
from infra.hub.api.issues import acting
from infra.hub.api.pulls import issue_of
from infra.hub.api.reviews import begin_review, commit_given, find_anchor, readable_pull
from infra.hub.call import TOO_LONG, Call, Route
from infra.hub.errors import ApiError, invalid, not_found
from infra.hub.placing import diff_of
from infra.hub.records import Issue, Pull, Reaction, Repository, Review, ReviewComment, Role
from infra.hub.reviewing import Draft, Remark, add_review, comments_of, remove_comment, send_review_comment
from infra.hub.shapes.reviews import show_review_comment
from infra.hub.wire import Answer

RESOURCE = "PullRequestReviewComment"


async def list_review_comments(call: Call) -> Answer:
    repository, pull = readable_pull(call)
    issue = issue_of(call, pull)
    found = [one for one in call.state.rows(ReviewComment, pull.issue_id) if visible(call, one)]
    fresh = [one for one in found if call.fresh_enough(one.created)]
    return call.page(fresh, lambda comment: show_review_comment(call.world, repository, issue, comment))


async def create_review_comment(call: Call) -> Answer:
    """Comment on a line, or reply to `in_reply_to`; either is a review of its own, as on GitHub."""
    act, pull = begin_review(call)
    body = call.text(RESOURCE, "body", limit=TOO_LONG)
    replied = call.fields().get("in_reply_to")
    if replied is not None:
        return _answer(call, act, pull, _replied(call, pull, replied), body)
    path = call.text(RESOURCE, "path")
    diff = await diff_of(call.world.git(act.repository), pull, await commit_given(call, act.repository, pull))
    anchor = find_anchor(diff, call.fields())
    if anchor is None:
        raise _not_in_diff(call.has("position") and not call.has("line"))
    return _made(call, act, pull, diff.commit, Remark(body, diff.thread(path, anchor)))


async def reply(call: Call) -> Answer:
    act, pull = begin_review(call)
    replied = _replied(call, pull, call.number("comment_id"))
    return _answer(call, act, pull, replied, call.text(RESOURCE, "body", limit=TOO_LONG))


async def get_review_comment(call: Call) -> Answer:
    repository, issue, comment = find_review_comment(call)
    call.require(repository, Role.READ, "read", "pull_requests")
    return Answer(200, show_review_comment(call.world, repository, issue, comment))


async def update_review_comment(call: Call) -> Answer:
    act, issue, comment = _begin_change(call)
    body = call.text(RESOURCE, "body", limit=TOO_LONG)
    with call.state.transaction():
        if body != comment.body:
            before = comment.body
            comment = call.state.put(replace(comment, body=body, updated=call.world.now()))
            issue = call.world.touch(issue)
            if call.state.load(Review, comment.review_id).submitted is not None:
                send_review_comment(act, issue, comment, "edited", changes={"body": {"from": before}})
        return Answer(200, show_review_comment(call.world, act.repository, issue, comment))


async def delete_review_comment(call: Call) -> Answer:
    act, issue, comment = _begin_change(call)
    with call.state.transaction():
        for reaction in call.state.rows(Reaction, comment.id):
            call.state.delete(reaction)
        remove_comment(act, issue, comment)
    return Answer(204)


def find_review_comment(call: Call) -> tuple[Repository, Issue, ReviewComment]:
    """Find the comment of the path, in a repository the caller can see."""
    repository = call.repository()
    comment = call.state.get(ReviewComment, call.number("comment_id"))
    if comment is None or comment.repository_id != repository.id or not visible(call, comment):
        raise not_found()
    return repository, call.state.load(Issue, comment.issue_id), comment


def visible(call: Call, comment: ReviewComment) -> bool:
    """Tell whether the caller may see a comment: of a review not yet submitted, only his own."""
    me = call.principal.user.id if call.principal.user else None
    return comment.author_id == me or call.state.load(Review, comment.review_id).submitted is not None


def _answer(call: Call, act: Act, pull: Pull, replied: ReviewComment, body: str) -> Answer:
    return _made(call, act, pull, pull.head_sha, Remark(body, replied))


def _made(call: Call, act: Act, pull: Pull, commit: str, remark: Remark) -> Answer:
    with call.state.transaction():
        issue = issue_of(call, pull)
        review = add_review(act, issue, Draft(commit, "COMMENT", "", [remark]))
        (comment,) = comments_of(call.world, review)
        shown = show_review_comment(call.world, act.repository, issue, comment)
    return Answer(201, shown, {"Location": shown["url"]})


def _replied(call: Call, pull: Pull, comment_id: object) -> ReviewComment:
    """Find the comment to reply to, the first that is left of its thread. Raises ApiError 404 or 422."""
    comment = call.state.get(ReviewComment, comment_id) if isinstance(comment_id, int) else None
    if comment is None or comment.issue_id != pull.issue_id or not visible(call, comment):
        raise not_found()
    if comment.in_reply_to_id is not None and call.state.get(ReviewComment, comment.in_reply_to_id):
        raise invalid(RESOURCE, "in_reply_to")
    return comment


def _not_in_diff(by_position: bool) -> ApiError:
    field = "position" if by_position else "pull_request_review_thread.line"
    refused = {"resource": RESOURCE, "code": "custom", "field": field, "message": f"{field} must be part of the diff"}
    hunk = {"resource": RESOURCE, "code": "missing_field", "field": "pull_request_review_thread.diff_hunk"}
    return ApiError(422, "Validation Failed", [refused, hunk])


def _begin_change(call: Call) -> tuple[Act, Issue, ReviewComment]:
    repository, issue, comment = find_review_comment(call)
    own = call.principal.app_id is None and actor(call.principal).id == comment.author_id
    if not own:
        call.require(repository, Role.WRITE, "write", "pull_requests")
    return acting(call, repository), issue, comment


ROUTES: list[Route] = [
    ("GET", "/repos/{owner}/{repo}/pulls/{number}/comments", list_review_comments),
    ("POST", "/repos/{owner}/{repo}/pulls/{number}/comments", create_review_comment),
    ("POST", "/repos/{owner}/{repo}/pulls/{number}/comments/{comment_id}/replies", reply),
    ("GET", "/repos/{owner}/{repo}/pulls/comments/{comment_id}", get_review_comment),
    ("PATCH", "/repos/{owner}/{repo}/pulls/comments/{comment_id}", update_review_comment),
    ("DELETE", "/repos/{owner}/{repo}/pulls/comments/{comment_id}", delete_review_comment),
]
