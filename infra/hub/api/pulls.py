"""Pull requests: list, create, read, change."""

from dataclasses import replace

from infra.hub.access import actor
from infra.hub.act import edit_texts, send_issue, set_state
from infra.hub.api.issues import TITLE_LIMIT, acting, new_issue
from infra.hub.call import TOO_LONG, Call, Route
from infra.hub.errors import invalid, not_found, refused
from infra.hub.queue import leave
from infra.hub.records import Issue, Pull, Repository, Role
from infra.hub.refs import HEADS, measured
from infra.hub.rules import worked_out
from infra.hub.shapes.commits import show_commit, show_file_change
from infra.hub.shapes.pulls import show_pull, show_pull_simple
from infra.hub.wire import Answer

RESOURCE = "PullRequest"
SORTS = {"created": "created", "updated": "updated"}


async def list_pulls(call: Call) -> Answer:
    """List pull requests, newest first; `head` is owner:branch, `base` a branch."""
    repository = _readable(call)
    pairs = [(issue_of(call, pull), pull) for pull in call.state.rows(Pull, repository.id)]
    found = [pair for pair in pairs if _listed(call, repository, *pair) and call.fresh_enough(pair[0].created)]
    sort = SORTS.get(call.query("sort", "created"), "created")
    found.sort(key=lambda pair: (getattr(pair[0], sort), pair[0].number), reverse=call.query("direction") != "asc")
    return call.page(found, lambda pair: show_pull_simple(call.world, repository, *pair))


async def create_pull(call: Call) -> Answer:
    repository = call.repository()
    call.require(repository, Role.WRITE, "write", "pull_requests")
    act = acting(call, repository)
    title = call.text(RESOURCE, "title", limit=TITLE_LIMIT)
    body = call.maybe_text(RESOURCE, "body", limit=TOO_LONG)
    draft = call.flag("draft")
    async with call.world.lock(repository):
        drawn = await _draw(call, repository)
        with call.state.transaction():
            issue = new_issue(act, title, body, is_pull=True)
            pull = call.state.put(
                replace(drawn, id=call.state.new_id(), issue_id=issue.id, number=issue.number, draft=draft)
            )
            send_issue(act, issue, "opened")
    shown = show_pull(call.world, repository, issue, pull)
    return Answer(201, shown, {"Location": shown["url"]})


async def get_pull(call: Call) -> Answer:
    """Show a pull request; whether it merges is worked out now, unless the fault says to answer null first."""
    repository = _readable(call)
    pull = find_pull(call, repository)
    issue = issue_of(call, pull)
    if issue.state == "open" and pull.mergeable is None:
        pull = await with_mergeable(call, repository, pull)
    return Answer(200, show_pull(call.world, repository, issue, pull))


async def update_pull(call: Call) -> Answer:
    repository = call.repository()
    pull = find_pull(call, repository)
    issue = issue_of(call, pull)
    if not (call.principal.app_id is None and issue.author_id == actor(call.principal).id):
        call.require(repository, Role.WRITE, "write", "pull_requests")
    act = acting(call, repository)
    title = call.text(RESOURCE, "title", limit=TITLE_LIMIT) if call.has("title") else issue.title
    body = call.maybe_text(RESOURCE, "body", limit=TOO_LONG) if call.has("body") else issue.body
    async with call.world.lock(repository):
        state = await _checked_state(call, repository, issue, pull)
        retargeted = await _retargeted(call, repository, pull)
        with call.state.transaction():
            issue = edit_texts(act, call.state.load(Issue, issue.id), title, body)
            if retargeted is not None:
                call.state.put(retargeted)
                changes = {"base": {"ref": {"from": pull.base_ref}, "sha": {"from": pull.base_sha}}}
                send_issue(act, call.world.touch(issue), "edited", changes=changes)
            issue = set_state(act, issue, state, None)
            if state == "closed":
                leave(act, pull, "MANUAL")
            return Answer(200, show_pull(call.world, repository, issue, call.state.load(Pull, pull.id)))


async def list_files(call: Call) -> Answer:
    repository = _readable(call)
    pull = find_pull(call, repository)
    found = await call.world.git(repository).files_changed(pull.base_sha, pull.head_sha)
    return call.page(found, lambda change: show_file_change(call.world, repository, pull.head_sha, change))


