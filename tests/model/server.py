"""A model server on loopback that follows a script, for tests of agents.

The scenario is the first segment of the path: `http://127.0.0.1:PORT/ok/v1/messages`. Besides those of `script.py`:
`eNNN` answers that status (429 with `Retry-After: 1`), `spent` 429 for an hour, `flaky` two times 429 and then as `ok`,
`hang` never, `badjson` with something else than JSON; `hangmid` stalls in the middle of an answer. As a process:
`python -m tests.model.server PORT`, and then `GET /_log` tells what was asked.
"""

import asyncio
import json
import re
import signal
import sys
from collections import Counter, deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from aiohttp import web

from runner.agents.base import Wire
from tests.model.parts import Event
from tests.model.script import SCENARIOS, TOKENS_IN, Ask, Scenario, reply
from tests.model.wires import DIALECTS

_PATHS = (
    (re.compile(r"/messages$"), Wire.ANTHROPIC),
    (re.compile(r"chat/completions$"), Wire.OPENAI_CHAT),
    (re.compile(r"/responses$"), Wire.OPENAI_RESPONSES),
    (re.compile(r":(generate|streamGenerate)Content$"), Wire.GEMINI),
)
_PREFIX = {Wire.OPENAI_CHAT: "/v1", Wire.OPENAI_RESPONSES: "/v1"}
_LISTED = {"id": "mock-model", "object": "model", "type": "model", "display_name": "mock"}
_BODY_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Request:
    """A call of the model as it came."""

    wire: Wire
    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]


@dataclass(slots=True)
class ModelServer:
    """`scenarios` can be added to; `calls` counts calls of the model by scenario, `called` is set at the first one.

    `others` are requests that it had no answer to.
    """

    base: str = ""
    scenarios: dict[str, Scenario] = field(default_factory=lambda: dict(SCENARIOS))
    calls: Counter[str] = field(default_factory=Counter)
    called: asyncio.Event = field(default_factory=asyncio.Event)
    last: Request | None = None
    others: deque[str] = field(default_factory=lambda: deque(maxlen=100))
    _refused: int = 0

    def url(self, scenario: str, wire: Wire) -> str:
        """Return the address of a scenario in the convention of its wire: OpenAI's end in `/v1`, others do not."""
        return f"{self.base}/{scenario}{_PREFIX.get(wire, '')}"

    async def log(self, _: web.Request) -> web.Response:
        last = self.last and asdict(self.last)
        return web.json_response({"calls": self.calls, "last": last, "others": list(self.others)})

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer whatever it is that agents ask model servers for."""
        path = request.path
        if path.endswith("count_tokens"):
            return web.json_response({"input_tokens": TOKENS_IN})
        if path.endswith(":countTokens"):
            return web.json_response({"totalTokens": TOKENS_IN})
        if request.method == "HEAD":
            return web.Response()
        if request.method == "GET" and path.endswith("/models"):
            return web.json_response({"object": "list", "data": [_LISTED], "models": []})
        wire = next((wire for pattern, wire in _PATHS if pattern.search(path)), None)
        if request.method != "POST" or wire is None:
            return self._not_found(request)
        return await self._call(request, wire)

    async def _call(self, request: web.Request, wire: Wire) -> web.StreamResponse:
        scenario, body = request.match_info["scenario"], await _read_json(request)
        self.last = Request(wire, request.path_qs, dict(request.headers), body)
        self.calls[scenario] += 1
        self.called.set()
        ask = DIALECTS[wire].read(body)
        if status := self._refusal(scenario, ask):
            headers = {"Retry-After": "3600" if scenario == "spent" else "1"} if status == 429 else {}
            return web.json_response(DIALECTS[wire].refuse(status), status=status, headers=headers)
        if scenario == "hang":
            await asyncio.Event().wait()
        if scenario == "badjson":
            return web.Response(text="<html>Welcome!</html>", content_type="text/html")
        return await self._reply(request, wire, ask, body.get("model") or "mock")

    def _refusal(self, scenario: str, ask: Ask) -> int | None:
        """Return the status to refuse with; requests without tools, for titles, do not count as tries."""
        if scenario == "spent":
            return 429
        if found := re.fullmatch(r"e(\d{3})", scenario):
            return int(found[1])
        if scenario == "flaky" and ask.tools and self._refused < 2:
            self._refused += 1
            return 429
        return None

    async def _reply(self, request: web.Request, wire: Wire, ask: Ask, model: str) -> web.StreamResponse:
        name = request.match_info["scenario"]
        scenario = self.scenarios.get(name)
        if scenario is None:
            return self._not_found(request)
        stalls = name == "hangmid"
        said = reply(scenario, ask, in_words=stalls or scenario.pause > 0)
        if not ask.stream and "streamGenerateContent" not in request.path:
            return await _send_whole(request, DIALECTS[wire].answer(said, model), stalls)
        return await _send_events(request, list(DIALECTS[wire].stream(said, model)), stalls, scenario.pause)

    def _not_found(self, request: web.Request) -> web.Response:
        self.others.append(f"{request.method} {request.path}")
        return web.json_response({"error": {"message": "not found", "type": "not_found_error"}}, status=404)


async def _read_json(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


async def _send_whole(request: web.Request, answer: dict[str, Any], stalls: bool) -> web.StreamResponse:
    if not stalls:
        return web.json_response(answer)
    data = json.dumps(answer).encode()
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(data))})
    await response.prepare(request)
    await response.write(data[: len(data) // 2])
    await asyncio.Event().wait()
    return response


async def _send_events(request: web.Request, events: Sequence[Event], stalls: bool, pause: float) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    response.force_close()
    await response.prepare(request)
    for number, (name, data) in enumerate(events):
        if stalls and number == len(events) // 2:
            await asyncio.Event().wait()
        head = f"event: {name}\n" if name else ""
        text = data if isinstance(data, str) else json.dumps(data)
        await response.write(f"{head}data: {text}\n\n".encode())
        await asyncio.sleep(pause)
    return response


@asynccontextmanager
async def model_server(port: int = 0) -> AsyncIterator[ModelServer]:
    """Serve on loopback; leaving the context ends what hangs, too."""
    server = ModelServer()
    app = web.Application(client_max_size=_BODY_BYTES)
    app.router.add_get("/_log", server.log)
    app.router.add_route("*", "/{scenario}", server.answer)
    app.router.add_route("*", "/{scenario}/{rest:.*}", server.answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    server.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()


async def _serve(port: int) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with model_server(port) as server:
        print(server.base, flush=True)
        await stopped.wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
