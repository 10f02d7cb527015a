"""A gateway between an agent and a model server that answers as a test tells it and remembers what it was asked."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import RawTestServer

from app.domain.outcomes import Usage
from runner.agents.base import Wire
from runner.gateway.account import Account, Upstream
from runner.gateway.server import Gateway

KEY = "the-key-of-the-provider"
PATHS = {
    Wire.ANTHROPIC: "/v1/messages",
    Wire.OPENAI_CHAT: "/chat/completions",
    Wire.OPENAI_RESPONSES: "/responses",
    Wire.GEMINI: "/v1beta/models/gemini-x:generateContent",
}
ANSWERS: dict[Wire, dict[str, Any]] = {
    Wire.ANTHROPIC: {
        "model": "x",
        "usage": {"input_tokens": 8, "cache_read_input_tokens": 2, "output_tokens": 5},
    },
    Wire.OPENAI_CHAT: {
        "model": "x",
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 2}},
    },
    Wire.OPENAI_RESPONSES: {
        "model": "x",
        "usage": {"input_tokens": 10, "output_tokens": 5, "input_tokens_details": {"cached_tokens": 2}},
    },
    Wire.GEMINI: {
        "modelVersion": "x",
        "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 5, "cachedContentTokenCount": 2},
    },
}
CHAT_ANSWER = ANSWERS[Wire.OPENAI_CHAT]
COUNTED = Usage(tokens_in=10, tokens_out=5, tokens_cached=2, cost=Decimal(1))
Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def a_dollar(
    model: str, usage: Usage, provider: str | None = None, *, written: int = 0, written_1h: int = 0
) -> Decimal:
    """Price every call alike."""
    return Decimal(1)


def gives(said: Any = CHAT_ANSWER, status: int = 200, **headers: str) -> Answer:
    """Answer with that; underscores in the names of headers are dashes."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.json_response(said, status=status, headers=named)

    return answer


async def begin_stream(request: web.BaseRequest, **headers: str) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **headers})
    await response.prepare(request)
    return response


def event(said: Any) -> bytes:
    return b"data: " + json.dumps(said).encode() + b"\n\n"


@dataclass(slots=True)
class Asked:
    """One request as the model server got it."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Stage:
    gateway: Gateway
    account: Account
    agent: aiohttp.ClientSession
    server: RawTestServer
    asked: list[Asked] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where the agent calls its model."""
        return self.account.endpoint.url + PATHS[self.account.upstream.wire]

    @property
    def token(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.account.endpoint.key}"}

    def call(self, **body: Any) -> Any:
        """Call the model; an async context manager, as aiohttp has them."""
        return self.agent.post(self.url, json=body, headers=self.token)

    async def said(self, **body: Any) -> tuple[int, bytes]:
        async with self.call(**body) as answer:
            return answer.status, await answer.read()


@asynccontextmanager
async def new_stage(
    answer: Answer, wire: Wire = Wire.OPENAI_CHAT, socket: Path | None = None, price: Any = a_dollar, **limits: Any
) -> AsyncIterator[Stage]:
    """Start a model server that answers so, a gateway before it, and open an account."""
    asked: list[Asked] = []

    async def remember(request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        asked.append(Asked(f"{request.method} {request.raw_path}", dict(request.headers), body))
        return await answer(request)

    server = RawTestServer(remember, host="127.0.0.1", handler_cancellation=True)
    async with server, Gateway(socket) as gateway, aiohttp.ClientSession() as agent:
        upstream = Upstream(str(server.make_url("/base")), KEY, wire)
        yield Stage(gateway, gateway.open(upstream, price=price, **limits), agent, server, asked)
