"""Whom the hub answers: the people of this machine, and not the pages that their browser happens to show.

Any web page may make a browser send requests to loopback. So a name that somebody else's DNS could point here is
refused, a write from another origin is refused, and a form counts only with the token that our own page put into it.
"""

import hashlib
import hmac
import ipaddress
import re
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from infra.hub.errors import ApiError
from infra.hub.world import World

SAFE = ("GET", "HEAD", "OPTIONS")
ARRIVAL = re.compile(r"(/organizations/[^/]+)?/settings/apps/new")  # such a form only has a page shown
TOKEN_FIELD = "form_token"  # noqa: S105 - the name of a form's field


@web.middleware
async def local_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer 403 to a request under a foreign host name, and to a write that a foreign page makes."""
    if not is_local(request.host):
        return _refused(
            f"The host {request.host!r} is not this hub; use its address, as in {request.url.scheme}://127.0.0.1"
        )
    origin = request.headers.get("Origin")
    if ARRIVAL.fullmatch(request.path):
        return await handler(request)
    if request.method not in SAFE and origin is not None and origin != own_origin(request):
        return _refused(f"Writes from {origin!r} are not allowed; use the hub's own page")
    return await handler(request)


def is_local(host: str) -> bool:
    """Tell whether a Host header names this machine by a name that DNS cannot rebind."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def own_origin(request: web.Request) -> str:
    return f"{request.scheme}://{request.host}"


def form_token(world: World) -> str:
    """Give the token of this hub's forms, the same after a restart."""
    return hmac.new(world.key_file.read_bytes(), b"the hub's forms", hashlib.sha256).hexdigest()


def check_form(world: World, request: web.Request, token: str) -> None:
    """Refuse a form that was not sent from the hub's own page. Raises ApiError 403."""
    if request.headers.get("Origin") != own_origin(request):
        raise ApiError(403, "A form counts only if it is sent from the hub's own page")
    if not hmac.compare_digest(token.encode(), form_token(world).encode()):
        raise ApiError(403, "This form is from another hub: load the page again")


def _refused(text: str) -> web.Response:
    return web.Response(status=403, text=f"{text}\n")
