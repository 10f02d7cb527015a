"""Sub-issues: what is under an issue, in which order, and what is above it."""

from infra.hub.access import can_see
from infra.hub.act import Act
from infra.hub.api.issues import acting
from infra.hub.call import Call, Route
from infra.hub.errors import ApiError, not_found
from infra.hub.linking import add_sub_issue, move_sub_issue, remove_sub_issue
from infra.hub.links import links_under, parent_of, sub_issues_of
from infra.hub.records import Issue, Repository, Role
from infra.hub.shapes.issues import show_issue
from infra.hub.shapes.repositories import show_repository
from infra.hub.wire import JSON, Answer


async def list_sub_issues(call: Call) -> Answer:
    issue = readable(call)
    fresh = [call.state.load(Issue, one.id) for one in links_under(call.state, issue) if call.fresh_enough(one.created)]
    return page_of_linked(call, fresh)


async def get_parent(call: Call) -> Answer:
    parent = parent_of(call.state, readable(call))
    if parent is None or not visible(call, parent):
        raise not_found()
    return Answer(200, show_linked(call, parent))


async def post_sub_issue(call: Call) -> Answer:
    """Put the issue of the id `sub_issue_id` under this one; with `replace_parent` also one that has a parent."""
    act, parent = begin(call)
    child = find_linked(call, call.integer("sub_issue_id"))
    with call.state.transaction():
        add_sub_issue(act, parent, child, replace_parent=call.flag("replace_parent"))
        return Answer(201, show_linked(call, parent))


async def delete_sub_issue(call: Call) -> Answer:
    act, parent = begin(call)
    child = _child(call, parent)
    with call.state.transaction():
        remove_sub_issue(act, parent, child)
        return Answer(200, show_linked(call, parent))


async def patch_priority(call: Call) -> Answer:
    """Move a sub-issue behind `after_id` (null: to the front) or before `before_id`, one of the two."""
    act, parent = begin(call)
    child = _child(call, parent)
    place = _place(call, [one.id for one in sub_issues_of(call.state, parent) if one.id != child.id])
    with call.state.transaction():
        move_sub_issue(act, parent, child, place)
        return Answer(200, show_linked(call, parent))


def readable(call: Call) -> Issue:
    """Find the issue of the path for somebody who may read it."""
    repository = call.repository()
    call.require(repository, Role.READ, "read", "issues")
    return call.issue(repository)


def begin(call: Call) -> tuple[Act, Issue]:
    """Find the issue of the path for somebody who may link it."""
    repository = call.repository()
    issue = call.issue(repository)
    call.require(repository, Role.TRIAGE, "write", "issues")
    return acting(call, repository), issue


def find_linked(call: Call, issue_id: int) -> Issue:
    """Find an issue of any repository by its id. Raises ApiError 404, also for one that the caller cannot see."""
    issue = call.state.get(Issue, issue_id)
    if issue is None or not visible(call, issue):
        raise not_found()
    return issue


def visible(call: Call, issue: Issue) -> bool:
    return can_see(call.world, call.principal, call.state.load(Repository, issue.repository_id))


def page_of_linked(call: Call, issues: list[Issue]) -> Answer:
    return call.page([one for one in issues if visible(call, one)], lambda one: show_linked(call, one))


def show_linked(call: Call, issue: Issue) -> JSON:
    """Show an issue with its repository, which may be another than that of the path."""
    repository = call.state.load(Repository, issue.repository_id)
    return show_issue(call.world, repository, issue) | {"repository": show_repository(call.world, repository)}


def _child(call: Call, parent: Issue) -> Issue:
    child = find_linked(call, call.integer("sub_issue_id"))
    above = parent_of(call.state, child)
    if above is None or above.id != parent.id:
        raise not_found()
    return child


def _place(call: Call, others: list[int]) -> int:
    given = [name for name in ("after_id", "before_id") if call.has(name)]
    if len(given) != 1:
        raise ApiError(422, "Invalid request.\n\nOnly one of after_id or before_id must be given.")
    name = given[0]
    if name == "after_id" and call.fields()[name] is None:
        return 0
    sibling = call.integer(name)
    if sibling not in others:
        raise ApiError(422, f"{name} is not a sub-issue of the parent issue")
    return others.index(sibling) + (name == "after_id")


ROUTES: list[Route] = [
    ("GET", "/repos/{owner}/{repo}/issues/{number}/parent", get_parent),
    ("GET", "/repos/{owner}/{repo}/issues/{number}/sub_issues", list_sub_issues),
    ("POST", "/repos/{owner}/{repo}/issues/{number}/sub_issues", post_sub_issue),
    ("DELETE", "/repos/{owner}/{repo}/issues/{number}/sub_issue", delete_sub_issue),
    ("PATCH", "/repos/{owner}/{repo}/issues/{number}/sub_issues/priority", patch_priority),
]
