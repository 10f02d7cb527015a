"""What people and bots do to the reviews of a pull request: each change with its webhooks.

Everything here runs inside a transaction of the caller.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from infra.hub.act import Act
from infra.hub.errors import unprocessable
from infra.hub.records import Issue, Pull, Review, ReviewComment, ReviewThread
from infra.hub.shapes.pulls import show_pull_simple
from infra.hub.shapes.reviews import show_review_comment, show_sent_review
from infra.hub.shapes.users import node_id
from infra.hub.wire import JSON
from infra.hub.world import World

STATES = {"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"}
VERBS = {"APPROVE": "approve", "REQUEST_CHANGES": "request changes on"}
PENDING = "PENDING"


@dataclass(frozen=True, slots=True)
class Remark:
    """A comment to make: where a new thread begins, or what is replied to."""

    body: str
    place: ReviewThread | ReviewComment


@dataclass(frozen=True, slots=True)
class Draft:
    """A review to write; without an event only its author will see it."""

    commit: str
    event: str | None
    body: str
    remarks: Sequence[Remark]


def check_event(act: Act, issue: Issue, event: str, body: str, remarks: int) -> None:
    """Refuse a review that GitHub refuses. Raises ApiError 422."""
    if event in VERBS and issue.author_id == act.user.id:
        raise unprocessable(f"Can not {VERBS[event]} your own pull request")
    if event != "APPROVE" and not body.strip() and not remarks:
        raise unprocessable("Review body can't be blank")


def add_review(act: Act, issue: Issue, draft: Draft) -> Review:
    """Write a review with its comments. Raises ApiError 422 while another of the same author is not submitted."""
    state = act.world.state
    if any(one.state == PENDING and one.author_id == act.user.id for one in state.rows(Review, issue.id)):
        raise unprocessable("User can only have one pending review per pull request")
    review = state.put(
        Review(
            id=state.new_id(),
            repository_id=act.repository.id,
            issue_id=issue.id,
            author_id=act.user.id,
            state=PENDING,
            body=draft.body,
            commit=draft.commit,
            app_id=act.app_id,
        )
    )
    for remark in draft.remarks:
        _add_comment(act, issue, review, remark)
    return review if draft.event is None else submit(act, issue, review, draft.event)


def submit(act: Act, issue: Issue, review: Review, event: str) -> Review:
    """Let everybody see a review; it and each of its comments is a webhook."""
    state = act.world.state
    review = state.put(replace(review, state=STATES[event], submitted=act.world.now()))
    issue = act.world.touch(issue)
    send_review(act, issue, review, "submitted")
    for comment in comments_of(act.world, review):
        send_review_comment(act, issue, comment, "created")
    return review


def comments_of(world: World, review: Review) -> list[ReviewComment]:
    return [one for one in world.state.rows(ReviewComment, review.issue_id) if one.review_id == review.id]


def dismiss(act: Act, issue: Issue, review: Review, message: str) -> Review:
    """Take back what an approval or a request for changes says."""
    before = review.state.lower()
    if before not in ("approved", "changes_requested"):
        raise unprocessable(f"Can not dismiss a {before} pull request review")
    review = act.world.state.put(replace(review, state="DISMISSED"))
    detail = {"state": before, "review_id": review.id, "dismissal_message": message}
    act.note(issue, "review_dismissed", dismissed_review=detail)
    send_review(act, act.world.touch(issue), review, "dismissed")
    return review


def remove_comment(act: Act, issue: Issue, comment: ReviewComment) -> None:
    """Delete a comment, and with the last one its thread, and its review if that says nothing else."""
    state = act.world.state
    send_review_comment(act, act.world.touch(issue), comment, "deleted")
    state.delete(comment)
    left = state.rows(ReviewComment, issue.id)
    if all(one.thread_id != comment.thread_id for one in left):
        state.delete(state.load(ReviewThread, comment.thread_id))
    review = state.load(Review, comment.review_id)
    if review.state == "COMMENTED" and not review.body and all(one.review_id != review.id for one in left):
        state.delete(review)


def set_resolved(act: Act, thread: ReviewThread, *, resolved: bool) -> ReviewThread:
    """Resolve a thread or open it again; one that is so already stays as it is."""
    if (thread.resolved_by_id is not None) is resolved:
        return thread
    thread = act.world.state.put(replace(thread, resolved_by_id=act.user.id if resolved else None))
    issue = act.world.state.load(Issue, thread.issue_id)
    comments = [one for one in act.world.state.rows(ReviewComment, issue.id) if one.thread_id == thread.id]
    shown = [show_review_comment(act.world, act.repository, issue, one) for one in comments]
    told = {"node_id": node_id("PullRequestReviewThread", thread.id), "comments": shown}
    action = "resolved" if resolved else "unresolved"
    _send(act, issue, "pull_request_review_thread", action, thread=told)
    return thread


def send_review(act: Act, issue: Issue, review: Review, action: str, **extra: Any) -> None:
    shown = show_sent_review(act.world, act.repository, issue, review)
    _send(act, issue, "pull_request_review", action, review=shown, **extra)


def send_review_comment(act: Act, issue: Issue, comment: ReviewComment, action: str, **extra: Any) -> None:
    shown = show_review_comment(act.world, act.repository, issue, comment)
    _send(act, issue, "pull_request_review_comment", action, comment=shown, **extra)


def _send(act: Act, issue: Issue, event: str, action: str, **told: JSON) -> None:
    pull = act.world.state.find(Pull, issue.key, issue.repository_id)
    assert pull is not None
    shown = show_pull_simple(act.world, act.repository, issue, pull)
    act.send(event, {"action": action, "pull_request": shown, **told})


def _add_comment(act: Act, issue: Issue, review: Review, remark: Remark) -> ReviewComment:
    state, now = act.world.state, act.world.now()
    match remark.place:
        case ReviewComment(id=replied, thread_id=thread_id):
            answered: int | None = replied
        case ReviewThread() as drawn:
            placed = replace(drawn, id=state.new_id(), repository_id=act.repository.id, issue_id=issue.id)
            answered, thread_id = None, state.put(placed).id
    return state.put(
        ReviewComment(
            id=state.new_id(),
            repository_id=act.repository.id,
            issue_id=issue.id,
            review_id=review.id,
            thread_id=thread_id,
            author_id=act.user.id,
            body=remark.body,
            created=now,
            updated=now,
            in_reply_to_id=answered,
            app_id=act.app_id,
        )
    )
