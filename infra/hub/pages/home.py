"""The first page: repositories, and what happened last."""

from aiohttp import web

from infra.hub.pages.timeline import latest_activity
from infra.hub.pages.visit import PageHandler, Visit
from infra.hub.records import Issue, Repository


async def show_home(visit: Visit) -> web.Response:
    state = visit.world.state
    repositories = sorted(state.rows(Repository), key=lambda repository: repository.full_name.lower())
    counted = [(repository, state.count(Issue, repository.id, "open")) for repository in repositories]
    return visit.page("home.html.j2", repositories=counted, activity=latest_activity(state))


async def show_repository(visit: Visit) -> web.Response:
    name = visit.param("repo").removesuffix(".git")
    return visit.go(f"/{visit.param('owner')}/{name}/issues")


PAGES: dict[str, PageHandler] = {
    "/": show_home,
    "/{owner}/{repo}": show_repository,
}
