"""Merging pull requests."""

from infra.hub.act import Act
from infra.hub.api.issues import acting
from infra.hub.api.pulls import RESOURCE, find_pull, issue_of
from infra.hub.call import Call, Route
from infra.hub.errors import ApiError, invalid, not_found
from infra.hub.git import Conflict, MergeMethod, RefMissing
from infra.hub.records import Issue, Pull, Repository, Role
from infra.hub.refs import HEADS, changing_refs
from infra.hub.rules import VIOLATION, asked_of, hindrances, is_behind, worked_out
from infra.hub.wire import Answer


async def get_merge(call: Call) -> Answer:
    """Answer 204 for a merged pull request, 404 for one that is not."""
    repository = call.repository()
    call.require(repository, Role.READ, "read", "pull_requests", "contents")
    if find_pull(call, repository).merged is None:
        raise not_found()
    return Answer(204)


async def put_merge(call: Call) -> Answer:
    repository = call.repository()
    call.require(repository, Role.WRITE, "write", "contents")
    act = acting(call, repository)
    method = call.maybe_text(RESOURCE, "merge_method") or "merge"
    if method not in list(MergeMethod):
        raise invalid(RESOURCE, "merge_method")
    pull = find_pull(call, repository)
    try:
        async with changing_refs(act, pull):
            pull = await _checked(call, repository, call.state.load(Pull, pull.id))
            message = _message(call, act, issue_of(call, pull), pull, method)
            identity = call.world.identity(act.user)
            git = call.world.git(repository)
            sha = await git.merge(HEADS + pull.base_ref, pull.head_sha, method, message, identity)
    except (Conflict, RefMissing) as error:
        raise ApiError(405, "Pull Request is not mergeable") from error
    if repository.delete_branch_on_merge:
        async with changing_refs(act):
            await git.delete_ref(HEADS + pull.head_ref)
    return Answer(200, {"sha": sha, "merged": True, "message": "Pull Request successfully merged"})


async def _checked(call: Call, repository: Repository, pull: Pull) -> Pull:
    """Refuse what GitHub refuses before it tries: closed, draft, another head than the one reviewed, or not allowed."""
    if issue_of(call, pull).state != "open":
        raise ApiError(405, "Pull Request is not mergeable")
    if pull.draft:
        raise ApiError(405, "Pull Request is still a draft")
    sha = call.maybe_text(RESOURCE, "sha")
    if sha is not None and sha != pull.head_sha:
        raise ApiError(409, "Head branch was modified. Review and try the merge again.")
    pull = await worked_out(call.world, repository, pull)
    if asked_of(call.world, repository, pull.base_ref).queue:
        raise ApiError(405, VIOLATION.format("Changes must be made through the merge queue"))
    lacking = hindrances(call.world, repository, pull)
    if pull.mergeable and lacking:
        raise ApiError(405, " ".join(lacking))
    if pull.mergeable and is_behind(call.world, repository, pull):
        raise ApiError(405, "Head branch is out of date with the base branch.")
    return pull


def _message(call: Call, act: Act, issue: Issue, pull: Pull, method: str) -> str:
    owner = act.repository.owner
    if method == "squash":
        title, text = f"{issue.title} (#{issue.number})", ""
    else:
        title, text = f"Merge pull request #{issue.number} from {owner}/{pull.head_ref}", issue.title
    title = call.maybe_text(RESOURCE, "commit_title") or title
    given = call.maybe_text(RESOURCE, "commit_message")
    return f"{title}\n\n{text if given is None else given}".strip() + "\n"


ROUTES: list[Route] = [
    ("GET", "/repos/{owner}/{repo}/pulls/{number}/merge", get_merge),
    ("PUT", "/repos/{owner}/{repo}/pulls/{number}/merge", put_merge),
]
