"""Reviews of pull requests."""

from dataclasses import replace
from typing import Any

from infra.hub.access import actor
from infra.hub.act import Act
from infra.hub.api.issues import acting
from infra.hub.api.pulls import find_pull, issue_of
from infra.hub.call import TOO_LONG, Call, Route
from infra.hub.errors import ApiError, invalid, not_found, unprocessable
from infra.hub.patches import Anchor
from infra.hub.placing import WHOLE_FILE, Diff, diff_of
from infra.hub.records import Issue, Pull, Repository, Review, Role
from infra.hub.reviewing import (
    PENDING,
    STATES,
    Draft,
    Remark,
    add_review,
    check_event,
    comments_of,
    dismiss,
    send_review,
    submit,
)
from infra.hub.shapes.reviews import show_review, show_review_comment
from infra.hub.wire import Answer

RESOURCE = "PullRequestReview"


async def list_reviews(call: Call) -> Answer:
    repository, pull = readable_pull(call)
    issue = issue_of(call, pull)
    found = [one for one in call.state.rows(Review, pull.issue_id) if _visible(call, one)]
    fresh = [one for one in found if one.submitted is None or call.fresh_enough(one.submitted)]
    return call.page(fresh, lambda review: show_review(call.world, repository, issue, review))


async def create_review(call: Call) -> Answer:
    """Submit a review with its comments, all or nothing; without an event it waits to be submitted."""
    act, pull = begin_review(call)
    body, event = call.maybe_text(RESOURCE, "body", limit=TOO_LONG) or "", _event(call)
    issue, given = issue_of(call, pull), call.fields().get("comments") or []
    if event is not None:
        check_event(act, issue, event, body, len(given))
    diff = await diff_of(call.world.git(act.repository), pull, await commit_given(call, act.repository, pull))
    draft = Draft(diff.commit, event, body, [_remark(diff, one) for one in given])
    with call.state.transaction():
        review = add_review(act, issue, draft)
        return Answer(200, show_review(call.world, act.repository, issue, review))


async def get_review(call: Call) -> Answer:
    repository, issue, review = _find_review(call)
    return Answer(200, show_review(call.world, repository, issue, review))


async def update_review(call: Call) -> Answer:
    _, issue, review = _find_review(call)
    act = _begin_change(call, review)
    body = call.text(RESOURCE, "body", limit=TOO_LONG)
    with call.state.transaction():
        if body != review.body:
            before = review.body
            review = call.state.put(replace(review, body=body))
            if review.submitted is not None:
                send_review(act, call.world.touch(issue), review, "edited", changes={"body": {"from": before}})
        return Answer(200, show_review(call.world, act.repository, issue, review))


async def delete_review(call: Call) -> Answer:
    """Drop a review that was not submitted."""
    repository, issue, review = _find_review(call)
    _begin_change(call, review)
    if review.state != PENDING:
        raise unprocessable("Can not delete a non-pending pull request review")
    with call.state.transaction():
        for comment in comments_of(call.world, review):
            call.state.delete(comment)
        call.state.delete(review)
        return Answer(200, show_review(call.world, repository, issue, review))


async def submit_review(call: Call) -> Answer:
    repository, issue, review = _find_review(call)
    act = _begin_change(call, review)
    body, event = call.maybe_text(RESOURCE, "body", limit=TOO_LONG) or review.body, _event(call)
    if event is None:
        raise invalid(RESOURCE, "event", "missing_field")
    if review.state != PENDING:
        raise unprocessable("Can not submit a non-pending pull request review")
    check_event(act, issue, event, body, len(comments_of(call.world, review)))
    with call.state.transaction():
        review = submit(act, issue, replace(review, body=body), event)
        return Answer(200, show_review(call.world, repository, issue, review))


async def dismiss_review(call: Call) -> Answer:
    repository, issue, review = _find_review(call)
    call.require(repository, Role.WRITE, "write", "pull_requests")
    act, message = acting(call, repository), call.text(RESOURCE, "message")
    with call.state.transaction():
        review = dismiss(act, issue, review, message)
        return Answer(200, show_review(call.world, repository, issue, review))


