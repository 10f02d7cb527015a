"""The hub's own routes under /_hub: setting the stage, and looking behind it."""

import asyncio
from dataclasses import replace

from infra.hub.act import Act
from infra.hub.call import Call, Route
from infra.hub.delivering import settled
from infra.hub.departing import delete, transfer
from infra.hub.errors import ApiError, not_found
from infra.hub.records import Installation, Issue, Repository, Role, User
from infra.hub.setup import (
    change_repositories,
    create_repository,
    ensure_user,
    install,
    set_collaborator,
    token_for,
)
from infra.hub.shapes.issues import show_issue
from infra.hub.shapes.repositories import show_full_repository
from infra.hub.shapes.users import show_installation, show_profile
from infra.hub.webhooks import emit_installation
from infra.hub.wire import JSON, Answer
from infra.hub.world import World


def describe(world: World) -> JSON:
    """Say how to reach the hub, and as whom."""
    app = world.app()
    installations = world.state.rows(Installation, app.id)
    repositories = world.state.rows(Repository)
    people = {user.login: token_for(world, user) for user in world.state.rows(User) if user.type == "User"}
    return {
        "api_url": world.base_url,
        "web_url": world.base_url,
        "app_id": app.id,
        "slug": app.slug,
        "bot_login": f"{app.slug}[bot]",
        "bot_id": app.bot_id,
        "key_file": str(world.key_file),
        "webhook_url": app.hook_url,
        "webhook_secret": app.hook_secret,
        "installation_id": installations[0].id if installations else None,
        "repository": repositories[0].full_name if repositories else None,
        "tokens": people,
        "writer_token": people.get("writer"),
        "maintainer_token": people.get("maintainer"),
        "stranger_token": people.get("stranger"),
    }


async def get_description(call: Call) -> Answer:
    with call.state.transaction():
        return Answer(200, describe(call.world))


async def put_webhook(call: Call) -> Answer:
    app = call.world.app()
    given = call.fields()
    with call.state.transaction():
        app = call.state.put(
            replace(
                app,
                hook_url=given.get("url", app.hook_url),
                hook_secret=given.get("secret", app.hook_secret),
                hook_active=given.get("active", app.hook_active),
            )
        )
    return Answer(200, {"url": app.hook_url, "secret": app.hook_secret, "active": app.hook_active})


async def create_user(call: Call) -> Answer:
    login = call.text("User", "login")
    with call.state.transaction():
        user = ensure_user(call.world, login, call.maybe_text("User", "type") or "User")
        return Answer(201, {**show_profile(call.world, user), "token": token_for(call.world, user)})


async def post_repository(call: Call) -> Answer:
    """Make a repository; `files` null leaves it without a commit."""
    given = call.fields().get("files", {"README.md": "# New\n"})
    files = None if given is None else {path: str(text).encode() for path, text in given.items()}
    owner, name = call.text("Repository", "owner"), call.text("Repository", "name")
    repository = await create_repository(call.world, owner, name, files, private=call.flag("private"))
    return Answer(201, show_full_repository(call.world, repository))


async def put_collaborator(call: Call) -> Answer:
    repository = _repository(call, f"{call.param('owner')}/{call.param('repo')}")
    with call.state.transaction():
        user = ensure_user(call.world, call.param("login"))
        set_collaborator(call.world, repository, user, Role(call.text("Collaborator", "permission")))
        return Answer(200, {"token": token_for(call.world, user)})


async def post_installation(call: Call) -> Answer:
    """Install the App on `repositories` (full names of one owner)."""
    repositories = [_repository(call, name) for name in call.fields().get("repositories", [])]
    if not repositories:
        raise ApiError(422, "repositories is missing")
    with call.state.transaction():
        account = call.state.load(User, repositories[0].owner_id)
        installation = install(call.world, account, repositories, _sender(call, account))
        return Answer(201, show_installation(call.world, installation))


