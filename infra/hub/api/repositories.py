"""Repositories, their files, branches and commits."""

import asyncio
import base64
import binascii
import shutil
from dataclasses import replace

from infra.hub.api.issues import acting
from infra.hub.auth import Kind
from infra.hub.call import Call, Route
from infra.hub.errors import ApiError, invalid, not_found
from infra.hub.git import CommitInfo, RefMissing
from infra.hub.records import FormerName, Repository, Role
from infra.hub.refs import HEADS, changing_refs
from infra.hub.rules import SIGNATURES, VIOLATION, asked_of
from infra.hub.shapes.commits import (
    blob_sha,
    show_branch,
    show_commit,
    show_file,
    show_file_commit,
    show_full_branch,
)
from infra.hub.shapes.repositories import show_full_repository
from infra.hub.webhooks import emit
from infra.hub.wire import Answer


async def get_repository(call: Call) -> Answer:
    repository = call.repository()
    shown = show_full_repository(call.world, repository)
    if call.principal.user is not None and call.principal.app_id is None:
        role = call.world.role(call.principal.user, repository)
        rights = {"admin": Role.ADMIN, "maintain": Role.MAINTAIN, "push": Role.WRITE}
        rights |= {"triage": Role.TRIAGE, "pull": Role.READ}
        shown["permissions"] = {name: role.allows(needed) for name, needed in rights.items()}
    return Answer(200, shown)


async def update_repository(call: Call) -> Answer:
    """Rename, archive, or set whether merged branches are deleted."""
    repository = call.repository()
    call.require(repository, Role.ADMIN, "write", "administration")
    name = call.text("Repository", "name") if call.has("name") else repository.name
    taken = call.state.find(Repository, f"{repository.owner}/{name}")
    if taken is not None and taken.id != repository.id:
        raise invalid("Repository", "name", "custom", "name already exists on this account")
    with call.state.transaction():
        changed = call.state.put(
            replace(
                repository,
                name=name,
                archived=call.flag("archived", repository.archived),
                private=call.flag("private", repository.private),
                delete_branch_on_merge=call.flag("delete_branch_on_merge", repository.delete_branch_on_merge),
            )
        )
        _tell(call, repository, changed)
    return Answer(200, show_full_repository(call.world, changed))


def _tell(call: Call, before: Repository, now: Repository) -> None:
    """Send a webhook for a new name, and one for being archived or not any more."""
    if now.name != before.name:
        call.state.put(FormerName(call.state.new_id(), now.id, before.full_name))
        changes = {"changes": {"repository": {"name": {"from": before.name}}}}
        emit(call.world, now, "repository", call.actor, {"action": "renamed", **changes})
    if now.archived != before.archived:
        action = "archived" if now.archived else "unarchived"
        emit(call.world, now, "repository", call.actor, {"action": action})


async def delete_repository(call: Call) -> Answer:
    """Delete a repository with all that is in it; the App is told before it loses it."""
    repository = call.repository()
    call.require(repository, Role.ADMIN, "write", "administration")
    async with call.world.lock(repository):
        with call.state.transaction():
            emit(call.world, repository, "repository", call.actor, {"action": "deleted"})
            for installation in call.world.installations_of(repository):
                left = [i for i in installation.repository_ids if i != repository.id]
                call.state.put(replace(installation, repository_ids=left))
            call.state.delete(repository)
        await asyncio.to_thread(shutil.rmtree, call.world.git_path(repository))
    return Answer(204)


async def get_contents(call: Call) -> Answer:
    repository = _readable(call)
    ref = call.query("ref") or repository.default_branch
    content = await call.world.git(repository).read_file(ref, call.param("path"))
    if content is None:
        raise not_found()
    return Answer(200, show_file(call.world, repository, call.param("path"), ref, content))


