"""Sub-issues by GraphQL: a parent's whole list with its blockers in one answer, and one made under its parent.

Answers hold what Orch's documents ask for and no more, so that nothing is read here that GitHub would not send.
What the caller may not see is null in a list.
"""

from typing import TypeVar

from infra.hub.access import find_repository
from infra.hub.act import send_issue
from infra.hub.api.issues import TITLE_LIMIT, acting, new_issue
from infra.hub.api.looking import find_graphql_issue
from infra.hub.api.sub_issues import visible
from infra.hub.api.threads import id_of_node
from infra.hub.call import TOO_LONG, Call
from infra.hub.errors import ApiError
from infra.hub.link_rules import MOST_DEPENDENCIES, MOST_SUB_ISSUES
from infra.hub.linking import add_sub_issue
from infra.hub.links import blockers_of, sub_issues_of
from infra.hub.records import Issue, Record, Ref, Repository, Role
from infra.hub.refs import HEADS
from infra.hub.wire import JSON

R = TypeVar("R", bound=Record)


async def list_children(call: Call, variables: JSON) -> JSON:
    """Show an issue's sub-issues, with their texts if `bodies`; `owner`, `name`, `number`."""
    repository = find_repository(call.world, call.principal, variables["owner"], variables["name"])
    call.require(repository, Role.READ, "read", "issues")
    parent = find_graphql_issue(call, repository, int(variables["number"]))
    found = sub_issues_of(call.state, parent)[:MOST_SUB_ISSUES]
    shown = [_show_child(call, one, bodies=variables["bodies"]) if visible(call, one) else None for one in found]
    return {"repository": {"issue": {"subIssues": {"nodes": shown}}}}


async def create_child(call: Call, variables: JSON) -> JSON:
    """Open an issue under a parent; `repository` and `parent` as node ids, `title`, `body`."""
    repository, parent = _at(call, Repository, variables["repository"]), _at(call, Issue, variables["parent"])
    call.require_voice(repository, "issues")
    call.require(call.state.load(Repository, parent.repository_id), Role.TRIAGE, "write", "issues")
    title, body = _texts(variables)
    act = acting(call, repository)
    with call.state.transaction():
        issue = new_issue(act, title, body)
        # `opened` shows no parent yet; nobody should count on it there.
        send_issue(act, issue, "opened")
        add_sub_issue(act, parent, issue)
    return {"createIssue": {"issue": _show_linked(call, issue)}}


def _at(call: Call, kind: type[R], given: str) -> R:
    """Find a row by its node id. Raises ApiError 404, in GraphQL's words."""
    found = call.state.get(kind, id_of_node(kind.__name__, given))
    if found is None:
        raise ApiError(404, f"Could not resolve to a node with the global id of '{given}'")
    return found


def _texts(variables: JSON) -> tuple[str, str]:
    title, body = variables["title"], variables["body"] or ""
    if not title.strip():
        raise ApiError(422, "Title can't be blank")
    if len(title) > TITLE_LIMIT:
        raise ApiError(422, f"Title is too long (maximum is {TITLE_LIMIT} characters)")
    if len(body) > TOO_LONG:
        raise ApiError(422, f"Body is too long (maximum is {TOO_LONG} characters)")
    return title, body


def _show_child(call: Call, issue: Issue, *, bodies: bool) -> JSON:
    found = blockers_of(call.state, issue)[:MOST_DEPENDENCIES]
    blockers = [_show_linked(call, one) if visible(call, one) else None for one in found]
    return {
        **_show_linked(call, issue),
        **({"body": issue.body or ""} if bodies else {}),
        "author": {"databaseId": issue.author_id},
        "blockedBy": {"nodes": blockers},
    }


def _show_linked(call: Call, issue: Issue) -> JSON:
    return {
        "fullDatabaseId": str(issue.id),
        "number": issue.number,
        "title": issue.title,
        "state": issue.state.upper(),
        "stateReason": issue.state_reason.upper() if issue.state_reason else None,
        "repository": _show_repository(call, call.state.load(Repository, issue.repository_id)),
    }


def _show_repository(call: Call, repository: Repository) -> JSON:
    branch = call.state.find(Ref, HEADS + repository.default_branch, repository.id)
    return {
        "databaseId": repository.id,
        "name": repository.name,
        "owner": {"login": repository.owner},
        "defaultBranchRef": None if branch is None else {"name": repository.default_branch},
    }