async def list_comments_of_review(call: Call) -> Answer:
    repository, issue, review = _find_review(call)
    return call.page(
        comments_of(call.world, review), lambda one: show_review_comment(call.world, repository, issue, one)
    )


def readable_pull(call: Call) -> tuple[Repository, Pull]:
    repository = call.repository()
    call.require(repository, Role.READ, "read", "pull_requests")
    return repository, find_pull(call, repository)


def begin_review(call: Call) -> tuple[Act, Pull]:
    """Begin to say something about a pull request: everybody who reads may, and an App that writes them."""
    repository, pull = readable_pull(call)
    call.require(repository, Role.READ, "write", "pull_requests")
    return acting(call, repository), pull


async def commit_given(call: Call, repository: Repository, pull: Pull) -> str | None:
    """Take `commit_id`, which must be one of the pull request's commits. Raises ApiError 422."""
    commit = call.maybe_text(RESOURCE, "commit_id")
    if commit is None or commit == pull.head_sha:
        return commit
    known = await call.world.git(repository).commits_between(pull.base_sha, pull.head_sha)
    if commit not in {one.sha for one in known}:
        raise invalid(RESOURCE, "commit_id", "custom", "commit_id is not part of the pull request")
    return commit


def find_anchor(diff: Diff, given: dict[str, Any]) -> Anchor | None:
    """Find the line that `line` and `side`, or `position`, say; None if it is not in the diff."""
    path, line, position = given.get("path"), given.get("line"), given.get("position")
    if isinstance(path, str) and isinstance(line, int):
        return diff.at_line(path, str(given.get("side") or "RIGHT"), line)
    if isinstance(path, str) and isinstance(position, int):
        return diff.at_position(path, position)
    return WHOLE_FILE if given.get("subject_type") == "file" and path in diff.patches else None


def _remark(diff: Diff, given: Any) -> Remark:
    if not isinstance(given, dict):
        raise ApiError(422, "Invalid request.\n\nFor 'items', an object is wanted.")
    path, body = given.get("path"), given.get("body")
    if not isinstance(body, str) or not body.strip():
        raise unprocessable("Pull request review comment body can't be blank")
    if path not in diff.patches:
        raise unprocessable("Path could not be resolved")
    anchor = find_anchor(diff, given)
    if anchor is None:
        raise unprocessable(f"{'Position' if 'position' in given else 'Line'} could not be resolved")
    return Remark(body, diff.thread(path, anchor))


def _event(call: Call) -> str | None:
    event = call.maybe_text(RESOURCE, "event")
    if event in (None, ""):
        return None
    if event not in STATES:
        raise ApiError(422, f"Invalid request.\n\nFor 'properties/event', {event!r} is not one of {list(STATES)}.")
    return event


def _find_review(call: Call) -> tuple[Repository, Issue, Review]:
    repository, pull = readable_pull(call)
    review = call.state.get(Review, call.number("review_id"))
    if review is None or review.issue_id != pull.issue_id or not _visible(call, review):
        raise not_found()
    return repository, issue_of(call, pull), review


def _begin_change(call: Call, review: Review) -> Act:
    repository = call.repository()
    if actor(call.principal).id != review.author_id:
        raise ApiError(403, "You cannot change a review of somebody else")
    call.require(repository, Role.READ, "write", "pull_requests")
    return acting(call, repository)


def _visible(call: Call, review: Review) -> bool:
    me = call.principal.user.id if call.principal.user else None
    return review.submitted is not None or review.author_id == me


PULL = "/repos/{owner}/{repo}/pulls/{number}"

ROUTES: list[Route] = [
    ("GET", f"{PULL}/reviews", list_reviews),
    ("POST", f"{PULL}/reviews", create_review),
    ("GET", f"{PULL}/reviews/{{review_id}}", get_review),
    ("PUT", f"{PULL}/reviews/{{review_id}}", update_review),
    ("DELETE", f"{PULL}/reviews/{{review_id}}", delete_review),
    ("POST", f"{PULL}/reviews/{{review_id}}/events", submit_review),
    ("PUT", f"{PULL}/reviews/{{review_id}}/dismissals", dismiss_review),
    ("GET", f"{PULL}/reviews/{{review_id}}/comments", list_comments_of_review),
]