async def put_contents(call: Call) -> Answer:
    """Create a file (201) or change it (200, which takes the SHA of what is replaced)."""
    repository = call.repository()
    call.require(repository, Role.WRITE, "write", "contents")
    act, path = acting(call, repository), call.param("path")
    branch = call.maybe_text("Commit", "branch") or repository.default_branch
    message, content = call.text("Commit", "message"), _decoded(call)
    git = call.world.git(repository)
    async with changing_refs(act):
        before = await git.read_file(HEADS + branch, path)
        if before is not None:
            _check_replaced(call, path, before)
        try:
            _check_signed(call, repository, branch)
            sha = await git.write_file(branch, path, content, message, call.world.identity(act.user))
        except RefMissing as error:
            raise ApiError(404, f"Branch {branch} not found") from error
        if _is_apps_own(call):
            sha = await git.seal_head(branch, sha)
    commit = show_file_commit(call.world, repository, await git.commit(sha))
    shown = show_file(call.world, repository, path, branch, content)
    del shown["content"], shown["encoding"]
    return Answer(201 if before is None else 200, {"content": shown, "commit": commit})


async def list_branches(call: Call) -> Answer:
    repository = _readable(call)
    found = await call.world.git(repository).refs(HEADS)
    return call.page(
        sorted(found.items()),
        lambda pair: show_branch(call.world, repository, pair[0].removeprefix(HEADS), pair[1]),
    )


async def get_branch(call: Call) -> Answer:
    repository = _readable(call)
    name = call.param("branch")
    git = call.world.git(repository)
    sha = await git.resolve(HEADS + name)
    if sha is None:
        raise ApiError(404, "Branch not found")
    return Answer(200, show_full_branch(call.world, repository, name, await git.commit(sha)))


async def get_commit(call: Call) -> Answer:
    repository = _readable(call)
    return Answer(200, show_commit(call.world, repository, await find_commit(call, repository, call.param("ref"))))


async def find_commit(call: Call, repository: Repository, ref: str) -> CommitInfo:
    """Find a commit by branch, tag or SHA. Raises ApiError 422."""
    git = call.world.git(repository)
    sha = await git.resolve(ref.removeprefix("heads/"))
    if sha is None or not await git.has_commit(sha):
        raise ApiError(422, f"No commit found for SHA: {ref}")
    return await git.commit(sha)


def _readable(call: Call) -> Repository:
    repository = call.repository()
    call.require(repository, Role.READ, "read", "contents")
    return repository


def _decoded(call: Call) -> bytes:
    text = call.maybe_text("Commit", "content")
    if text is None:
        raise invalid("Commit", "content", "missing_field")
    try:
        return base64.b64decode(text)
    except binascii.Error as error:
        raise ApiError(422, "content is not valid Base64") from error


def _check_replaced(call: Call, path: str, before: bytes) -> None:
    sha = call.maybe_text("Commit", "sha")
    if sha is None:
        raise ApiError(422, 'Invalid request.\n\n"sha" wasn\'t supplied.')
    if sha != blob_sha(before):
        raise ApiError(409, f"{path} does not match {sha}")


def _is_apps_own(call: Call) -> bool:
    """Tell whether GitHub signs what is asked for: only what an App writes as itself."""
    return call.principal.kind is Kind.INSTALLATION and not (call.has("author") or call.has("committer"))


def _check_signed(call: Call, repository: Repository, branch: str) -> None:
    if asked_of(call.world, repository, branch).signatures and not _is_apps_own(call):
        raise ApiError(409, VIOLATION.format(SIGNATURES))


ROUTES: list[Route] = [
    ("GET", "/repos/{owner}/{repo}", get_repository),
    ("PATCH", "/repos/{owner}/{repo}", update_repository),
    ("DELETE", "/repos/{owner}/{repo}", delete_repository),
    ("GET", "/repos/{owner}/{repo}/contents/{path:.+}", get_contents),
    ("PUT", "/repos/{owner}/{repo}/contents/{path:.+}", put_contents),
    ("GET", "/repos/{owner}/{repo}/branches", list_branches),
    ("GET", "/repos/{owner}/{repo}/branches/{branch:.+}", get_branch),
    ("GET", "/repos/{owner}/{repo}/commits/{ref:.+}", get_commit),
]
