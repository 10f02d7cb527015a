"""Git refs."""

from infra.hub.api.issues import acting
from infra.hub.call import Call, Route
from infra.hub.errors import ApiError, not_found
from infra.hub.git import BadObject, Conflict, NotFastForward, RefExists, RefMissing
from infra.hub.records import Repository, Role
from infra.hub.refs import changing_refs
from infra.hub.rules import refuse_unsigned
from infra.hub.shapes.commits import show_ref
from infra.hub.wire import Answer


async def get_ref(call: Call) -> Answer:
    repository = _readable(call)
    name = f"refs/{call.param('ref')}"
    git = call.world.git(repository)
    sha = (await git.refs(name)).get(name)
    if sha is None:
        raise not_found() if await git.refs() else ApiError(409, "Git Repository is empty.")
    return Answer(200, show_ref(call.world, repository, name, sha))


async def list_matching_refs(call: Call) -> Answer:
    repository = _readable(call)
    found = await call.world.git(repository).refs(f"refs/{call.param('ref')}")
    return call.page(sorted(found.items()), lambda pair: show_ref(call.world, repository, *pair))


async def create_ref(call: Call) -> Answer:
    repository = _writable(call)
    name, sha = call.text("Reference", "ref"), call.text("Reference", "sha")
    if not name.startswith("refs/") or name.count("/") < 2:
        raise ApiError(422, "Reference name must start with 'refs/' and have at least two slashes.")
    git = call.world.git(repository)
    if not await git.has_commit(sha):
        raise ApiError(422, "Object does not exist")
    try:
        async with changing_refs(acting(call, repository)):
            await refuse_unsigned(call.world, repository, name, sha)
            await git.create_ref(name, sha)
    except RefExists as error:
        raise ApiError(422, "Reference already exists") from error
    except BadObject as error:
        raise ApiError(422, f"{name} is not a valid ref name.") from error
    shown = show_ref(call.world, repository, name, sha)
    return Answer(201, shown, {"Location": shown["url"]})


async def update_ref(call: Call) -> Answer:
    repository = _writable(call)
    name, sha, force = f"refs/{call.param('ref')}", call.text("Reference", "sha"), call.flag("force")
    try:
        async with changing_refs(acting(call, repository)):
            await refuse_unsigned(call.world, repository, name, sha)
            await call.world.git(repository).update_ref(name, sha, force=force)
    except RefMissing as error:
        raise ApiError(422, "Reference does not exist") from error
    except BadObject as error:
        raise ApiError(422, "Object does not exist") from error
    except NotFastForward as error:
        raise ApiError(422, "Update is not a fast forward") from error
    except Conflict as error:
        raise ApiError(422, "Reference cannot be updated") from error
    return Answer(200, show_ref(call.world, repository, name, sha))


async def delete_ref(call: Call) -> Answer:
    repository = _writable(call)
    try:
        async with changing_refs(acting(call, repository)):
            await call.world.git(repository).delete_ref(f"refs/{call.param('ref')}")
    except RefMissing as error:
        raise ApiError(422, "Reference does not exist") from error
    return Answer(204)


def _readable(call: Call) -> Repository:
    repository = call.repository()
    call.require(repository, Role.READ, "read", "contents")
    return repository


def _writable(call: Call) -> Repository:
    repository = call.repository()
    call.require(repository, Role.WRITE, "write", "contents")
    return repository


ROUTES: list[Route] = [
    ("GET", "/repos/{owner}/{repo}/git/ref/{ref:.+}", get_ref),
    ("GET", "/repos/{owner}/{repo}/git/matching-refs/{ref:.+}", list_matching_refs),
    ("POST", "/repos/{owner}/{repo}/git/refs", create_ref),
    ("PATCH", "/repos/{owner}/{repo}/git/refs/{ref:.+}", update_ref),
    ("DELETE", "/repos/{owner}/{repo}/git/refs/{ref:.+}", delete_ref),
]
