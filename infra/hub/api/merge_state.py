"""What GraphQL alone tells of merges, and the merge queue, which is GraphQL's alone."""

from infra.hub.access import find_repository
from infra.hub.api.issues import acting
from infra.hub.api.pulls import with_mergeable
from infra.hub.api.threads import graphql_pull, id_of_node
from infra.hub.call import Call
from infra.hub.errors import ApiError
from infra.hub.queue import enter, entry_of, leave
from infra.hub.records import Issue, Pull, Repository, Role
from infra.hub.rules import asked_of, hindrances, mergeable_state, protections_of, review_decision
from infra.hub.shapes.users import node_id
from infra.hub.wire import JSON

ALLOWED = ("squashMergeAllowed", "mergeCommitAllowed", "rebaseMergeAllowed")
MOVED = "Head sha didn't match expected head oid."


async def merge_view(call: Call, variables: JSON) -> JSON:
    """Show what stands between a pull request and its merge; `owner`, `name`, `number`."""
    repository, pull = graphql_pull(call, variables)
    call.require(repository, Role.READ, "read", "pull_requests", "contents")
    if call.state.load(Issue, pull.issue_id).state == "open" and pull.mergeable is None:
        pull = await with_mergeable(call, repository, pull)
    shown = {
        "id": node_id("PullRequest", pull.id),
        "headRefOid": pull.head_sha,
        "isDraft": pull.draft,
        "reviewDecision": review_decision(call.world, repository, pull),
        "mergeStateStatus": mergeable_state(call.world, repository, pull).upper(),
        "isMergeQueueEnabled": asked_of(call.world, repository, pull.base_ref).queue,
        "isInMergeQueue": entry_of(call.world, pull) is not None,
    }
    return {"repository": {**dict.fromkeys(ALLOWED, True), "pullRequest": shown}}


async def queued_pull(call: Call, variables: JSON) -> JSON:
    """Tell whether a pull request is queued; `id` is its node id."""
    _, pull = _pull(call, variables["id"])
    return {"node": {"headRefOid": pull.head_sha, "isInMergeQueue": entry_of(call.world, pull) is not None}}


async def enqueue_pull(call: Call, variables: JSON) -> JSON:
    """Put a pull request into its merge queue, if `sha` is still its head; `id` is its node id."""
    repository, pull = _pull(call, variables["id"])
    call.require(repository, Role.WRITE, "write", "pull_requests")
    act = acting(call, repository)
    pull = await with_mergeable(call, repository, pull)
    with call.state.transaction():
        _check(call, repository, pull, variables.get("sha"))
        entry = enter(act, pull)
    return {"enqueuePullRequest": {"mergeQueueEntry": {"id": node_id("MergeQueueEntry", entry.id)}}}


async def dequeue_pull(call: Call, variables: JSON) -> JSON:
    """Take a pull request out of its merge queue; `id` is its node id."""
    repository, pull = _pull(call, variables["id"])
    call.require(repository, Role.WRITE, "write", "pull_requests")
    act, entry = acting(call, repository), entry_of(call.world, pull)
    if entry is None:
        raise ApiError(422, "Pull request is not in the queue")
    with call.state.transaction():
        leave(act, pull, "MANUAL")
    return {"dequeuePullRequest": {"mergeQueueEntry": {"id": node_id("MergeQueueEntry", entry.id)}}}


async def ref_rule(call: Call, variables: JSON) -> JSON:
    """Show what a branch's protection asks for, to those who may not administer it; `owner`, `name`, `ref`."""
    owner, name = str(variables["owner"]), str(variables["name"])
    try:
        repository = find_repository(call.world, call.principal, owner, name)
    except ApiError as error:
        raise ApiError(404, f"Could not resolve to a Repository with the name '{owner}/{name}'.") from error
    call.require(repository, Role.READ, "read", "contents")
    branch = str(variables["ref"]).removeprefix("refs/heads/")
    if await call.world.git(repository).resolve(f"refs/heads/{branch}") is None:
        return {"repository": {"ref": None}}
    found = [one for one in protections_of(call.world, repository, branch) if one.classic]
    rule = {"requiresSignatures": any(one.signatures for one in found)} if found else None
    return {"repository": {"ref": {"refUpdateRule": rule}}}


def _pull(call: Call, given: str) -> tuple[Repository, Pull]:
    pull = call.state.get(Pull, id_of_node("PullRequest", given))
    repository = call.state.get(Repository, pull.repository_id) if pull is not None else None
    if pull is None or repository is None:
        raise ApiError(404, f"Could not resolve to a node with the global id of '{given}'")
    return graphql_pull(call, {"owner": repository.owner, "name": repository.name, "number": pull.number})


def _check(call: Call, repository: Repository, pull: Pull, expected: str | None) -> None:
    """Refuse what cannot be queued. Raises ApiError 422."""
    if expected is not None and expected != pull.head_sha:
        raise ApiError(422, MOVED)
    if not asked_of(call.world, repository, pull.base_ref).queue:
        raise ApiError(422, "Merge queue is not enabled on the base branch")
    if entry_of(call.world, pull) is not None:
        raise ApiError(422, "Pull request is already in the queue")
    if call.state.load(Issue, pull.issue_id).state != "open" or pull.draft or not pull.mergeable:
        raise ApiError(422, "Pull Request is not mergeable")
    lacking = hindrances(call.world, repository, pull)
    if lacking:
        raise ApiError(422, " ".join(lacking))
