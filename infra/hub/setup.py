"""Making users, repositories and installations, for the seed and the hub's own routes."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace

from infra.hub.adopt import adopt_repository
from infra.hub.errors import ApiError
from infra.hub.records import App, Collaborator, Installation, Ref, Repository, Role, Token, User
from infra.hub.settings import HubSettings, Seed
from infra.hub.shapes.repositories import show_minimal
from infra.hub.webhooks import EVENTS, emit_installation
from infra.hub.world import World

PERMISSIONS = {
    "actions": "read",
    "checks": "write",
    "contents": "write",
    "issues": "write",
    "metadata": "read",
    "pull_requests": "write",
    "statuses": "read",
}


def ensure_user(world: World, login: str, kind: str = "User") -> User:
    """Find a user by login, or make one."""
    found = world.state.find(User, login)
    if found is not None:
        return found
    return world.state.put(User(world.state.new_id(), login, kind))


def token_for(world: World, user: User) -> str:
    """Give a person's token, the same each time; it has the person's id."""
    found = world.state.get(Token, user.id) or world.state.put(Token(user.id, f"ghp_{secrets.token_hex(18)}", user.id))
    return found.token


def ensure_app(world: World, settings: HubSettings) -> App:
    """Make the App on the first start; later starts only move its webhook when told to."""
    with world.state.transaction():
        found = world.state.rows(App)
        if found:
            app = found[0]
            return world.state.put(
                replace(app, hook_url=settings.webhook_url or app.hook_url, hook_secret=settings.webhook_secret)
            )
        owner = ensure_user(world, settings.seed.owner if settings.seed else "hub", "Organization")
        bot = ensure_user(world, f"{settings.app_slug}[bot]", "Bot")
        return world.state.put(
            App(
                id=world.state.new_id(),
                slug=settings.app_slug,
                owner_id=owner.id,
                bot_id=bot.id,
                created=world.now(),
                permissions=PERMISSIONS,
                events=EVENTS,
                hook_id=world.state.new_id(),
                hook_url=settings.webhook_url,
                hook_secret=settings.webhook_secret,
            )
        )


async def create_repository(
    world: World, owner: str, name: str, files: Mapping[str, bytes] | None, *, private: bool = False
) -> Repository:
    """Make a repository with one commit on `main`, or with none if `files` is None.

    Raises ApiError 422 for a name that is taken.
    """
    if world.state.find(Repository, f"{owner}/{name}") is not None:
        raise ApiError(422, "Repository creation failed.")
    with world.state.transaction():
        account = ensure_user(world, owner, "Organization")
        repository = Repository(
            world.state.new_id(), account.id, owner=account.login, name=name, created=world.now(), private=private
        )
    # The row comes last: a hub killed in between has an unused directory and no repository without git.
    if files is None:
        await world.git(repository).create_empty()
        with world.state.transaction():
            return world.state.put(repository)
    sha = await world.git(repository).create(files, author=world.identity(account))
    with world.state.transaction():
        world.state.put(Ref(world.state.new_id(), repository.id, "refs/heads/main", sha))
        return world.state.put(repository)


def set_collaborator(world: World, repository: Repository, user: User, role: Role) -> None:
    found = world.state.find(Collaborator, str(user.id), repository.id)
    row_id = found.id if found is not None else world.state.new_id()
    world.state.put(Collaborator(row_id, repository.id, user.id, role))


def install(
    world: World, account: User, repositories: Sequence[Repository], sender: User, app: App | None = None
) -> Installation:
    """Install an App on an account's repositories, or add them to its installation."""
    app = app or world.app()
    found = world.state.find(Installation, str(account.id), app.id)
    shown = [show_minimal(repository) for repository in repositories]
    if found is None:
        ids = [repository.id for repository in repositories]
        installation = world.state.put(
            Installation(world.state.new_id(), app.id, account.id, world.now(), app.permissions, ids)
        )
        payload = {"action": "created", "repositories": shown, "requester": None}
        emit_installation(world, installation, "installation", sender, payload)
        return installation
    new = [r for r in repositories if r.id not in found.repository_ids]
    return change_repositories(world, found, added=new, removed=[], sender=sender) if new else found


def change_repositories(
    world: World,
    installation: Installation,
    *,
    added: Sequence[Repository],
    removed: Sequence[Repository],
    sender: User,
) -> Installation:
    """Add repositories to an installation and take others away; one webhook for each of the two."""
    gone = {repository.id for repository in removed}
    ids = [i for i in installation.repository_ids if i not in gone] + [repository.id for repository in added]
    installation = world.state.put(replace(installation, repository_ids=ids))
    for action, changed in (("added", added), ("removed", removed)):
        if not changed:
            continue
        payload = {
            "action": action,
            "repositories_added": [show_minimal(r) for r in added] if action == "added" else [],
            "repositories_removed": [show_minimal(r) for r in removed] if action == "removed" else [],
            "repository_selection": "selected",
            "requester": None,
        }
        emit_installation(world, installation, "installation_repositories", sender, payload)
    return installation


async def plant(world: World, settings: HubSettings) -> None:
    """Fill an empty hub with the seed; one that holds any repository is left as it is."""
    seed = settings.seed
    if seed is None or world.state.count(Repository):
        return
    repository = await _plant_repository(world, seed)
    with world.state.transaction():
        for login, role in seed.people:
            user = ensure_user(world, login)
            token_for(world, user)
            set_collaborator(world, repository, user, Role(role))
        owner = world.state.load(User, repository.owner_id)
        install(world, owner, [repository], owner)


async def _plant_repository(world: World, seed: Seed) -> Repository:
    if seed.source is None:
        files = {path: text.encode() for path, text in seed.files}
        return await create_repository(world, seed.owner, seed.repository, files, private=seed.private)
    with world.state.transaction():
        owner = ensure_user(world, seed.owner, "Organization")
    return await adopt_repository(world, owner, seed)
