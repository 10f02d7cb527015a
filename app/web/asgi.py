"""The web application: the webhook, and what to ask about Orch's health."""

import asyncio

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from app.web.health import OK, Health
from app.web.receive import LARGEST, Answer, Receiver

BODY_SECONDS = 15.0
"""GitHub gives up on a delivery after 10."""
NO_POST = Answer(405, "GitHub delivers webhooks here by POST: make this address the Webhook URL in the App's settings")
TOO_SLOW = Answer(408, "the rest of the body did not come in time")
TOO_LARGE = Answer(413, f"more than {LARGEST} bytes")


def web_app(receiver: Receiver, health: Health, *, body_seconds: float = BODY_SECONDS) -> Starlette:
    """Return the ASGI application around a receiver; a body may take `body_seconds` to come."""

    async def webhook(request: Request) -> Response:
        if request.method != "POST":
            return _plain(NO_POST, allow="POST")
        body = await _read_in_time(request, body_seconds)
        if isinstance(body, Answer):
            return _plain(body, connection="close")
        return _plain(await receiver.receive(_joined(request.headers), body))

    async def healthz(request: Request) -> Response:
        return PlainTextResponse(OK)

    async def readyz(request: Request) -> Response:
        found = await health()
        ready = set(found.values()) == {OK}
        return JSONResponse({"ready": ready, **found}, 200 if ready else 503)

    every = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    return Starlette(
        routes=[Route("/webhook", webhook, methods=every), Route("/healthz", healthz), Route("/readyz", readyz)]
    )


def _plain(answer: Answer, **headers: str) -> Response:
    return PlainTextResponse(answer.text, answer.status, headers)


def _joined(headers: Headers) -> dict[str, str]:
    """Join what came more than once, as HTTP has it: of two signatures neither must count."""
    return {name: ", ".join(headers.getlist(name)) for name in headers}


async def _read_in_time(request: Request, seconds: float) -> bytes | Answer:
    try:
        async with asyncio.timeout(seconds):
            return await _read(request)
    except TimeoutError:
        return TOO_SLOW


async def _read(request: Request) -> bytes | Answer:
    """Read the body, but no more of it than a delivery can have, and nothing if it says that it will be larger."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > LARGEST:
        return TOO_LARGE
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST:
                return TOO_LARGE
    except ClientDisconnect:
        return b""
    return bytes(body)
