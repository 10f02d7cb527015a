"""The hub's page: what a person sees of it, and does there."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from aiohttp import web
from jinja2 import Environment

from infra.hub.errors import ApiError
from infra.hub.pages import acting, apps, commits, deliveries, home, issues, pulls
from infra.hub.pages.guard import TOKEN_FIELD, check_form
from infra.hub.pages.rendering import make_templates
from infra.hub.pages.visit import PageHandler, Visit
from infra.hub.world import World

PAGES = {**home.PAGES, **apps.PAGES, **issues.PAGES, **pulls.PAGES, **commits.PAGES, **deliveries.PAGES}
# What the API answers to a person who lacks a right, or may not even see the repository.
NOT_ALLOWED = ("Must have admin rights to Repository.", "Not Found")
STYLE = Path(__file__).parent / "style.css"
# First parts of the API's paths; on GitHub nobody can have such a name either, so no repository is hidden by this.
RESERVED = "_hub|api|app|apps|installation|organizations|orgs|repos|settings|user|users"
OWNER = "{owner:(?!(?:" + RESERVED + ")/)[^/]+}"


def mount_pages(app: web.Application, world: World) -> None:
    """Add the pages, beside the API, whose paths they leave alone."""
    templates = make_templates(world)
    for path, page in PAGES.items():
        app.router.add_get(_full(path), _page(world, templates, page))
    for path, page in apps.ARRIVALS.items():
        app.router.add_post(path, _arrival(world, templates, page))
    for path, (act, shown_again) in {**acting.FORMS, **apps.FORMS}.items():
        app.router.add_post(_full(path), _form(world, templates, act, shown_again))
    app.router.add_get("/_hub/style.css", _style)


def _full(path: str) -> str:
    return path.replace("{owner}", OWNER)


def _page(
    world: World, templates: Environment, page: PageHandler
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def endpoint(request: web.Request) -> web.StreamResponse:
        return await _shown(page, Visit(world, request, templates))

    return endpoint


def _arrival(
    world: World, templates: Environment, page: PageHandler
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def endpoint(request: web.Request) -> web.StreamResponse:
        visit = Visit(world, request, templates)
        try:
            visit = replace(visit, form=await _fields(request))
        except ApiError as error:
            return _refusal(visit, error)
        return await _shown(page, visit)

    return endpoint


def _form(
    world: World, templates: Environment, act: PageHandler, shown_again: PageHandler
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def endpoint(request: web.Request) -> web.StreamResponse:
        visit = Visit(world, request, templates)
        try:
            visit = replace(visit, form=await _fields(request))
            check_form(world, request, visit.typed(TOKEN_FIELD))
        except ApiError as error:
            return _refusal(visit, error)
        try:
            return await act(visit)
        except ApiError as error:
            again = replace(visit, problem=explain(error, visit.person.login), status=error.status)
            return await _shown(shown_again, again)

    return endpoint


async def _shown(page: PageHandler, visit: Visit) -> web.Response:
    try:
        return await page(visit)
    except ApiError as error:
        return _refusal(visit, error)


def _refusal(visit: Visit, error: ApiError) -> web.Response:
    reason = f"There is nothing at {visit.request.path}" if error.status == 404 else str(error)
    return replace(visit, status=error.status, problem=None).page("refusal.html.j2", reason=reason)


async def _fields(request: web.Request) -> dict[str, str]:
    try:
        given = await request.post()
    except ValueError as error:
        raise ApiError(400, "The form cannot be read: send it from the hub's own page") from error
    return {name: value for name, value in given.items() if isinstance(value, str)}


async def _style(_: web.Request) -> web.StreamResponse:
    return web.FileResponse(STYLE, headers={"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"})


def explain(error: ApiError, login: str) -> str:
    """Say in one line for a person what GitHub says to a program."""
    if str(error) in NOT_ALLOWED:
        return f"{login} may not do this here: act as somebody with more rights"
    return "; ".join(_explained(one) for one in error.body.get("errors", [])) or str(error)


def _explained(one: dict[str, str] | str) -> str:
    if isinstance(one, str):
        return one
    return one.get("message") or f"{one.get('field', 'this')} is {one['code'].removesuffix('_field').replace('_', ' ')}"
