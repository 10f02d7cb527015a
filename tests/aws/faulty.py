"""A proxy before AWS on loopback that does not always pass on what is asked, or what is answered."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from infra.aws.clients import Clients
from tests.aws.stack import Stack

HOP_BY_HOP = {"connection", "content-encoding", "content-length", "keep-alive", "transfer-encoding"}

Forward = Callable[[], Awaitable[web.Response]]
"""Pass a request on, and return the answer."""
Fault = Callable[[web.Request, Forward], Awaitable[web.StreamResponse]]
"""What becomes of a request; whoever it befalls may not be passed on, or not be answered."""


async def throttle(request: web.Request, _forward: Forward) -> web.StreamResponse:
    """Refuse as AWS does when it is asked too much; nothing is done."""
    match request.headers.get("X-Amz-Target", "").partition("_")[0]:
        case "":
            text = "<Error><Code>SlowDown</Code><Message>slower</Message></Error>"
            return web.Response(text=text, status=503, content_type="application/xml")
        case "DynamoDB":
            return refusal(400, "ProvisionedThroughputExceededException")
        case _:
            return refusal(400, "RequestThrottled")


async def fail(_request: web.Request, _forward: Forward) -> web.StreamResponse:
    """Answer 500; nothing is done."""
    return refusal(500, "InternalServerError")


def cutting(first: Callable[[], Awaitable[object]]) -> Fault:
    """Let something else happen, and end the connection; nothing is done of what was asked."""

    async def fault(request: web.Request, _forward: Forward) -> web.StreamResponse:
        await first()
        return _hang_up(request)

    return fault


def losing(then: Callable[[], Awaitable[object]]) -> Fault:
    """Do what was asked, let something else happen, and end the connection instead of answering."""

    async def fault(request: web.Request, forward: Forward) -> web.StreamResponse:
        await forward()
        await then()
        return _hang_up(request)

    return fault


def late(then: Callable[[], Awaitable[object]]) -> Fault:
    """Do what was asked, and answer after something else has happened."""

    async def fault(_request: web.Request, forward: Forward) -> web.StreamResponse:
        answer = await forward()
        await then()
        return answer

    return fault


async def do_and_fail(_request: web.Request, forward: Forward) -> web.StreamResponse:
    """Do what was asked, and answer 500."""
    await forward()
    return refusal(500, "InternalServerError")


async def _nothing() -> None: ...


cut = cutting(_nothing)
"""End the connection; nothing is done."""
lose = losing(_nothing)
"""Do what was asked, and end the connection instead of answering."""


@dataclass(slots=True)
class Proxy:
    """A proxy at an address of its own. It is told which fault befalls what; `befell` counts that, and `asked` all.

    Requests go by their operations (`PutItem`, `SendMessage`), those to S3 by their methods (`PUT`).
    """

    endpoint: str = ""
    asked: Counter[str] = field(default_factory=Counter)
    befell: Counter[str] = field(default_factory=Counter)
    _chosen: Callable[[str], Fault | None] = lambda _operation: None

    def heal(self) -> None:
        """Let nothing befall anything from now on, and begin to count anew."""
        self._chosen = lambda _operation: None
        self.asked.clear()
        self.befell.clear()

    def every(self, times: int, *faults: Fault, of: str = "") -> None:
        """Let each so-manieth request, or each of an operation, befall one of the faults in turn."""
        count = 0

        def choose(operation: str) -> Fault | None:
            nonlocal count
            if of and operation != of:
                return None
            count += 1
            return None if count % times else faults[count // times % len(faults)]

        self._chosen = choose

    def next(self, *faults: Fault, of: str) -> None:
        """Let the next requests for an operation befall these faults, one each, and nothing any other."""
        left = list(faults)
        self._chosen = lambda operation: left.pop(0) if operation == of and left else None

    async def handle(self, request: web.Request, forward: Forward) -> web.StreamResponse:
        """Answer a request."""
        operation = request.headers.get("X-Amz-Target", "").rpartition(".")[2] or request.method
        self.asked[operation] += 1
        fault = self._chosen(operation)
        if fault is None:
            return await forward()
        self.befell[operation] += 1
        return await fault(request, forward)


@dataclass(frozen=True, slots=True)
class Ways:
    """Two ways to the same AWS: `clients` through a proxy, `direct` past it."""

    proxy: Proxy
    clients: Clients
    direct: Clients


@asynccontextmanager
async def two_ways(stack: Stack) -> AsyncIterator[Ways]:
    """Open both ways; a module's tests may share them, for to make clients takes longer than most tests."""
    async with faulty(stack.endpoint) as proxy:
        through = Stack(proxy.endpoint, stack.process)
        with through.clients() as clients, stack.clients() as direct:
            yield Ways(proxy, clients, direct)


@asynccontextmanager
async def faulty(endpoint: str) -> AsyncIterator[Proxy]:
    """Start a proxy before an endpoint, which passes all on until it is told otherwise."""
    proxy = Proxy()
    async with aiohttp.ClientSession(auto_decompress=False) as session:

        async def answer(request: web.Request) -> web.StreamResponse:
            body = await request.read()
            return await proxy.handle(request, lambda: forward(session, endpoint, request, body))

        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", "/{path:.*}", answer)
        async with TestServer(app) as server:
            proxy.endpoint = str(server.make_url("")).rstrip("/")
            yield proxy


async def forward(session: aiohttp.ClientSession, endpoint: str, request: web.Request, body: bytes) -> web.Response:
    """Ask the endpoint what was asked here."""
    headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
    address = URL(f"{endpoint}{request.raw_path}", encoded=True)
    async with session.request(request.method, address, headers=headers, data=body) as answer:
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP}
        return web.Response(status=answer.status, headers=kept, body=await answer.read())


def refusal(status: int, code: str, **more: object) -> web.Response:
    """Answer as DynamoDB and SQS do when they refuse."""
    body = {"__type": code, "message": "not now", **more}
    return web.json_response(body, status=status, content_type="application/x-amz-json-1.0")


def _hang_up(request: web.Request) -> web.StreamResponse:
    assert request.transport
    request.transport.close()
    return web.Response()
