"""Making an App of a manifest: a draft, until its code is exchanged, once and within an hour."""

import json
import re
import secrets
from dataclasses import dataclass
from typing import Any

from infra.hub.access import LEVELS
from infra.hub.errors import ApiError, invalid, not_found
from infra.hub.records import App, Row, User
from infra.hub.setup import ensure_user
from infra.hub.wire import JSON
from infra.hub.world import World, ensure_key

HOUR = 3600
LONGEST_NAME = 34
# Which permission an App must have to be told of an event (docs.github.com, "Webhook events and payloads").
PERMISSION_OF = {
    "check_run": "checks",
    "check_suite": "checks",
    "create": "contents",
    "delete": "contents",
    "issue_comment": "issues",
    "issue_dependencies": "issues",
    "issues": "issues",
    "label": "metadata",
    "member": "members",
    "merge_group": "merge_queues",
    "pull_request": "pull_requests",
    "pull_request_review": "pull_requests",
    "pull_request_review_comment": "pull_requests",
    "pull_request_review_thread": "pull_requests",
    "push": "contents",
    "repository": "metadata",
    "status": "statuses",
    "sub_issues": "issues",
    "workflow_job": "actions",
    "workflow_run": "actions",
}


@dataclass(frozen=True, slots=True)
class Draft(Row):
    """An App that somebody has agreed to, and that nobody has fetched."""

    code: str
    owner_id: int
    name: str
    manifest: dict[str, Any]
    created: float

    @property
    def key(self) -> str:
        return self.code


def read_manifest(text: str) -> JSON:
    """Read the form's field. Raises ApiError 422 for what GitHub would not take."""
    try:
        manifest = json.loads(text)
    except ValueError as error:
        raise ApiError(422, "The manifest is no JSON") from error
    if not isinstance(manifest, dict) or not manifest.get("url"):
        raise invalid("Manifest", "url", "missing_field")
    if "hook_attributes" in manifest and not manifest["hook_attributes"].get("url"):
        raise invalid("Manifest", "hook_attributes.url", "missing_field")
    granted = permissions_of(manifest)
    if not all(level in LEVELS for level in granted.values()):
        raise ApiError(422, "Default permissions are read, write or admin")
    unsupported = [name for name in manifest.get("default_events", ()) if PERMISSION_OF.get(name) not in granted]
    if unsupported:
        raise ApiError(422, f"Default events unsupported: {', '.join(unsupported)}")
    return manifest


def permissions_of(manifest: JSON) -> dict[str, str]:
    """Give what the manifest asks for; GitHub adds `metadata: read`."""
    return {"metadata": "read", **manifest.get("default_permissions", {})}


def slug_of(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def draft(world: World, owner: User, name: str, manifest: JSON) -> Draft:
    """Agree to an App; its code goes to whoever asked. Raises ApiError 422 for a name that cannot be had."""
    name = name.strip()
    if not slug_of(name) or len(name) > LONGEST_NAME:
        raise ApiError(422, f"Name must have letters or digits and at most {LONGEST_NAME} characters")
    if _is_taken(world, slug_of(name)):
        raise ApiError(422, f"Name {name} is already taken")
    made = Draft(world.state.new_id(), secrets.token_hex(20), owner.id, name, manifest, world.now())
    return world.state.put(made)


def exchange(world: World, code: str) -> App:
    """Make the App of a code, which is good for this once. Raises ApiError 404 or 422."""
    found = world.state.find(Draft, code)
    if found is None or found.created < world.now() - HOUR:
        raise not_found()
    slug = slug_of(found.name)
    if _is_taken(world, slug):
        raise ApiError(422, f"Name {found.name} is already taken")
    world.state.delete(found)
    app_id, hook = world.state.new_id(), found.manifest.get("hook_attributes")
    made = App(
        id=app_id,
        slug=slug,
        owner_id=found.owner_id,
        bot_id=ensure_user(world, f"{slug}[bot]", "Bot").id,
        created=world.now(),
        permissions=permissions_of(found.manifest),
        events=list(found.manifest.get("default_events", ())),
        hook_id=world.state.new_id(),
        hook_url=hook["url"] if hook else None,
        hook_secret=secrets.token_hex(20) if hook else "",
        hook_active=bool(hook and hook.get("active", True)),
        name=found.name,
        key_name=f"app-{app_id}.pem",
    )
    ensure_key(world.app_key(made))
    return world.state.put(made)


def _is_taken(world: World, slug: str) -> bool:
    return world.state.find(App, slug) is not None or world.state.find(User, slug) is not None
