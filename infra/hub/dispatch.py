"""From a request to an answer: faults, credentials, the handler, the log."""

import asyncio
import json
import re
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace

from aiohttp import web

from infra.hub.auth import ANONYMOUS, Principal, authenticate
from infra.hub.call import Call, Handler, Route
from infra.hub.errors import ApiError
from infra.hub.wire import Answer, as_of, check_version, to_response
from infra.hub.world import World

WRITES = ("POST", "PUT", "PATCH", "DELETE")
# Those of which GitHub says that creating content too quickly is limited; edits, labels and reactions are none.
CREATES = re.compile(r"/(issues|comments|pulls|replies|reviews|events|sub_issues|blocked_by)$")
MUTATION = re.compile(rb'"query":\s*"(?:\\n|\s)*mutation\b')
CREATING = re.compile(rb"\b(?:createIssue|addComment|addSubIssue|addBlockedBy|addPullRequestReview\w*)\(")
# A request with this header meets no faults: people in tests should see what is, and press each button once.
SPARED = "X-Hub-Spare-Me"
HOURLY = 5000


def mount(app: web.Application, world: World, routes: list[Route]) -> None:
    """Add the API's routes, as on github.com and, below /api/v3, as on an Enterprise server."""
    for method, path, handler in routes:
        for prefix in ("", "/api/v3"):
            app.router.add_route(method, prefix + path, _endpoint(world, handler))


def mount_admin(app: web.Application, world: World, routes: list[Route]) -> None:
    """Add the hub's own routes: no credentials, no faults, no log."""
    for method, path, handler in routes:
        app.router.add_route(method, path, _admin_endpoint(world, handler))


def _endpoint(world: World, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def endpoint(request: web.Request) -> web.StreamResponse:
        request_id = uuid.uuid4().hex.upper()
        principal, response = await _answer(world, request, handler)
        world.state.log_request(
            at=world.now(),
            method=request.method,
            path=request.path,
            query=request.query_string,
            status=response.status,
            principal=principal.name,
        )
        response.headers["X-GitHub-Request-Id"] = request_id
        response.headers["X-GitHub-Media-Type"] = "github.v3; format=json"
        _count(world, principal, response)
        return response

    return endpoint


async def _answer(world: World, request: web.Request, handler: Handler) -> tuple[Principal, web.Response]:
    principal = ANONYMOUS
    try:
        version = check_version(request)
        await asyncio.sleep(world.faults.on.latency_ms / 1000)
        raw = await request.read()
        writes = request.method in WRITES and not _queries(request.path, raw)
        creates = request.method == "POST" and _creates(request.path, raw)
        spared = SPARED in request.headers
        if not spared:
            world.faults.before(world.now(), creates=creates)
        principal = authenticate(world, request.headers.get("Authorization"))
        answer = await handler(Call(world, request, principal, _parse(raw)))
        if writes and not spared:
            world.faults.after_write(f"{request.method} {request.path} {raw.decode(errors='replace')}")
    except ApiError as error:
        return principal, to_response(request, Answer(error.status, error.body, error.headers))
    response = to_response(request, replace(answer, body=as_of(version, answer.body)))
    response.headers["X-GitHub-Api-Version-Selected"] = version
    return principal, response


def _queries(path: str, raw: bytes) -> bool:
    """Tell whether a POST only asks: GraphQL that is no mutation."""
    return path.endswith("/graphql") and MUTATION.search(raw) is None


def _creates(path: str, raw: bytes) -> bool:
    """Tell whether a POST creates content, of which there may be only so much in a minute."""
    return CREATING.search(raw) is not None if path.endswith("/graphql") else CREATES.search(path) is not None


def _admin_endpoint(world: World, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def endpoint(request: web.Request) -> web.StreamResponse:
        try:
            answer = await handler(Call(world, request, ANONYMOUS, _parse(await request.read())))
        except ApiError as error:
            answer = Answer(error.status, error.body, error.headers)
        return to_response(request, answer)

    return endpoint


def _parse(raw: bytes) -> object:
    if not raw:
        return {}
    try:
        return json.loads(raw)
    except ValueError as error:
        raise ApiError(400, "Problems parsing JSON") from error


def _count(world: World, principal: Principal, response: web.Response) -> None:
    hour = int(world.now() // 3600)
    key = f"{hour}/{principal.name}"
    if response.status != 304:
        world.used[key] = world.used.get(key, 0) + 1
    used = world.used.get(key, 0)
    response.headers["X-RateLimit-Limit"] = str(HOURLY)
    response.headers["X-RateLimit-Remaining"] = str(max(0, HOURLY - used))
    response.headers["X-RateLimit-Used"] = str(used)
    response.headers["X-RateLimit-Reset"] = str((hour + 1) * 3600)
    response.headers["X-RateLimit-Resource"] = "core"
