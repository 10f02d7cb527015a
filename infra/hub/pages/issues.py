"""Pages of issues, and the lists of issues and pull requests."""

from dataclasses import dataclass

from aiohttp import web

from infra.hub.pages.links import links_to_show
from infra.hub.pages.rendering import issue_path
from infra.hub.pages.timeline import timeline
from infra.hub.pages.visit import PageHandler, Visit
from infra.hub.records import Issue, Label, Pull, Repository
from infra.hub.shapes.issues import labels_of

PER_PAGE = 50
STATES = ("open", "closed")


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of a list, and what else there is."""

    pulls: bool
    state: str
    label: str
    counts: dict[str, int]
    items: list[tuple[Issue, list[Label]]]
    drawn: dict[int, Pull]
    page: int
    pages: int


async def list_issues(visit: Visit) -> web.Response:
    return _list(visit, pulls=False)


async def list_pulls(visit: Visit) -> web.Response:
    return _list(visit, pulls=True)


async def show_new_issue(visit: Visit) -> web.Response:
    repository = visit.repository()
    return visit.page("new_issue.html.j2", repository, labels=labels_to_choose(visit, repository))


async def show_issue(visit: Visit) -> web.Response:
    repository = visit.repository()
    issue = visit.issue(repository)
    if issue.is_pull:
        return visit.go(issue_path(issue, repository))
    return visit.page(
        "issue.html.j2",
        repository,
        issue=issue,
        links=links_to_show(visit.world.state, issue),
        labels=labels_of(visit.world, issue),
        choice=labels_to_choose(visit, repository),
        timeline=timeline(visit.world.state, issue),
    )


def labels_to_choose(visit: Visit, repository: Repository) -> list[Label]:
    """List a repository's labels by name."""
    return sorted(visit.world.state.rows(Label, repository.id), key=lambda label: label.name.lower())


def _list(visit: Visit, *, pulls: bool) -> web.Response:
    repository = visit.repository()
    state, label = visit.request.query.get("state", "open"), visit.request.query.get("label", "")
    found = [issue for issue in visit.world.state.rows(Issue, repository.id) if issue.is_pull is pulls]
    labelled = [(issue, labels_of(visit.world, issue)) for issue in reversed(found)]
    if label:
        labelled = [pair for pair in labelled if label.lower() in {one.name.lower() for one in pair[1]}]
    counts = {name: sum(issue.state == name for issue, _ in labelled) for name in STATES}
    listed = [pair for pair in labelled if state not in STATES or pair[0].state == state]
    pages = max(1, -(-len(listed) // PER_PAGE))
    asked = visit.request.query.get("page", "1")
    page = min(int(asked), pages) if asked.isascii() and asked.isdigit() and asked.strip("0") else 1
    shown = listed[(page - 1) * PER_PAGE : page * PER_PAGE]
    drawn = {pull.number: pull for pull in visit.world.state.rows(Pull, repository.id)} if pulls else {}
    listing = Listing(pulls, state, label, counts, shown, drawn, page, pages)
    return visit.page("issues.html.j2", repository, tab="pulls" if pulls else "issues", listing=listing)


PAGES: dict[str, PageHandler] = {
    "/{owner}/{repo}/issues": list_issues,
    "/{owner}/{repo}/pulls": list_pulls,
    "/{owner}/{repo}/issues/new": show_new_issue,
    r"/{owner}/{repo}/issues/{number:\d{1,9}}": show_issue,
}
