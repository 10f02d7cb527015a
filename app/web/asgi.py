"""The web application: the webhook and a health check."""

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from app.web.receive import LARGEST, Answer, Receiver


def web_app(receiver: Receiver) -> Starlette:
    """Return the ASGI application around a receiver."""

    async def webhook(request: Request) -> Response:
        body = await _read(request)
        answer = Answer(413, "too large") if body is None else await receiver.receive(request.headers, body)
        return PlainTextResponse(answer.text, answer.status)

    async def healthz(request: Request) -> Response:
        return PlainTextResponse("ok")

    return Starlette(routes=[Route("/webhook", webhook, methods=["POST"]), Route("/healthz", healthz)])


async def _read(request: Request) -> bytes | None:
    """Read the body, but no more of it than a delivery can have; None if it is larger, or says that it will be."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > LARGEST:
        return None
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST:
                return None
    except ClientDisconnect:
        return b""
    return bytes(body)
