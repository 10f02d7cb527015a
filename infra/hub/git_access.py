"""Who may clone, fetch and push; the git itself is in smart_http."""

from aiohttp import web

from infra.hub.access import allowed, find_renamed, find_repository, grants
from infra.hub.act import Act
from infra.hub.auth import Kind, authenticate
from infra.hub.errors import ApiError, moved
from infra.hub.records import Role
from infra.hub.refs import changing_refs
from infra.hub.smart_http import serve_git, wants_write
from infra.hub.workflows import REFUSED, guard
from infra.hub.world import World

CHALLENGE = {"WWW-Authenticate": 'Basic realm="GitHub"'}


def mount_git(app: web.Application, world: World) -> None:
    """Serve every repository at /{owner}/{repo}.git."""

    async def endpoint(request: web.Request) -> web.StreamResponse:
        try:
            return await _serve(world, request)
        except ApiError as error:
            headers = CHALLENGE if error.status == 401 else error.headers
            return web.Response(status=error.status, text=f"{error}\n", headers=headers)

    app.router.add_route("*", "/{owner}/{repo}.git/{tail:.*}", endpoint)


async def _serve(world: World, request: web.Request) -> web.StreamResponse:
    principal = authenticate(world, request.headers.get("Authorization"))
    writes = wants_write(request)
    owner, name = request.match_info["owner"], request.match_info["repo"]
    renamed = find_renamed(world, principal, owner, name)
    if renamed is not None:
        rest = request.path_qs.partition(f"/{owner}/{name}.git")[2]
        raise moved(request.method, f"{world.base_url}/{renamed.full_name}.git{rest}")
    try:
        repository = find_repository(world, principal, owner, name)
    except ApiError as error:
        # An anonymous caller learns nothing of what exists, but is asked who it is.
        raise ApiError(401, "Authentication required") if principal.kind is Kind.ANONYMOUS else error from error
    if principal.kind is Kind.ANONYMOUS and writes:
        raise ApiError(401, "Authentication required")
    if not allowed(world, principal, repository, Role.READ, "read", "contents"):
        raise ApiError(403, "Read access to repository not granted")
    path = world.git_path(repository)
    may_write = not repository.archived and allowed(world, principal, repository, Role.WRITE, "write", "contents")
    if not (writes and may_write and request.method == "POST"):
        return await serve_git(request, path, write_allowed=may_write)
    assert principal.user is not None
    guard(path)
    free = principal.kind is Kind.USER or grants(principal.permissions, "workflows", "write")
    async with changing_refs(Act(world, repository, principal.user, principal.app_id)):
        return await serve_git(request, path, write_allowed=True, told=None if free else REFUSED)
