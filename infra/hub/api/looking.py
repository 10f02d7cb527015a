"""What is asked by somebody who may have missed a webhook: all comments of a repository, when a text was changed."""

from infra.hub.access import find_repository
from infra.hub.api.comments import since_of
from infra.hub.call import Call, Route
from infra.hub.errors import ApiError
from infra.hub.records import Comment, Issue, IssueEvent, Repository, Role
from infra.hub.shapes.issues import show_comment
from infra.hub.wire import JSON, Answer, maybe_timestamp, timestamp

ORDERS = {"created": "created", "updated": "updated"}


async def list_repository_comments(call: Call) -> Answer:
    """List the comments on issues and pull requests; by their ids, unless `sort` says otherwise."""
    repository = call.repository()
    call.require(repository, Role.READ, "read", "issues", "pull_requests")
    since = since_of(call)
    found = [
        (issue, comment)
        for issue in call.state.rows(Issue, repository.id)
        for comment in call.state.rows(Comment, issue.id)
        if comment.updated >= since and call.fresh_enough(comment.created)
    ]
    order = ORDERS.get(call.query("sort", ""), "id")
    found.sort(key=lambda one: getattr(one[1], order), reverse=call.query("direction", "") == "desc" and order != "id")
    return call.page(found, lambda one: show_comment(call.world, repository, *one))


async def issue_text(call: Call, variables: JSON) -> JSON:
    """Tell when an issue's body and title were changed last; `owner`, `name`, `number`."""
    repository = find_repository(call.world, call.principal, variables["owner"], variables["name"])
    call.require(repository, Role.READ, "read", "issues")
    issue = find_graphql_issue(call, repository, int(variables["number"]))
    renamed = [one for one in call.state.rows(IssueEvent, issue.id) if one.event == "renamed"]
    shown = {
        "lastEditedAt": maybe_timestamp(issue.body_edited),
        "timelineItems": {"nodes": [{"createdAt": timestamp(one.created)} for one in renamed[-1:]]},
    }
    return {"repository": {"issue": shown}}


def find_graphql_issue(call: Call, repository: Repository, number: int) -> Issue:
    """Find an issue that is no pull request. Raises ApiError 404, in GraphQL's words."""
    found = call.state.find(Issue, str(number), repository.id)
    if found is None or found.is_pull:
        raise ApiError(404, f"Could not resolve to an Issue with the number of {number}.")
    return found


ROUTES: list[Route] = [("GET", "/repos/{owner}/{repo}/issues/comments", list_repository_comments)]
