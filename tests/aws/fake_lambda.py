"""Lambda on loopback: containers are processes of AWS's own runtime client, which this answers as Lambda does."""

import asyncio
import json
import os
import sys
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from aiohttp import web
from aiohttp.test_utils import TestServer

from infra.aws.clients import Clients, RefusedByAws

TREE = Path(__file__).parents[2]
RUNTIME = "/2018-06-01/runtime"
NEVER = 30.0
"""Seconds that a container may take to start; Lambda gives it ten."""


@dataclass(frozen=True, slots=True)
class Invoked:
    """What a function answered; `failed` says that it is an error."""

    payload: bytes
    failed: bool = False

    @property
    def value(self) -> Any:
        """Return what the function returned."""
        assert not self.failed, self.payload
        return json.loads(self.payload)


@dataclass(slots=True)
class _Call:
    event: bytes
    seconds: float
    id: str = field(default_factory=lambda: str(uuid4()))
    began: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    answer: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Container:
    """One process of a function, which does one call at a time."""

    def __init__(self, function: "Function") -> None:
        self._function = function
        self._calls = asyncio.Queue[_Call]()
        self._call: _Call | None = None
        self._server = TestServer(self._app())
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        await self._server.start_server()
        function = self._function
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(function.folder),
            "PYTHONPATH": str(TREE),
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.port}",
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "LAMBDA_TASK_ROOT": str(TREE),
            **function.environment,
        }
        with function.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "awslambdaric",
                function.handler,
                cwd=function.folder,
                env=environment,
                stdout=log,
                stderr=log,
            )

    async def invoke(self, event: bytes, seconds: float) -> Invoked:
        """Have one event handled; the process is killed when its time is up."""
        call = _Call(event, seconds)
        self._calls.put_nowait(call)
        assert self._process
        ending = asyncio.ensure_future(self._process.wait())
        try:
            for step, limit in ((call.began, NEVER), (call.answer, seconds)):
                await asyncio.wait([step, call.answer, ending], timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ending.cancel()
        if call.answer.done():
            answered: Invoked = call.answer.result()
            return answered
        if not self.is_alive:
            return _error("Runtime.ExitError", "Runtime exited")
        await self.stop()
        return _error("Sandbox.Timedout", f"Task timed out after {seconds:.2f} seconds")

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def stop(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        await self._server.close()

    def _app(self) -> web.Application:
        app = web.Application(client_max_size=1 << 24)
        app.router.add_get(f"{RUNTIME}/invocation/next", self._next)
        app.router.add_post(RUNTIME + "/invocation/{id}/response", self._response)
        app.router.add_post(RUNTIME + "/invocation/{id}/error", self._error)
        app.router.add_post(f"{RUNTIME}/init/error", self._error)
        return app

    async def _next(self, _request: web.Request) -> web.Response:
        self._call = await self._calls.get()
        self._call.began.set_result(None)
        headers = {
            "Lambda-Runtime-Aws-Request-Id": self._call.id,
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + self._call.seconds) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": f"arn:aws:lambda:here:0:function:{self._function.name}",
        }
        return web.Response(body=self._call.event, headers=headers, content_type="application/json")

    async def _response(self, request: web.Request) -> web.Response:
        return await self._take(Invoked(await request.read()))

    async def _error(self, request: web.Request) -> web.Response:
        return await self._take(Invoked(await request.read(), failed=True))

    async def _take(self, invoked: Invoked) -> web.Response:
        call, self._call = self._call, None
        if call is None:  # it did not come so far as to ask for one
            call = await self._calls.get()
        if not call.answer.done():
            call.answer.set_result(invoked)
        return web.json_response({"status": "OK"}, status=202)


@dataclass(slots=True)
class Function:
    """A function with as many containers as are at work at once. Times are in seconds."""

    name: str
    handler: str
    environment: Mapping[str, str]
    folder: Path
    seconds: float = 60
    starts: int = 0
    _idle: list[Container] = field(default_factory=list)
    _all: list[Container] = field(default_factory=list)

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    async def invoke(self, event: object) -> Invoked:
        """Call the function with an event, and return what it answers."""
        container = self._idle.pop() if self._idle else await self._start()
        invoked = await container.invoke(
            event if isinstance(event, bytes) else json.dumps(event).encode(), self.seconds
        )
        if container.is_alive:
            self._idle.append(container)
        return invoked

    async def _start(self) -> Container:
        container = Container(self)
        self._all.append(container)
        self.starts += 1
        await container.start()
        return container

    async def stop(self) -> None:
        """End its containers."""
        for container in self._all:
            await container.stop()
        self._idle.clear()
        self._all.clear()


def _error(kind: str, message: str) -> Invoked:
    return Invoked(json.dumps({"errorType": kind, "errorMessage": message}).encode(), failed=True)


@asynccontextmanager
async def lambda_api(*functions: Function) -> AsyncIterator[str]:
    """Serve Lambda's own API for these functions: the address is for AWS_ENDPOINT_URL_LAMBDA."""
    named = {function.name: function for function in functions}

    async def invoke(request: web.Request) -> web.Response:
        invoked = await named[request.match_info["name"]].invoke(await request.read())
        headers = {"X-Amz-Function-Error": "Unhandled"} if invoked.failed else {}
        return web.Response(body=invoked.payload, headers=headers, content_type="application/json")

    app = web.Application(client_max_size=1 << 24)
    app.router.add_post("/2015-03-31/functions/{name}/invocations", invoke)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


@asynccontextmanager
async def function_url(function: Function, port: int) -> AsyncIterator[None]:
    """Hand all requests to a port over to a function, as a function URL or an HTTP API does."""

    async def answer(request: web.Request) -> web.Response:
        answered = (await function.invoke(await _http_event(request))).value
        return web.Response(status=answered["statusCode"], text=answered.get("body", ""), headers=answered["headers"])

    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app, port=port):
        yield


