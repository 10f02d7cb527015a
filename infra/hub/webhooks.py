"""Writing webhooks down: the payload, and a pending delivery in the same transaction as the change."""

import hashlib
import hmac
import json
import uuid

from infra.hub.records import App, Delivery, Installation, Repository, User
from infra.hub.shapes.repositories import show_repository
from infra.hub.shapes.users import node_id, show_installation, show_user
from infra.hub.wire import JSON
from infra.hub.world import World

EVENTS = [
    "check_run",
    "check_suite",
    "issues",
    "issue_comment",
    "issue_dependencies",
    "pull_request",
    "pull_request_review",
    "pull_request_review_comment",
    "pull_request_review_thread",
    "push",
    "repository",
    "status",
    "sub_issues",
    "workflow_run",
]


def emit(world: World, repository: Repository, event: str, sender: User, payload: JSON) -> None:
    """Send a repository's event to the Apps that are installed there and subscribed."""
    owner = world.state.load(User, repository.owner_id)
    about = {"repository": show_repository(world, repository)}
    if owner.type == "Organization":
        about["organization"] = show_organization(world, owner)
    for installation in world.installations_of(repository):
        if installation.suspended is not None or event not in world.state.load(App, installation.app_id).events:
            continue
        node = node_id("IntegrationInstallation", installation.id)
        about["installation"] = {"id": installation.id, "node_id": node}
        _write(world, installation, event, payload | about | {"sender": show_user(world, sender)}, repository.id)


def emit_installation(world: World, installation: Installation, event: str, sender: User, payload: JSON) -> None:
    """Send an installation's own event, to which every App is subscribed."""
    about = {"installation": show_installation(world, installation), "sender": show_user(world, sender)}
    _write(world, installation, event, payload | about)


def redeliver(world: World, delivery: Delivery) -> Delivery:
    """Queue a delivery again, under the same GUID."""
    world.changed.set()
    return world.state.put(
        Delivery(
            id=world.state.new_id(),
            app_id=delivery.app_id,
            guid=delivery.guid,
            event=delivery.event,
            action=delivery.action,
            installation_id=delivery.installation_id,
            repository_id=delivery.repository_id,
            payload=delivery.payload,
            created=world.now(),
            redelivery=True,
        )
    )


def show_organization(world: World, owner: User) -> JSON:
    url = f"{world.base_url}/orgs/{owner.login}"
    return {
        "login": owner.login,
        "id": owner.id,
        "node_id": node_id("Organization", owner.id),
        "url": url,
        **{f"{name}_url": f"{url}/{name}" for name in ("repos", "events", "hooks", "issues")},
        "members_url": f"{url}/members{{/member}}",
        "public_members_url": f"{url}/public_members{{/member}}",
        "avatar_url": f"{world.base_url}/avatars/{owner.id}",
        "description": None,
    }


def delivery_headers(app: App, delivery: Delivery) -> dict[str, str]:
    """Give the headers of a delivery, signed over the payload's bytes."""
    return {
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/hub",
        "X-GitHub-Delivery": delivery.guid,
        "X-GitHub-Event": delivery.event,
        "X-GitHub-Hook-ID": str(app.hook_id),
        "X-GitHub-Hook-Installation-Target-ID": str(app.id),
        "X-GitHub-Hook-Installation-Target-Type": "integration",
        "X-Hub-Signature": f"sha1={_sign(app, delivery, 'sha1')}",
        "X-Hub-Signature-256": f"sha256={_sign(app, delivery, 'sha256')}",
    }


def _sign(app: App, delivery: Delivery, digest: str) -> str:
    return hmac.new(app.hook_secret.encode(), delivery.payload.encode(), getattr(hashlib, digest)).hexdigest()


def _write(
    world: World, installation: Installation, event: str, payload: JSON, repository_id: int | None = None
) -> None:
    app, faults = world.state.load(App, installation.app_id), world.faults
    if app.hook_url is None or not app.hook_active or faults.chance(faults.on.webhook_drop_rate):
        return
    world.state.put(
        Delivery(
            id=world.state.new_id(),
            app_id=app.id,
            guid=str(uuid.uuid4()),
            event=event,
            action=payload.get("action"),
            installation_id=installation.id,
            repository_id=repository_id,
            payload=json.dumps(payload, ensure_ascii=False),
            created=world.now(),
        )
    )
    world.changed.set()