async def patch_installation(call: Call) -> Answer:
    """Change an installation: `add` and `remove` repositories, `permissions`, or `suspended`."""
    installation = _installation(call)
    given = call.fields()
    added = [_repository(call, name) for name in given.get("add", [])]
    removed = [_repository(call, name) for name in given.get("remove", [])]
    with call.state.transaction():
        sender = _sender(call, call.state.load(User, installation.account_id))
        if added or removed:
            installation = change_repositories(call.world, installation, added=added, removed=removed, sender=sender)
        if "permissions" in given:
            installation = call.state.put(replace(installation, permissions=given["permissions"]))
            _tell(call, installation, "new_permissions_accepted", sender)
        if "suspended" in given:
            moment = call.world.now() if given["suspended"] else None
            installation = call.state.put(replace(installation, suspended=moment))
            _tell(call, installation, "suspend" if given["suspended"] else "unsuspend", sender)
        return Answer(200, show_installation(call.world, installation))


async def delete_installation(call: Call) -> Answer:
    installation = _installation(call)
    with call.state.transaction():
        sender = _sender(call, call.state.load(User, installation.account_id))
        _tell(call, installation, "deleted", sender)
        call.state.delete(installation)
    return Answer(204)


async def transfer_issue(call: Call) -> Answer:
    """Transfer an issue to the repository `to`, as `sender`; GitHub does it by a GraphQL mutation only."""
    act, issue = _issue(call)
    target = _repository(call, call.text("Issue", "to"))
    with call.state.transaction():
        arrived = transfer(act, issue, target)
        return Answer(201, show_issue(call.world, target, arrived))


async def delete_issue(call: Call) -> Answer:
    """Delete an issue, as `sender`; GitHub does it by a GraphQL mutation only."""
    act, issue = _issue(call)
    with call.state.transaction():
        delete(act, issue)
    return Answer(204)


async def put_faults(call: Call) -> Answer:
    call.world.faults.set(call.fields())
    call.world.switched.set()
    return Answer(200, call.world.faults.describe())


async def get_faults(call: Call) -> Answer:
    return Answer(200, call.world.faults.describe())


async def get_requests(call: Call) -> Answer:
    return Answer(200, call.state.requests())


async def delete_requests(call: Call) -> Answer:
    call.state.clear_requests()
    return Answer(204)


async def get_idle(call: Call) -> Answer:
    """Answer when every webhook was tried; 504 after `timeout` seconds."""
    try:
        await asyncio.wait_for(settled(call.world), float(call.query("timeout", "30")))
    except TimeoutError as error:
        raise ApiError(504, "Deliveries are still pending") from error
    return Answer(200, {"idle": True})


def _repository(call: Call, full_name: str) -> Repository:
    repository = call.state.find(Repository, full_name)
    if repository is None:
        raise not_found()
    return repository


def _issue(call: Call) -> tuple[Act, Issue]:
    repository = _repository(call, f"{call.param('owner')}/{call.param('repo')}")
    with call.state.transaction():
        sender = _sender(call, call.state.load(User, repository.owner_id))
    return Act(call.world, repository, sender), call.issue(repository)


def _installation(call: Call) -> Installation:
    installation = call.state.get(Installation, call.number("installation_id"))
    if installation is None:
        raise not_found()
    return installation


def _sender(call: Call, default: User) -> User:
    login = call.maybe_text("Installation", "sender")
    return default if login is None else ensure_user(call.world, login)


def _tell(call: Call, installation: Installation, action: str, sender: User) -> None:
    emit_installation(call.world, installation, "installation", sender, {"action": action})


ROUTES: list[Route] = [
    ("GET", "/_hub", get_description),
    ("PUT", "/_hub/webhook", put_webhook),
    ("POST", "/_hub/users", create_user),
    ("POST", "/_hub/repositories", post_repository),
    ("PUT", "/_hub/repositories/{owner}/{repo}/collaborators/{login}", put_collaborator),
    ("POST", "/_hub/repositories/{owner}/{repo}/issues/{number}/transfer", transfer_issue),
    ("DELETE", "/_hub/repositories/{owner}/{repo}/issues/{number}", delete_issue),
    ("POST", "/_hub/installations", post_installation),
    ("PATCH", "/_hub/installations/{installation_id}", patch_installation),
    ("DELETE", "/_hub/installations/{installation_id}", delete_installation),
    ("GET", "/_hub/faults", get_faults),
    ("PUT", "/_hub/faults", put_faults),
    ("GET", "/_hub/requests", get_requests),
    ("DELETE", "/_hub/requests", delete_requests),
    ("GET", "/_hub/idle", get_idle),
]
