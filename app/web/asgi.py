"""The web application: the webhook, and what to ask about Orch's health."""

import asyncio

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from app.web.deliveries import LARGEST, NO_POST, TOO_LARGE, Answer
from app.web.health import OK, Health
from app.web.receive import Receiver

BODY_SECONDS = 15.0
"""GitHub gives up on a delivery after 10."""
READ = {b"content-length", b"content-type", b"x-github-delivery", b"x-github-event", b"x-hub-signature-256"}
"""Headers that matter here."""
TOO_SLOW = Answer(408, "the rest of the body did not come in time")
STOPPING = Answer(503, "Orch is stopping; deliver it again")


class Deadlines:
    """Cancel tasks that take longer than `seconds`, with one timer for all: one each costs a burst too much."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._due: dict[asyncio.Task[None], float] = {}
        self._armed = False

    def begin(self) -> asyncio.Task[None]:
        """Let the time of the current task begin, and return the task."""
        task = asyncio.current_task()
        assert task
        loop = asyncio.get_running_loop()
        self._due[task] = loop.time() + self._seconds
        if not self._armed:
            self._armed = True
            loop.call_later(self._seconds, self._cancel_late)
        return task

    def end(self, task: asyncio.Task[None]) -> None:
        """Let the task take the time it wants from now on."""
        self._due.pop(task, None)

    def _cancel_late(self) -> None:
        """Cancel who is late, and come again when the next one may be: who began first is the first to be."""
        loop = asyncio.get_running_loop()
        for task, due in list(self._due.items()):
            if due > loop.time():
                loop.call_at(due, self._cancel_late)
                return
            task.cancel(TOO_SLOW.text)
            self.end(task)
        self._armed = False


def web_app(receiver: Receiver, health: Health, *, body_seconds: float = BODY_SECONDS) -> ASGIApp:
    """Return the ASGI application around a receiver; a body may take `body_seconds` to come."""
    others = health_app(health)
    deadlines = Deadlines(body_seconds)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        # Deliveries come in bursts, and each waits for all before it: they take the short way, without a framework.
        if scope["type"] == "http" and scope["path"] == "/webhook":
            await _webhook(receiver, deadlines, scope, receive, send)
        else:
            await others(scope, receive, send)

    return app


def health_app(health: Health) -> Starlette:
    """Return the application for all but the webhook: whether Orch lives, and whether it can do its work."""

    async def healthz(request: Request) -> Response:
        return PlainTextResponse(OK)

    async def readyz(request: Request) -> Response:
        found = await health()
        ready = set(found.values()) == {OK}
        return JSONResponse({"ready": ready, **found}, 200 if ready else 503)

    return Starlette(routes=[Route("/healthz", healthz), Route("/readyz", readyz)])


async def _webhook(receiver: Receiver, deadlines: Deadlines, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["method"] != "POST":
        await _answer(send, NO_POST, (b"allow", b"POST"))
        return
    headers = _joined(scope)
    body = await _read_in_time(headers.get("content-length", ""), receive, deadlines)
    if isinstance(body, Answer):
        await _answer(send, body, (b"connection", b"close"))
    else:
        await _answer(send, await receiver.receive(headers, body))


async def _answer(send: Send, answer: Answer, *more: tuple[bytes, bytes]) -> None:
    text = answer.text.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(text)).encode()), *more]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": text})


def _joined(scope: Scope) -> dict[str, str]:
    """Return the headers that matter; join what came more than once: of two signatures neither must count."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        if raw_name in READ:
            name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


async def _read_in_time(announced: str, receive: Receive, deadlines: Deadlines) -> bytes | Answer:
    if announced.isdecimal() and int(announced) > LARGEST:
        return TOO_LARGE
    task = deadlines.begin()
    try:
        return await _read(receive)
    except asyncio.CancelledError as cancelled:  # else it is the end of the server: this task does nothing more after
        return TOO_SLOW if cancelled.args == (TOO_SLOW.text,) else STOPPING
    finally:
        deadlines.end(task)


async def _read(receive: Receive) -> bytes | Answer:
    """Read the body, but no more of it than a delivery can have; one whose sender hung up is empty."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b""
        body += message.get("body", b"")
        if len(body) > LARGEST:
            return TOO_LARGE
        if not message.get("more_body", False):
            return bytes(body)
