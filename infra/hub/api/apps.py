"""The App, its installations and their tokens."""

import secrets
from typing import Any

import jwt

from infra.hub.access import LEVELS
from infra.hub.auth import Kind, Principal, private_key
from infra.hub.call import Call, Route
from infra.hub.errors import ApiError, not_accessible, not_found
from infra.hub.records import App, Installation, Repository, Token
from infra.hub.shapes.repositories import show_repository
from infra.hub.shapes.users import show_app, show_installation
from infra.hub.wire import JSON, Answer, timestamp
from infra.hub.world import World

HOUR = 3600
MAX_REPOSITORIES = 500


async def get_app(call: Call) -> Answer:
    return Answer(200, show_app(call.world, call.require_app()))


async def list_installations(call: Call) -> Answer:
    found = call.state.rows(Installation, call.require_app().id)
    return call.page(found, lambda installation: show_installation(call.world, installation))


async def get_installation(call: Call) -> Answer:
    call.require_app()
    return Answer(200, show_installation(call.world, _installation(call)))


async def find_installation(call: Call) -> Answer:
    app = call.require_app()
    repository = call.state.find(Repository, f"{call.param('owner')}/{call.param('repo')}")
    installation = call.world.installation_of(repository, app) if repository is not None else None
    if installation is None:
        raise not_found()
    return Answer(200, show_installation(call.world, installation))


async def create_token(call: Call) -> Answer:
    """Mint a token for an hour, narrowed to the repositories and permissions asked for."""
    call.require_app()
    installation = _installation(call)
    if installation.suspended is not None:
        raise ApiError(403, "This installation has been suspended")
    repositories = _chosen_repositories(call, installation)
    permissions = _chosen_permissions(call, installation)
    with call.state.transaction():
        token = _mint(call.world, installation, repositories, permissions)
    narrowed = call.has("repositories") or call.has("repository_ids")
    shown: JSON = {
        "token": token.token,
        "expires_at": timestamp(token.expires or 0),
        "permissions": permissions,
        "repository_selection": "selected",
    }
    if narrowed:
        shown["repositories"] = [show_repository(call.world, repository) for repository in repositories]
    return Answer(201, shown)


async def revoke_token(call: Call) -> Answer:
    _require_installation(call.principal)
    assert call.principal.token is not None
    with call.state.transaction():
        call.state.delete(call.principal.token)
    return Answer(204)


async def list_repositories(call: Call) -> Answer:
    _require_installation(call.principal)
    assert call.principal.token is not None
    assert call.principal.installation is not None
    ids = [i for i in call.principal.token.repository_ids if i in call.principal.installation.repository_ids]
    found = [repository for i in ids if (repository := call.state.get(Repository, i)) is not None]
    return call.page(
        found,
        lambda repository: show_repository(call.world, repository),
        lambda shown: {"total_count": len(found), "repository_selection": "selected", "repositories": shown},
    )


def _installation(call: Call) -> Installation:
    installation = call.state.get(Installation, call.number("installation_id"))
    if installation is None or installation.app_id != call.require_app().id:
        raise not_found()
    return installation


def _require_installation(principal: Principal) -> None:
    if principal.kind is Kind.ANONYMOUS:
        raise ApiError(401, "Requires authentication")
    if principal.kind is not Kind.INSTALLATION:
        raise not_accessible()


def _chosen_repositories(call: Call, installation: Installation) -> list[Repository]:
    """Take the repositories by name or id. Raises ApiError 422 for one that is not installed."""
    installed = [r for i in installation.repository_ids if (r := call.state.get(Repository, i)) is not None]
    names, ids = call.fields().get("repositories"), call.fields().get("repository_ids")
    if names is None and ids is None:
        return installed
    asked: Any = ids if names is None else names
    if not isinstance(asked, list) or not asked or not all(isinstance(one, str | int) for one in asked):
        raise ApiError(422, "Invalid request.\n\nRepositories are given as a list of one or more.")
    if len(asked) > MAX_REPOSITORIES:
        raise ApiError(422, f"Only {MAX_REPOSITORIES} repositories can be given.")
    chosen = [r for r in installed if (r.name if names is not None else r.id) in asked]
    if len(chosen) != len(set(asked)):
        raise ApiError(
            422,
            "There is at least one repository that does not exist or is not accessible to the parent installation.",
        )
    return chosen


def _chosen_permissions(call: Call, installation: Installation) -> dict[str, str]:
    """Take the permissions asked for. Raises ApiError 422 for more than was granted."""
    asked = call.fields().get("permissions")
    if asked is None:
        return installation.permissions
    if not isinstance(asked, dict):
        raise ApiError(422, "Invalid request.\n\nPermissions are given as an object.")
    for name, level in asked.items():
        granted = installation.permissions.get(name, "none")
        if level not in LEVELS or LEVELS.index(level) > LEVELS.index(granted):
            raise ApiError(422, "The permissions requested are not granted to this installation.")
    # GitHub adds `metadata: read` to every narrowed token.
    return {"metadata": "read", **asked}


def _mint(
    world: World, installation: Installation, repositories: list[Repository], permissions: dict[str, str]
) -> Token:
    app = world.state.load(App, installation.app_id)
    expires = float(int(world.now()) + HOUR)
    claims = {"iss": str(app.id), "sub": str(installation.id), "exp": int(expires), "jti": secrets.token_hex(16)}
    signed = jwt.encode(claims, private_key(world.key_file.read_text()), algorithm="RS256")
    return world.state.put(
        Token(
            id=world.state.new_id(),
            token=f"ghs_{app.id}_{signed}",
            user_id=app.bot_id,
            installation_id=installation.id,
            permissions=permissions,
            repository_ids=[repository.id for repository in repositories],
            expires=expires,
        )
    )


ROUTES: list[Route] = [
    ("GET", "/app", get_app),
    ("GET", "/app/installations", list_installations),
    ("GET", "/app/installations/{installation_id}", get_installation),
    ("POST", "/app/installations/{installation_id}/access_tokens", create_token),
    ("GET", "/repos/{owner}/{repo}/installation", find_installation),
    ("DELETE", "/installation/token", revoke_token),
    ("GET", "/installation/repositories", list_repositories),
]
