"""The App manifest: what GitHub is asked to make, where, and what comes back of it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from app.domain.errors import UserError
from app.domain.permissions import EVENTS, NEEDED

LONGEST_NAME = 34
WEBHOOK_PATH = "/webhook"
DESCRIPTION = "Turns labelled issues into pull requests by running coding agents."
_LOGIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})")


@dataclass(frozen=True, slots=True)
class AppWish:
    """The App that a person wants; of `organization`, or if that is empty of the person's own account.

    Without a `webhook` address (it is empty), GitHub tells the App nothing until it is given one in its settings.
    """

    name: str
    organization: str = ""
    webhook: str = ""


@dataclass(frozen=True, slots=True)
class NewApp:
    """An App that has just come into being, with its secrets, which nobody is shown."""

    app_id: int
    slug: str
    name: str
    url: str
    private_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    client_secret: str = field(repr=False)


def read_wish(given: Mapping[str, str], web_url: str) -> AppWish:
    """Check what a person typed; raises UserError for the first thing that GitHub would refuse.

    A webhook at this machine is taken only if GitHub is the imitation of it that runs here.
    """
    return AppWish(
        name=_name(given.get("name", "")),
        organization=_organization(given) if given.get("owner") == "organization" else "",
        webhook=_webhook(given.get("webhook", ""), local=is_local(web_url)),
    )


def _name(text: str) -> str:
    name = " ".join(text.split())
    if not slug_of(name):
        raise UserError("Give the App a name with letters or digits in it.")
    if len(name) > LONGEST_NAME:
        raise UserError(f"GitHub takes at most {LONGEST_NAME} characters for an App's name; this has {len(name)}.")
    return name


def _organization(given: Mapping[str, str]) -> str:
    login = given.get("organization", "").strip()
    if not _LOGIN.fullmatch(login):
        raise UserError("Give the organisation's login: the part after the slash in the address of its page on GitHub.")
    return login


def _webhook(text: str, *, local: bool) -> str:
    text = text.strip()
    if not text:
        return ""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise UserError(f"The webhook address `{text}` is no address of the web.") from None
    if not host or parts.scheme not in ("http", "https"):
        raise UserError("Write the webhook address in full, as in https://orch.example.org/webhook.")
    if parts.username is not None or parts.query or parts.fragment:
        raise UserError("The webhook address must have no password, no `?` and no `#` in it.")
    if not local and (is_local(text) or parts.scheme != "https"):
        raise UserError(
            "GitHub must reach the webhook address from outside, over https: an address of this machine or a private "
            "network will not do. The help below says how to get one; until then, leave it empty."
        )
    return urlunsplit(parts._replace(path=parts.path if parts.path.strip("/") else WEBHOOK_PATH))


def is_local(url: str) -> bool:
    """Say whether an address leads to this machine or into a private network, as far as its text tells."""
    host = (urlsplit(url).hostname or "").rstrip(".").lower()
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal", ".lan")):
        return True
    try:
        return not ip_address(host).is_global
    except ValueError:
        return "." not in host


def slug_of(name: str) -> str:
    """Return the part of addresses that GitHub makes of an App's name."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def manifest_of(wish: AppWish, project_url: str, redirect_url: str) -> str:
    """Return the manifest as JSON (docs.github.com, "Registering a GitHub App from a manifest").

    The browser comes back to `redirect_url`. The App is private: only its owner's account can install it.
    """
    hook = {"hook_attributes": {"url": wish.webhook, "active": True}} if wish.webhook else {}
    return json.dumps(
        {
            "name": wish.name,
            "url": project_url,
            "description": DESCRIPTION,
            "redirect_url": redirect_url,
            "public": False,
            "default_permissions": {one.name: one.access.value for one in NEEDED},
            "default_events": list(EVENTS),
            **hook,
        }
    )


def form_address(web_url: str, wish: AppWish, state: str) -> str:
    """Return where the browser sends the manifest."""
    owner = f"/organizations/{quote(wish.organization)}" if wish.organization else ""
    return f"{web_url.rstrip('/')}{owner}/settings/apps/new?{urlencode({'state': state})}"


def settings_address(web_url: str, organization: str, slug: str) -> str:
    """Return the page of the App's settings, which only its owner can open; without a slug, of all Apps."""
    owner = f"/organizations/{quote(organization)}" if organization else ""
    return f"{web_url.rstrip('/')}{owner}/settings/apps/{quote(slug)}".rstrip("/")


def install_address(web_url: str, slug: str) -> str:
    """Return the page on which the App is installed on repositories."""
    return f"{web_url.rstrip('/')}/apps/{quote(slug)}/installations/new"