async def _http_event(request: web.Request) -> dict[str, Any]:
    body = await request.read()
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": request.path,
        "rawQueryString": request.query_string,
        "headers": {name.lower(): value for name, value in request.headers.items()},
        "requestContext": {
            "accountId": "anonymous",
            "domainName": request.host,
            "http": {
                "method": request.method,
                "path": request.path,
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": request.headers.get("User-Agent", ""),
            },
            "requestId": str(uuid4()),
            "routeKey": "$default",
            "stage": "$default",
        },
        "body": b64encode(body).decode(),
        "isBase64Encoded": True,
    }


@asynccontextmanager
async def event_source(clients: Clients, queue: str, function: Function, pollers: int = 2) -> AsyncIterator[None]:
    """Feed a queue to a function, one message at a time: what it does not report as failed is deleted."""
    tasks = [asyncio.create_task(_poll(clients, queue, function), name=f"poller {number}") for number in range(pollers)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert [end for end in ends if not isinstance(end, asyncio.CancelledError)] == []


async def _poll(clients: Clients, queue: str, function: Function) -> None:
    while True:
        wanted: dict[str, Any] = {"MessageSystemAttributeNames": ["All"], "WaitTimeSeconds": 1}
        answer = await clients.call("sqs", "receive_message", waits=True, QueueUrl=queue, **wanted)
        for message in answer.get("Messages", ()):
            invoked = await function.invoke({"Records": [_record(message, queue)]})
            if invoked.failed:
                continue
            failed = {each["itemIdentifier"] for each in invoked.value["batchItemFailures"]}
            if message["MessageId"] not in failed:
                await _delete(clients, queue, message["ReceiptHandle"])


async def _delete(clients: Clients, queue: str, handle: str) -> None:
    with suppress(RefusedByAws):  # the function deleted it already, or held it for too long
        await clients.call("sqs", "delete_message", QueueUrl=queue, ReceiptHandle=handle)


def _record(message: Mapping[str, Any], queue: str) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:here:0:{queue.rpartition('/')[2]}",
        "awsRegion": "here",
    }
