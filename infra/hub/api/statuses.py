"""Commit statuses."""

from infra.hub.api.issues import acting
from infra.hub.api.repositories import find_commit
from infra.hub.call import Call, Route
from infra.hub.check_records import CommitStatus
from infra.hub.checking import set_status
from infra.hub.errors import ApiError, invalid
from infra.hub.records import Repository, Role
from infra.hub.shapes.checks import latest_statuses, show_combined_status, show_simple_status, show_status
from infra.hub.wire import Answer

RESOURCE = "Status"
STATES = ("error", "failure", "pending", "success")
DESCRIPTION_LIMIT = 140


async def create_status(call: Call) -> Answer:
    repository = call.repository()
    call.require(repository, Role.WRITE, "write", "statuses")
    act, sha = acting(call, repository), call.param("sha")
    state = call.text(RESOURCE, "state")
    if state not in STATES:
        raise invalid(RESOURCE, "state")
    description = call.maybe_text(RESOURCE, "description", limit=DESCRIPTION_LIMIT)
    commit = await find_commit(call, repository, sha)
    if commit.sha != sha:
        raise ApiError(422, f"No commit found for SHA: {sha}")
    with call.state.transaction():
        made = CommitStatus(
            id=call.state.new_id(),
            repository_id=repository.id,
            sha=sha,
            context=call.maybe_text(RESOURCE, "context") or "default",
            state=state,
            creator_id=act.user.id,
            created=call.world.now(),
            target_url=call.maybe_text(RESOURCE, "target_url"),
            description=description,
        )
        shown = show_status(call.world, repository, set_status(act, commit, made))
    return Answer(201, shown, {"Location": shown["url"]})


async def get_combined_status(call: Call) -> Answer:
    """Show the newest status of each context, and what they come to."""
    repository = _readable(call)
    sha = (await find_commit(call, repository, call.param("ref"))).sha
    return call.page(
        latest_statuses(call.world, repository, sha),
        lambda status: show_simple_status(call.world, repository, status),
        lambda shown: show_combined_status(call.world, repository, sha, shown),
    )


async def list_statuses(call: Call) -> Answer:
    """List every status of a commit, newest first."""
    repository = _readable(call)
    sha = (await find_commit(call, repository, call.request.match_info.get("ref") or call.param("sha"))).sha
    found = call.state.rows(CommitStatus, repository.id, sha)
    return call.page(found[::-1], lambda status: show_status(call.world, repository, status))


def _readable(call: Call) -> Repository:
    repository = call.repository()
    call.require(repository, Role.READ, "read", "statuses")
    return repository


ROUTES: list[Route] = [
    ("POST", "/repos/{owner}/{repo}/statuses/{sha}", create_status),
    ("GET", "/repos/{owner}/{repo}/statuses/{sha}", list_statuses),
    ("GET", "/repos/{owner}/{repo}/commits/{ref:.+}/status", get_combined_status),
    ("GET", "/repos/{owner}/{repo}/commits/{ref:.+}/statuses", list_statuses),
]
