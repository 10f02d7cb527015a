"""Bringing a pull request's branch up to date with its base."""

from infra.hub.api.issues import acting
from infra.hub.api.pulls import RESOURCE, find_pull, issue_of
from infra.hub.call import Call, Route
from infra.hub.errors import ApiError
from infra.hub.git import Conflict
from infra.hub.records import Pull, Role
from infra.hub.refs import HEADS, changing_refs
from infra.hub.shapes.repositories import html_url
from infra.hub.wire import Answer


async def update_branch(call: Call) -> Answer:
    """Merge the base into the head, if `expected_head_sha` is still that."""
    repository = call.repository()
    call.require(repository, Role.WRITE, "write", "contents")
    call.require(repository, Role.WRITE, "write", "pull_requests")
    act, git = acting(call, repository), call.world.git(repository)
    pull = find_pull(call, repository)
    expected = call.maybe_text(RESOURCE, "expected_head_sha")
    try:
        async with changing_refs(act):
            pull = call.state.load(Pull, pull.id)
            base = await _checked(call, pull, expected)
            message = f"Merge branch '{pull.base_ref}' into {pull.head_ref}\n"
            merged = await git.merge_commit(pull.head_sha, base, message, call.world.identity(act.user))
            await git.update_ref(HEADS + pull.head_ref, merged, force=False, old=pull.head_sha)
    except Conflict as error:
        raise ApiError(422, "merge conflict between base and head") from error
    url = f"{html_url(call.world, repository)}/pull/{pull.number}"
    return Answer(202, {"message": "Updating pull request branch.", "url": url})


async def _checked(call: Call, pull: Pull, expected: str | None) -> str:
    """Find what to merge. Raises ApiError 422."""
    git = call.world.git(call.repository())
    base = await git.resolve(HEADS + pull.base_ref)
    if base is None or issue_of(call, pull).state != "open":
        raise ApiError(422, "Pull request is closed")
    if expected is not None and expected != pull.head_sha:
        raise ApiError(422, "expected head sha didn\u2019t match current head ref.")
    if not await git.is_behind(base, pull.head_sha):
        raise ApiError(422, "There are no new commits on the base branch.")
    return base


ROUTES: list[Route] = [("PUT", "/repos/{owner}/{repo}/pulls/{number}/update-branch", update_branch)]
