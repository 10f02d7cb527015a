"""Review threads: GraphQL's alone, there is no REST for them.

Answers hold what Orch's documents ask for and no more, so that nothing is read here that GitHub would not send.
"""

import base64
import binascii

from infra.hub.access import find_repository
from infra.hub.api.issues import acting
from infra.hub.api.review_comments import visible
from infra.hub.call import Call
from infra.hub.errors import ApiError
from infra.hub.records import Issue, Pull, Repository, ReviewComment, ReviewThread, Role, User
from infra.hub.reviewing import Draft, Remark, add_review, comments_of, set_resolved
from infra.hub.shapes.users import node_id
from infra.hub.wire import JSON, timestamp

MOST_THREADS = 100
MOST_COMMENTS = 50
KIND = "PullRequestReviewThread"


async def review_threads(call: Call, variables: JSON) -> JSON:
    """Show a pull request's threads; `owner`, `name`, `number`."""
    repository, pull = graphql_pull(call, variables)
    call.require(repository, Role.READ, "read", "pull_requests")
    shown = [_show(call, thread, found) for thread in threads_of(call, pull) if (found := comments_in(call, thread))]
    return {"repository": {"pullRequest": {"reviewThreads": {"nodes": shown[-MOST_THREADS:]}}}}


async def resolve_review_thread(call: Call, variables: JSON) -> JSON:
    _set_resolved(call, variables, resolved=True)
    return {"resolveReviewThread": {"thread": {"isResolved": True}}}


async def answer_threads(call: Call, variables: JSON) -> JSON:
    """Answer threads, and resolve some; `thread<n>`, `body<n>` and `resolve<n>`."""
    answered: JSON = {}
    for n in range(sum(name.startswith("thread") for name in variables)):
        told = {"threadId": variables[f"thread{n}"]}
        answered[f"said{n}"] = {"comment": {"id": _reply(call, told["threadId"], variables[f"body{n}"])}}
        if variables[f"resolve{n}"]:
            _set_resolved(call, told, resolved=True)
            answered[f"done{n}"] = {"thread": {"isResolved": True}}
    return answered


async def unresolve_review_thread(call: Call, variables: JSON) -> JSON:
    _set_resolved(call, variables, resolved=False)
    return {"unresolveReviewThread": {"thread": {"isResolved": False}}}


def graphql_pull(call: Call, variables: JSON) -> tuple[Repository, Pull]:
    """Find a pull request by `owner`, `name` and `number`. Raises ApiError 404, in GraphQL's words."""
    full_name, number = f"{variables['owner']}/{variables['name']}", variables["number"]
    try:
        repository = find_repository(call.world, call.principal, variables["owner"], variables["name"])
    except ApiError as error:
        raise ApiError(404, f"Could not resolve to a Repository with the name '{full_name}'.") from error
    pull = call.state.find(Pull, str(number), repository.id)
    if pull is None:
        raise ApiError(404, f"Could not resolve to a PullRequest with the number of {number}.")
    return repository, pull


def id_of_node(kind: str, given: str) -> int:
    """Read the row's id out of a node id. Raises ApiError 404, in GraphQL's words."""
    try:
        found, _, number = base64.b64decode(given, validate=True).decode().partition(":")
        if found == kind:
            return int(number)
    except (binascii.Error, ValueError):
        pass
    raise ApiError(404, f"Could not resolve to a node with the global id of '{given}'")


def threads_of(call: Call, pull: Pull) -> list[ReviewThread]:
    return call.state.rows(ReviewThread, pull.issue_id)


def comments_in(call: Call, thread: ReviewThread) -> list[ReviewComment]:
    """List a thread's comments that the caller may see."""
    found = [one for one in call.state.rows(ReviewComment, thread.issue_id) if one.thread_id == thread.id]
    return [one for one in found if visible(call, one)]


def _find(call: Call, given: str) -> tuple[ReviewThread, Repository]:
    """Find a thread by its node id. Raises ApiError 404, in GraphQL's words."""
    thread = call.state.get(ReviewThread, id_of_node(KIND, given))
    repository = call.state.get(Repository, thread.repository_id) if thread else None
    if thread is None or repository is None:
        raise ApiError(404, f"Could not resolve to a node with the global id of '{given}'")
    return thread, repository


def _reply(call: Call, given: str, body: str) -> str:
    """Answer in a thread as a review of its own, and return the comment's node id."""
    thread, repository = _find(call, given)
    call.require(repository, Role.READ, "write", "pull_requests")
    act = acting(call, repository)
    pull = next(one for one in call.state.rows(Pull, repository.id) if one.issue_id == thread.issue_id)
    with call.state.transaction():
        draft = Draft(pull.head_sha, "COMMENT", "", [Remark(body, comments_in(call, thread)[0])])
        review = add_review(act, call.state.load(Issue, thread.issue_id), draft)
        (comment,) = comments_of(call.world, review)
    return node_id("PullRequestReviewComment", comment.id)


def _set_resolved(call: Call, variables: JSON, *, resolved: bool) -> None:
    thread, repository = _find(call, variables["threadId"])
    act = acting(call, repository)
    if call.state.load(Issue, thread.issue_id).author_id != act.user.id or act.app_id is not None:
        # For an App it takes `contents`, not `pull_requests`: https://github.com/orgs/community/discussions/44650
        call.require(repository, Role.WRITE, "write", "contents")
    with call.state.transaction():
        set_resolved(act, thread, resolved=resolved)


def _show(call: Call, thread: ReviewThread, comments: list[ReviewComment]) -> JSON:
    return {
        "id": node_id(KIND, thread.id),
        "path": thread.path,
        "line": thread.line,
        "isResolved": thread.resolved_by_id is not None,
        "isOutdated": thread.is_outdated,
        "comments": {"nodes": [_show_comment(call, thread, one) for one in comments[:MOST_COMMENTS]]},
    }


def _show_comment(call: Call, thread: ReviewThread, comment: ReviewComment) -> JSON:
    return {
        "fullDatabaseId": str(comment.id),
        "author": show_actor(call.state.get(User, comment.author_id)),
        "body": comment.body,
        "createdAt": timestamp(comment.created),
        "diffHunk": thread.hunk,
    }


def show_actor(user: User | None) -> JSON | None:
    """Show somebody as GraphQL does: a bot's login lacks the `[bot]` that REST gives it."""
    if user is None:
        return None
    return {"__typename": user.type, "login": user.login.removesuffix("[bot]"), "databaseId": user.id}
