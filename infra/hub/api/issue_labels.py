"""Labels on an issue."""

from typing import Any

from infra.hub.act import Act, add_labels, remove_labels
from infra.hub.api.issues import acting, label_names, permissions_for, replace_labels
from infra.hub.api.labels import find_or_create_labels
from infra.hub.api.threads import id_of_node
from infra.hub.call import Call, Route
from infra.hub.errors import ApiError, invalid
from infra.hub.records import Issue, Label, Repository, Role
from infra.hub.shapes.issues import labels_of, show_labels
from infra.hub.wire import JSON, Answer


async def list_issue_labels(call: Call) -> Answer:
    repository = call.repository()
    call.require(repository, Role.READ, "read", "issues", "pull_requests")
    return call.page(show_labels(call.world, repository, call.issue(repository)), lambda shown: shown)


async def add_issue_labels(call: Call) -> Answer:
    act, issue = _begin(call)
    names = _names(call)
    with call.state.transaction():
        issue = add_labels(act, issue, find_or_create_labels(act, names))
        return Answer(200, show_labels(call.world, act.repository, issue))


async def set_issue_labels(call: Call) -> Answer:
    act, issue = _begin(call)
    names = _names(call)
    with call.state.transaction():
        issue = replace_labels(act, issue, names)
        return Answer(200, show_labels(call.world, act.repository, issue))


async def remove_issue_label(call: Call) -> Answer:
    act, issue = _begin(call)
    label = call.state.find(Label, call.param("name"), act.repository.id)
    if label is None or label.id not in issue.label_ids:
        raise ApiError(404, "Label does not exist")
    with call.state.transaction():
        issue = remove_labels(act, issue, [label])
        return Answer(200, show_labels(call.world, act.repository, issue))


async def remove_issue_labels(call: Call) -> Answer:
    act, issue = _begin(call)
    with call.state.transaction():
        remove_labels(act, issue, labels_of(call.world, issue))
    return Answer(204)


async def change_labels(call: Call, variables: JSON) -> JSON:
    """Put labels on and take others off, for GraphQL; `issue`, and lists of labels `on` and `off`, all as node ids."""
    issue = call.state.get(Issue, id_of_node("Issue", variables["issue"]))
    repository = call.state.get(Repository, issue.repository_id) if issue else None
    if issue is None or repository is None:
        raise ApiError(404, f"Could not resolve to a node with the global id of '{variables['issue']}'")
    call.require(repository, Role.TRIAGE, "write", *permissions_for(issue))
    on, off = ([_label(call, repository, node) for node in variables[name]] for name in ("on", "off"))
    with call.state.transaction():
        act = acting(call, repository)
        remove_labels(act, add_labels(act, issue, on), off)
    return {"on": {"clientMutationId": None}, "off": {"clientMutationId": None}}


def _label(call: Call, repository: Repository, node: str) -> Label:
    label = call.state.get(Label, id_of_node("Label", node))
    if label is None or label.repository_id != repository.id:
        raise ApiError(404, f"Could not resolve to a node with the global id of '{node}'")
    return label


def _begin(call: Call) -> tuple[Act, Issue]:
    repository = call.repository()
    issue = call.issue(repository)
    call.require(repository, Role.TRIAGE, "write", *permissions_for(issue))
    return acting(call, repository), issue


def _names(call: Call) -> list[str]:
    """Take the names out of `{"labels": [...]}` or a bare list, given as such or as objects."""
    given: Any = call.body.get("labels") if isinstance(call.body, dict) else call.body
    if not isinstance(given, list):
        raise invalid("Label", "labels", "missing_field")
    return label_names(given)


ROUTES: list[Route] = [
    ("GET", "/repos/{owner}/{repo}/issues/{number}/labels", list_issue_labels),
    ("POST", "/repos/{owner}/{repo}/issues/{number}/labels", add_issue_labels),
    ("PUT", "/repos/{owner}/{repo}/issues/{number}/labels", set_issue_labels),
    ("DELETE", "/repos/{owner}/{repo}/issues/{number}/labels", remove_issue_labels),
    ("DELETE", "/repos/{owner}/{repo}/issues/{number}/labels/{name:.+}", remove_issue_label),
]
