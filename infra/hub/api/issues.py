"""Issues: list, create, read, change, and their events."""

from dataclasses import replace
from typing import Any

from infra.hub.access import actor
from infra.hub.act import Act, add_labels, edit_texts, remove_labels, send_issue, set_state
from infra.hub.api.labels import find_or_create_labels
from infra.hub.call import TOO_LONG, Call, Route
from infra.hub.errors import ApiError, invalid
from infra.hub.records import Issue, IssueEvent, Repository, Role
from infra.hub.shapes.issues import labels_of, show_event, show_issue
from infra.hub.wire import Answer

TITLE_LIMIT = 256
REASONS = ("completed", "not_planned", "duplicate", "reopened", None)
SORTS = {"created": "created", "updated": "updated", "comments": "number"}


def acting(call: Call, repository: Repository) -> Act:
    """Begin a change by the caller. Raises ApiError 403 for an archived repository."""
    if repository.archived:
        raise ApiError(403, "Repository was archived so is read-only.")
    return Act(call.world, repository, actor(call.principal), call.principal.app_id)


async def list_issues(call: Call) -> Answer:
    """List issues and pull requests, newest first unless asked otherwise."""
    repository = call.repository()
    call.require(repository, Role.READ, "read", "issues", "pull_requests")
    found = [i for i in call.state.rows(Issue, repository.id) if _listed(call, i) and call.fresh_enough(i.created)]
    sort = SORTS.get(call.query("sort", "created"), "created")
    found.sort(key=lambda i: (getattr(i, sort), i.number), reverse=call.query("direction", "desc") != "asc")
    return call.page(found, lambda issue: show_issue(call.world, repository, issue))


async def create_issue(call: Call) -> Answer:
    repository = call.repository()
    call.require_voice(repository, "issues")
    act = acting(call, repository)
    title = call.text("Issue", "title", limit=TITLE_LIMIT)
    body = call.maybe_text("Issue", "body", limit=TOO_LONG)
    # Without triage rights, labels are dropped in silence.
    names = label_names(call.fields().get("labels") or []) if _may_triage(call, repository) else []
    with call.state.transaction():
        issue = new_issue(act, title, body)
        labels = find_or_create_labels(act, names)
        # `opened` shows the labels already; each then gets its own `labeled` all the same.
        send_issue(act, call.state.put(replace(issue, label_ids=[label.id for label in labels])), "opened")
        issue = add_labels(act, issue, labels)
        return Answer(201, show_issue(call.world, repository, issue), _location(call, issue))


def new_issue(act: Act, title: str, body: str | None, *, is_pull: bool = False) -> Issue:
    """Write an issue under the repository's next number."""
    state, now = act.world.state, act.world.now()
    return state.put(
        Issue(
            id=state.new_id(),
            repository_id=act.repository.id,
            number=state.count_up(f"number/{act.repository.id}"),
            title=title,
            body=body,
            author_id=act.user.id,
            app_id=act.app_id,
            created=now,
            updated=now,
            is_pull=is_pull,
        )
    )


async def get_issue(call: Call) -> Answer:
    repository = call.repository()
    call.require(repository, Role.READ, "read", "issues", "pull_requests")
    return Answer(200, show_issue(call.world, repository, call.issue(repository)))


async def update_issue(call: Call) -> Answer:
    repository = call.repository()
    issue = call.issue(repository)
    act = acting(call, repository)
    if not (call.principal.app_id is None and issue.author_id == act.user.id):
        call.require(repository, Role.TRIAGE, "write", *permissions_for(issue))
    title = call.text("Issue", "title", limit=TITLE_LIMIT) if call.has("title") else issue.title
    body = call.maybe_text("Issue", "body", limit=TOO_LONG) if call.has("body") else issue.body
    state = call.fields().get("state") or issue.state
    reason = call.fields().get("state_reason")
    if state not in ("open", "closed"):
        raise invalid("Issue", "state")
    if reason not in REASONS:
        raise invalid("Issue", "state_reason")
    labels = call.fields().get("labels")
    with call.state.transaction():
        issue = edit_texts(act, issue, title, body)
        if labels is not None and _may_triage(call, repository):
            issue = replace_labels(act, issue, label_names(labels))
        issue = set_state(act, issue, state, reason or ("completed" if state == "closed" else "reopened"))
        return Answer(200, show_issue(call.world, repository, issue))


async def list_events(call: Call) -> Answer:
    repository = call.repository()
    call.require(repository, Role.READ, "read", "issues", "pull_requests")
    found = call.state.rows(IssueEvent, call.issue(repository).id)
    return call.page(
        [event for event in found if call.fresh_enough(event.created)],
        lambda event: show_event(call.world, repository, event),
    )


def permissions_for(issue: Issue) -> tuple[str, ...]:
    return ("issues", "pull_requests") if issue.is_pull else ("issues",)


def replace_labels(act: Act, issue: Issue, names: list[str]) -> Issue:
    """Make these labels the issue's only ones."""
    wanted = find_or_create_labels(act, names)
    gone = [label for label in labels_of(act.world, issue) if label not in wanted]
    return add_labels(act, remove_labels(act, issue, gone), wanted)


def _may_triage(call: Call, repository: Repository) -> bool:
    return call.allowed(repository, Role.TRIAGE, "write", "issues", "pull_requests")


def label_names(given: Any) -> list[str]:
    """Take label names, given as such or as objects. Raises ApiError 422 for anything else."""
    if not isinstance(given, list):
        raise invalid("Issue", "labels")
    found: list[Any] = [label.get("name") if isinstance(label, dict) else label for label in given]
    if not all(isinstance(name, str) for name in found):
        raise invalid("Issue", "labels")
    return found


def _listed(call: Call, issue: Issue) -> bool:
    state = call.query("state", "open")
    wanted = {name.lower() for name in call.query("labels").split(",") if name}
    names = {label.name.lower() for label in labels_of(call.world, issue)}
    return state in ("all", issue.state) and wanted <= names


def _location(call: Call, issue: Issue) -> dict[str, str]:
    return {"Location": f"{call.world.base_url}{call.request.path}/{issue.number}"}


ROUTES: list[Route] = [
    ("GET", "/repos/{owner}/{repo}/issues", list_issues),
    ("POST", "/repos/{owner}/{repo}/issues", create_issue),
    ("GET", "/repos/{owner}/{repo}/issues/{number}", get_issue),
    ("PATCH", "/repos/{owner}/{repo}/issues/{number}", update_issue),
    ("GET", "/repos/{owner}/{repo}/issues/{number}/events", list_events),
]
