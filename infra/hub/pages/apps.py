"""Pages on which a person makes an App of a manifest, and installs it."""

from dataclasses import replace
from urllib.parse import urlencode, urlsplit

from aiohttp import web

from infra.hub.errors import ApiError, not_found
from infra.hub.manifests import draft, permissions_of, read_manifest
from infra.hub.pages.visit import PageHandler, Visit
from infra.hub.records import App, Installation, Repository, Role, User
from infra.hub.setup import install
from infra.hub.webhooks import emit_installation


async def show_new_app(visit: Visit) -> web.Response:
    """Show what a manifest asks for; nothing is made of it before the person agrees."""
    manifest, owner = read_manifest(visit.typed("manifest")), _owner(visit)
    response = visit.page(
        "new_app.html.j2",
        owner=owner,
        manifest=manifest,
        permissions=permissions_of(manifest),
        name=visit.typed("name") or manifest.get("name", ""),
        state=visit.typed("state") or visit.request.query.get("state", ""),
    )
    return _leading_to(response, manifest.get("redirect_url", ""))


async def create_app(visit: Visit) -> web.Response:
    """Send the person back to where the manifest came from, with a code."""
    manifest = read_manifest(visit.typed("manifest"))
    if not manifest.get("redirect_url"):
        raise ApiError(422, "The manifest has no redirect_url")
    with visit.world.state.transaction():
        made = draft(visit.world, _owner(visit), visit.typed("name"), manifest)
    state = {"state": visit.typed("state")} if visit.typed("state") else {}
    return visit.go(f"{manifest['redirect_url']}?{urlencode({'code': made.code, **state})}")


async def show_install(visit: Visit) -> web.Response:
    app = _app(visit)
    return visit.page("install.html.j2", app=app, account=_account(visit, app), repositories=_repositories(visit, app))


async def install_app(visit: Visit) -> web.Response:
    """Install the App on the repositories that were ticked, with the person as sender."""
    app = _app(visit)
    chosen = [one for one in _repositories(visit, app) if visit.typed(f"repository-{one.id}")]
    if not chosen:
        raise ApiError(422, "Choose at least one repository")
    if not all(visit.world.role(visit.person, one).allows(Role.ADMIN) for one in chosen):
        raise ApiError(403, f"{visit.person.login} may not install Apps here: act as somebody with admin rights")
    with visit.world.state.transaction():
        made = install(visit.world, _account(visit, app), chosen, visit.person, app)
    return visit.go(f"/settings/installations/{made.id}")


async def show_installation(visit: Visit) -> web.Response:
    installation, app = _installation(visit)
    state = visit.world.state
    found = [state.load(Repository, one) for one in installation.repository_ids]
    wanted = dict(app.permissions.items() - installation.permissions.items())
    return visit.page("installation.html.j2", app=app, installation=installation, repositories=found, wanted=wanted)


async def accept_permissions(visit: Visit) -> web.Response:
    """Grant the App all that it asks for by now."""
    installation, app = _installation(visit)
    changed = replace(installation, permissions=app.permissions)
    with visit.world.state.transaction():
        visit.world.state.put(changed)
        said = {"action": "new_permissions_accepted"}
        emit_installation(visit.world, changed, "installation", visit.person, said)
    return visit.go(f"/settings/installations/{changed.id}")


def _owner(visit: Visit) -> User:
    """Find whose App it is to be: the organisation of the path, or who acts. Raises ApiError 404."""
    if "org" not in visit.request.match_info:
        return visit.person
    found = visit.world.state.find(User, visit.param("org"))
    if found is None or found.type != "Organization":
        raise not_found()
    return found


def _app(visit: Visit) -> App:
    found = visit.world.state.find(App, visit.param("slug"))
    if found is None:
        raise not_found()
    return found


def _account(visit: Visit, app: App) -> User:
    """Give the account that a private App can be installed on: that of its owner."""
    return visit.world.state.load(User, app.owner_id)


def _repositories(visit: Visit, app: App) -> list[Repository]:
    """List the account's repositories on which the App is not installed."""
    found = [one for one in visit.world.state.rows(Repository) if one.owner_id == app.owner_id]
    return [one for one in found if visit.world.installation_of(one, app) is None]


def _installation(visit: Visit) -> tuple[Installation, App]:
    found = visit.world.state.get(Installation, int(visit.param("installation_id")))
    if found is None:
        raise not_found()
    return found, visit.world.state.load(App, found.app_id)


def _leading_to(response: web.Response, address: str) -> web.Response:
    """Let the form's answer lead to another origin, which browsers hold to the policy of the page it was sent from."""
    parts = urlsplit(address)
    policy = response.headers["Content-Security-Policy"]
    own = "form-action 'self'"
    if parts.scheme in ("http", "https") and parts.netloc and not set(";, ") & set(parts.netloc):
        response.headers["Content-Security-Policy"] = policy.replace(own, f"{own} {parts.scheme}://{parts.netloc}")
    return response


ARRIVALS: dict[str, PageHandler] = {
    "/settings/apps/new": show_new_app,
    "/organizations/{org}/settings/apps/new": show_new_app,
}
"""Pages that are asked for by a form of another origin; they change nothing."""

PAGES: dict[str, PageHandler] = {
    "/apps/{slug}/installations/new": show_install,
    r"/settings/installations/{installation_id:\d{1,15}}": show_installation,
}

FORMS: dict[str, tuple[PageHandler, PageHandler]] = {
    "/settings/apps": (create_app, show_new_app),
    "/organizations/{org}/settings/apps": (create_app, show_new_app),
    "/apps/{slug}/installations/new": (install_app, show_install),
    r"/settings/installations/{installation_id:\d{1,15}}": (accept_permissions, show_installation),
}
