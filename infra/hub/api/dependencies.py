"""Dependencies: what blocks an issue, and what it blocks."""

from infra.hub.api.sub_issues import begin, find_linked, page_of_linked, readable, show_linked
from infra.hub.call import Call, Route
from infra.hub.link_records import BlockedBy, Blocking
from infra.hub.linking import add_blocker, remove_blocker
from infra.hub.records import Issue
from infra.hub.wire import Answer


async def list_blocked_by(call: Call) -> Answer:
    found = call.state.rows(BlockedBy, readable(call).id)
    fresh = [call.state.load(Issue, link.blocker_id) for link in found if call.fresh_enough(link.created)]
    return page_of_linked(call, fresh)


async def list_blocking(call: Call) -> Answer:
    found = call.state.rows(Blocking, readable(call).id)
    fresh = [call.state.load(Issue, link.blocked_id) for link in found if call.fresh_enough(link.created)]
    return page_of_linked(call, fresh)


async def post_blocked_by(call: Call) -> Answer:
    """Note that the issue of the id `issue_id` blocks this one; the answer is the issue that is blocked."""
    act, issue = begin(call)
    blocker = find_linked(call, call.integer("issue_id"))
    with call.state.transaction():
        add_blocker(act, issue, blocker)
        return Answer(201, show_linked(call, issue))


async def delete_blocked_by(call: Call) -> Answer:
    """Undo a dependency; as on GitHub, one that is not there is answered the same."""
    act, issue = begin(call)
    blocker = find_linked(call, call.number("blocker_id"))
    with call.state.transaction():
        remove_blocker(act, issue, blocker)
        return Answer(200, show_linked(call, issue))


ROUTES: list[Route] = [
    ("GET", "/repos/{owner}/{repo}/issues/{number}/dependencies/blocked_by", list_blocked_by),
    ("POST", "/repos/{owner}/{repo}/issues/{number}/dependencies/blocked_by", post_blocked_by),
    ("DELETE", "/repos/{owner}/{repo}/issues/{number}/dependencies/blocked_by/{blocker_id}", delete_blocked_by),
    ("GET", "/repos/{owner}/{repo}/issues/{number}/dependencies/blocking", list_blocking),
]
