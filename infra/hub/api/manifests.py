"""An App comes into being, and what everybody and what itself may know of it."""

import secrets
from dataclasses import replace

from infra.hub.call import Call, Route
from infra.hub.errors import not_found
from infra.hub.manifests import exchange
from infra.hub.records import App
from infra.hub.shapes.users import show_app
from infra.hub.wire import JSON, Answer

HIDDEN = "********"


async def convert_manifest(call: Call) -> Answer:
    """Exchange the code for the App, with all its secrets; this is the only time that they are told."""
    with call.state.transaction():
        app = exchange(call.world, call.param("code"))
    told = {
        "client_secret": secrets.token_hex(20),
        "webhook_secret": app.hook_secret or None,
        "pem": call.world.app_key(app).read_text(),
    }
    return Answer(201, show_app(call.world, app) | told)


async def get_app_by_slug(call: Call) -> Answer:
    app = call.state.find(App, call.param("app_slug"))
    if app is None:
        raise not_found()
    return Answer(200, show_app(call.world, app))


async def get_hook_config(call: Call) -> Answer:
    return Answer(200, show_hook_config(call.require_app()))


async def update_hook_config(call: Call) -> Answer:
    """Change where webhooks go, and what they are signed with."""
    app, given = call.require_app(), call.fields()
    changed = {"hook_url": given.get("url", app.hook_url), "hook_secret": given.get("secret", app.hook_secret)}
    with call.state.transaction():
        return Answer(200, show_hook_config(call.state.put(replace(app, **changed))))


def show_hook_config(app: App) -> JSON:
    shown = {"content_type": "json", "insecure_ssl": "0", "url": app.hook_url or ""}
    return shown | ({"secret": HIDDEN} if app.hook_secret else {})


ROUTES: list[Route] = [
    ("POST", "/app-manifests/{code}/conversions", convert_manifest),
    ("GET", "/apps/{app_slug}", get_app_by_slug),
    ("GET", "/app/hook/config", get_hook_config),
    ("PATCH", "/app/hook/config", update_hook_config),
]
