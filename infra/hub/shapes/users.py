"""Users, the App and its installations, as GitHub shows them."""

import base64

from infra.hub.auth import client_id
from infra.hub.records import App, Installation, User
from infra.hub.wire import JSON, maybe_timestamp, timestamp
from infra.hub.world import World

API = ("followers", "subscriptions", "repos", "received_events")
TEMPLATED = {
    "organizations": "orgs",
    "following": "following{/other_user}",
    "gists": "gists{/gist_id}",
    "starred": "starred{/owner}{/repo}",
    "events": "events{/privacy}",
}


def node_id(kind: str, row_id: int) -> str:
    return base64.b64encode(f"{kind}:{row_id}".encode()).decode()


def show_user(world: World, user: User) -> JSON:
    """Show a person, organisation or bot in short."""
    url = f"{world.base_url}/users/{user.login}"
    return {
        "login": user.login,
        "id": user.id,
        "node_id": node_id(user.type, user.id),
        "avatar_url": f"{world.base_url}/avatars/{user.id}",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{world.base_url}/{user.login}",
        **{f"{name}_url": f"{url}/{name}" for name in API},
        **{f"{name}_url": f"{url}/{tail}" for name, tail in TEMPLATED.items()},
        "type": user.type,
        "user_view_type": "public",
        "site_admin": False,
    }


def show_user_by_id(world: World, user_id: int | None) -> JSON | None:
    user = None if user_id is None else world.state.get(User, user_id)
    return None if user is None else show_user(world, user)


def show_profile(world: World, user: User) -> JSON:
    """Show a user in full."""
    blank = ("company", "location", "email", "hireable", "bio", "twitter_username")
    return {
        **show_user(world, user),
        "name": user.login,
        **dict.fromkeys(blank),
        "blog": "",
        **dict.fromkeys(("public_repos", "public_gists", "followers", "following"), 0),
        "created_at": timestamp(0),
        "updated_at": timestamp(0),
    }


def show_app(world: World, app: App) -> JSON:
    owner = world.state.load(User, app.owner_id)
    return {
        "id": app.id,
        "slug": app.slug,
        "client_id": client_id(app),
        "node_id": node_id("Integration", app.id),
        "owner": show_user(world, owner),
        "name": app.name or app.slug,
        "description": None,
        "external_url": world.base_url,
        "html_url": f"{world.base_url}/apps/{app.slug}",
        "created_at": timestamp(app.created),
        "updated_at": timestamp(app.created),
        "permissions": app.permissions,
        "events": app.events,
        "installations_count": world.state.count(Installation, app.id),
    }


def show_app_by_id(world: World, app_id: int | None) -> JSON | None:
    app = None if app_id is None else world.state.get(App, app_id)
    return None if app is None else show_app(world, app)


def show_installation(world: World, installation: Installation) -> JSON:
    app = world.state.load(App, installation.app_id)
    account = world.state.load(User, installation.account_id)
    return {
        "id": installation.id,
        "client_id": client_id(app),
        "account": show_user(world, account),
        "repository_selection": "selected",
        "access_tokens_url": f"{world.base_url}/app/installations/{installation.id}/access_tokens",
        "repositories_url": f"{world.base_url}/installation/repositories",
        "html_url": f"{world.base_url}/settings/installations/{installation.id}",
        "app_id": app.id,
        "app_slug": app.slug,
        "target_id": account.id,
        "target_type": account.type,
        "permissions": installation.permissions,
        "events": app.events,
        "created_at": timestamp(installation.created),
        "updated_at": timestamp(installation.created),
        "single_file_name": None,
        "has_multiple_single_files": False,
        "single_file_paths": [],
        "suspended_by": None,
        "suspended_at": maybe_timestamp(installation.suspended),
    }
