"""Reviews and threads as the page of a pull request shows them, and its forms for them."""

from collections import defaultdict
from dataclasses import dataclass

from aiohttp import web

from infra.hub.api.review_comments import create_review_comment, update_review_comment
from infra.hub.api.reviews import create_review
from infra.hub.api.threads import KIND, resolve_review_thread, unresolve_review_thread
from infra.hub.errors import ApiError, not_found
from infra.hub.pages.rendering import issue_path
from infra.hub.pages.visit import Visit
from infra.hub.records import Issue, Review, ReviewComment, ReviewThread
from infra.hub.shapes.users import node_id
from infra.hub.state import State


@dataclass(frozen=True, slots=True)
class Talk:
    """A thread with its comments, oldest first."""

    thread: ReviewThread
    comments: list[ReviewComment]


def reviews_to_show(state: State, issue: Issue) -> list[Review]:
    """List the reviews that say something themselves; one that is only a reply is seen in its thread."""
    talks = talks_of(state, issue)
    submitted = [review for review in state.rows(Review, issue.id) if review.submitted is not None]
    return [one for one in submitted if one.state != "COMMENTED" or one.body or one.id in talks]


def talks_of(state: State, issue: Issue) -> dict[int, list[Talk]]:
    """Map each submitted review to the threads that it began."""
    submitted = {review.id for review in state.rows(Review, issue.id) if review.submitted is not None}
    said = [one for one in state.rows(ReviewComment, issue.id) if one.review_id in submitted]
    found: defaultdict[int, list[Talk]] = defaultdict(list)
    for thread in state.rows(ReviewThread, issue.id):
        comments = [one for one in said if one.thread_id == thread.id]
        if comments:
            found[comments[0].review_id].append(Talk(thread, comments))
    return dict(found)


async def post_review(visit: Visit) -> web.Response:
    await create_review(visit.call(event=visit.typed("event") or "COMMENT", body=visit.typed("review")))
    return _back(visit)


async def post_line_comment(visit: Visit) -> web.Response:
    line = visit.typed("line")
    if not (line.isascii() and line.isdigit()):
        raise ApiError(422, "The line is a number")
    asked = visit.call(body=visit.typed("remark"), path=visit.typed("file"), side=visit.typed("side"), line=int(line))
    return _back(visit, (await create_review_comment(asked)).body["id"])


async def post_reply(visit: Visit) -> web.Response:
    thread = _thread(visit)
    first = next(one for one in visit.world.state.rows(ReviewComment, thread.issue_id) if one.thread_id == thread.id)
    answer = await create_review_comment(visit.call(body=visit.typed("reply"), in_reply_to=first.id))
    return _back(visit, answer.body["id"])


async def post_resolved(visit: Visit) -> web.Response:
    change = unresolve_review_thread if visit.typed("resolved") == "no" else resolve_review_thread
    await change(visit.call(), {"threadId": node_id(KIND, _thread(visit).id)})
    return _back(visit)


async def edit_review_comment(visit: Visit) -> web.Response:
    answer = await update_review_comment(visit.call(body=visit.typed("edited")))
    return _back(visit, answer.body["id"])


def _thread(visit: Visit) -> ReviewThread:
    """Find the thread of the path, which is the pull request's. Raises ApiError 404."""
    thread = visit.world.state.get(ReviewThread, int(visit.param("thread_id")))
    if thread is None or thread.issue_id != visit.issue(visit.repository()).id:
        raise not_found()
    return thread


def _back(visit: Visit, comment_id: int | None = None) -> web.Response:
    repository = visit.repository()
    path = issue_path(visit.issue(repository), repository)
    return visit.go(path if comment_id is None else f"{path}#discussion_r{comment_id}")