async def list_commits(call: Call) -> Answer:
    repository = _readable(call)
    pull = find_pull(call, repository)
    found = await call.world.git(repository).commits_between(pull.base_sha, pull.head_sha)
    return call.page(found, lambda commit: show_commit(call.world, repository, commit))


def find_pull(call: Call, repository: Repository) -> Pull:
    pull = call.state.find(Pull, str(call.number("number")), repository.id)
    if pull is None:
        raise not_found()
    return pull


def issue_of(call: Call, pull: Pull) -> Issue:
    return call.state.load(Issue, pull.issue_id)


def _readable(call: Call) -> Repository:
    repository = call.repository()
    call.require(repository, Role.READ, "read", "pull_requests")
    return repository


def _listed(call: Call, repository: Repository, issue: Issue, pull: Pull) -> bool:
    return (
        call.query("state", "open") in ("all", issue.state)
        and call.query("base") in ("", pull.base_ref)
        and call.query("head") in ("", f"{repository.owner}:{pull.head_ref}")
    )


async def _draw(call: Call, repository: Repository) -> Pull:
    """Make a pull request of the branches asked for. Raises ApiError 422 where there is none to make."""
    git = call.world.git(repository)
    head, base = call.text(RESOURCE, "head"), call.text(RESOURCE, "base")
    owner, _, branch = head.rpartition(":")
    head_sha = await git.resolve(HEADS + branch) if owner in ("", repository.owner) else None
    base_sha = await git.resolve(HEADS + base)
    if head_sha is None:
        raise invalid(RESOURCE, "head")
    if base_sha is None:
        raise invalid(RESOURCE, "base")
    if not await git.commits_between(base_sha, head_sha):
        raise refused(RESOURCE, f"No commits between {base} and {branch}")
    for other in call.state.rows(Pull, repository.id):
        if (other.head_ref, other.base_ref) == (branch, base) and issue_of(call, other).state == "open":
            raise refused(RESOURCE, f"A pull request already exists for {repository.owner}:{branch}.")
    drawn = Pull(
        id=0,
        repository_id=repository.id,
        issue_id=0,
        number=0,
        head_ref=branch,
        head_sha=head_sha,
        base_ref=base,
        base_sha=base_sha,
    )
    return await measured(call.world, repository, drawn)


async def with_mergeable(call: Call, repository: Repository, pull: Pull) -> Pull:
    """Work out whether a pull request merges, unless the fault says to answer null first."""
    if pull.null_answers < call.world.faults.on.mergeable_null_times:
        with call.state.transaction():
            return call.state.put(replace(pull, null_answers=pull.null_answers + 1))
    async with call.world.lock(repository):
        pull = call.state.load(Pull, pull.id)
        pull = await worked_out(call.world, repository, pull)
        with call.state.transaction():
            return call.state.put(pull)


async def _checked_state(call: Call, repository: Repository, issue: Issue, pull: Pull) -> str:
    state = call.fields().get("state") or issue.state
    if state not in ("open", "closed"):
        raise invalid(RESOURCE, "state")
    if state == "open" and issue.state == "closed":
        missing = await call.world.git(repository).resolve(HEADS + pull.head_ref) is None
        if missing or pull.merged is not None:
            message = f"state cannot be changed. The {pull.head_ref} branch was merged or has been deleted."
            raise invalid(RESOURCE, "state", "invalid", message)
    return str(state)


async def _retargeted(call: Call, repository: Repository, pull: Pull) -> Pull | None:
    base = call.maybe_text(RESOURCE, "base")
    if base is None or base == pull.base_ref:
        return None
    sha = await call.world.git(repository).resolve(HEADS + base)
    if sha is None:
        raise invalid(RESOURCE, "base")
    return await measured(call.world, repository, replace(pull, base_ref=base, base_sha=sha))


ROUTES: list[Route] = [
    ("GET", "/repos/{owner}/{repo}/pulls", list_pulls),
    ("POST", "/repos/{owner}/{repo}/pulls", create_pull),
    ("GET", "/repos/{owner}/{repo}/pulls/{number}", get_pull),
    ("PATCH", "/repos/{owner}/{repo}/pulls/{number}", update_pull),
    ("GET", "/repos/{owner}/{repo}/pulls/{number}/files", list_files),
    ("GET", "/repos/{owner}/{repo}/pulls/{number}/commits", list_commits),
]
