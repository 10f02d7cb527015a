"""What happened to issues and pull requests, in the one order in which it happened; for tests that check an order."""

from infra.hub.call import Call, Route
from infra.hub.errors import ApiError
from infra.hub.records import Issue, IssueEvent, Repository, User
from infra.hub.shapes.issues import LINKS
from infra.hub.wire import JSON, Answer


async def list_events(call: Call) -> Answer:
    """List all repositories' openings and issue events whose id is above `since`, oldest first.

    What was deleted or transferred is not listed.
    """
    since = call.query("since", "0")
    if not (since.isascii() and since.isdigit()):
        raise ApiError(422, "since is the id of an event")
    found: list[Issue | IssueEvent] = [*call.state.after(Issue, int(since)), *call.state.after(IssueEvent, int(since))]
    shown = [_show(call, one) for one in sorted(found, key=lambda one: one.id)]
    return Answer(200, [one for one in shown if one is not None])


def _show(call: Call, what: Issue | IssueEvent) -> JSON | None:
    issue = what if isinstance(what, Issue) else call.state.get(Issue, what.issue_id)
    if issue is None:
        return None
    return {
        "id": what.id,
        "at": what.created,
        "event": "opened" if isinstance(what, Issue) else what.event,
        "repository": call.state.load(Repository, issue.repository_id).full_name,
        "number": issue.number,
        "is_pull": issue.is_pull,
        "actor": call.state.load(User, what.author_id if isinstance(what, Issue) else what.actor_id).login,
        **({} if isinstance(what, Issue) else _detail(call, what)),
    }


def _detail(call: Call, event: IssueEvent) -> JSON:
    """Show an event's detail, with the number of a linked issue in place of its id."""
    linked = {name: call.state.get(Issue, event.detail[name]) for name in LINKS if name in event.detail}
    return {**event.detail, **{name: one.number if one else None for name, one in linked.items()}}


ROUTES: list[Route] = [("GET", "/_hub/events", list_events)]
