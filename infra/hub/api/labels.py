"""Labels of a repository."""

import re
from dataclasses import replace

from infra.hub.act import Act
from infra.hub.call import Call, Route
from infra.hub.errors import invalid, not_found
from infra.hub.records import Issue, Label, Repository, Role
from infra.hub.shapes.issues import show_label
from infra.hub.wire import Answer

NAME_LIMIT = 50
DESCRIPTION_LIMIT = 100
DEFAULT_COLOR = "ededed"
COLOR = re.compile(r"[0-9a-fA-F]{6}")


def find_or_create_labels(act: Act, names: list[str]) -> list[Label]:
    """Find labels by name, making the missing ones as GitHub does. Raises ApiError 422 for a name too long."""
    found: list[Label] = []
    for name in names:
        label = act.world.state.find(Label, name, act.repository.id)
        if label is None:
            if not name or len(name) > NAME_LIMIT:
                raise invalid("Label", "name")
            label = act.world.state.put(Label(act.world.state.new_id(), act.repository.id, name, DEFAULT_COLOR))
        if label not in found:
            found.append(label)
    return found


async def list_labels(call: Call) -> Answer:
    repository = call.repository()
    call.require(repository, Role.READ, "read", "issues", "pull_requests")
    found = sorted(call.state.rows(Label, repository.id), key=lambda label: label.name.lower())
    return call.page(found, lambda label: show_label(call.world, repository, label))


async def create_label(call: Call) -> Answer:
    repository = _writable(call)
    name = call.text("Label", "name", limit=NAME_LIMIT)
    if call.state.find(Label, name, repository.id) is not None:
        raise invalid("Label", "name", "already_exists")
    color = _color(call, DEFAULT_COLOR)
    description = call.maybe_text("Label", "description", limit=DESCRIPTION_LIMIT)
    with call.state.transaction():
        label = call.state.put(Label(call.state.new_id(), repository.id, name, color, description))
    return Answer(201, show_label(call.world, repository, label))


async def get_label(call: Call) -> Answer:
    repository = call.repository()
    call.require(repository, Role.READ, "read", "issues", "pull_requests")
    return Answer(200, show_label(call.world, repository, _find(call, repository)))


async def update_label(call: Call) -> Answer:
    repository = _writable(call)
    label = _find(call, repository)
    name = call.text("Label", "new_name", limit=NAME_LIMIT) if call.has("new_name") else label.name
    taken = call.state.find(Label, name, repository.id)
    if taken is not None and taken.id != label.id:
        raise invalid("Label", "name", "already_exists")
    description = label.description
    if call.has("description"):
        description = call.maybe_text("Label", "description", limit=DESCRIPTION_LIMIT)
    with call.state.transaction():
        changed = call.state.put(replace(label, name=name, color=_color(call, label.color), description=description))
    return Answer(200, show_label(call.world, repository, changed))


async def delete_label(call: Call) -> Answer:
    """Delete a label, and take it off every issue."""
    repository = _writable(call)
    label = _find(call, repository)
    with call.state.transaction():
        for issue in call.state.rows(Issue, repository.id):
            if label.id in issue.label_ids:
                call.state.put(replace(issue, label_ids=[i for i in issue.label_ids if i != label.id]))
        call.state.delete(label)
    return Answer(204)


def _writable(call: Call) -> Repository:
    repository = call.repository()
    call.require(repository, Role.WRITE, "write", "issues", "pull_requests")
    return repository


def _find(call: Call, repository: Repository) -> Label:
    label = call.state.find(Label, call.param("name"), repository.id)
    if label is None:
        raise not_found()
    return label


def _color(call: Call, default: str) -> str:
    color = call.maybe_text("Label", "color")
    if color is None:
        return default
    if COLOR.fullmatch(color) is None:
        raise invalid("Label", "color")
    return color.lower()


ROUTES: list[Route] = [
    ("GET", "/repos/{owner}/{repo}/labels", list_labels),
    ("POST", "/repos/{owner}/{repo}/labels", create_label),
    ("GET", "/repos/{owner}/{repo}/labels/{name:.+}", get_label),
    ("PATCH", "/repos/{owner}/{repo}/labels/{name:.+}", update_label),
    ("DELETE", "/repos/{owner}/{repo}/labels/{name:.+}", delete_label),
]
