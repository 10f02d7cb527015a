"""The processes of the gateway's bench: a model server that streams as fast as it can, the gateway, and an agent."""

import asyncio
import json
import sys
import time
from decimal import Decimal
from statistics import median

import aiohttp
from aiohttp import web

from app.domain.outcomes import Usage
from runner.agents.base import Wire
from runner.gateway.account import Upstream
from runner.gateway.server import Gateway

KEY = "the-key-of-the-bench"
PATH = "/chat/completions"
DELTA = {"id": "chatcmpl-1", "model": "gpt-x", "choices": [{"index": 0, "delta": {"content": "some words"}}]}
EVENT = b"data: " + json.dumps({**DELTA, "usage": None}).encode() + b"\n\n"
LAST = b"data: " + json.dumps({**DELTA, "usage": {"prompt_tokens": 9, "completion_tokens": 9}}).encode() + b"\n\n"
EVENTS = (80_000, 1)
"""A large stream as model servers send it, event by event: so many pieces, of so many events each."""
BLOCKS = (1_600, 500)
"""As much as goes through a socket, which no model says."""
PROMPT = "What an agent sends with every call: all that was said before. " * 5000
WARM_UP = 20
STREAMS = 5


async def serve_model(port: int) -> None:
    """Stream as many pieces as the request asks for, each of as many events, and then the usage."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        asked = json.loads(await request.content.read())
        piece = EVENT * asked["events"]
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for _ in range(asked["pieces"]):
            await response.write(piece)
        await response.write(LAST)
        return response

    runner = web.ServerRunner(web.Server(answer, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


async def serve_gateway(url: str) -> None:
    """Print where the agent finds its model, and stay."""

    def price(model: str, usage: Usage, provider: str | None = None, **_: int) -> Decimal:
        return Decimal(0)

    async with Gateway() as gateway:
        account = gateway.open(Upstream(url, KEY, Wire.OPENAI_CHAT), price=price)
        print(json.dumps([account.endpoint.url, account.endpoint.key]), flush=True)
        await asyncio.Event().wait()


async def compare(direct: str, through: str, token: str, calls: int) -> dict[str, float]:
    """Return the delay of the first byte (ms), and throughputs (MB/s).

    Direct calls and those through the gateway take turns, so that both see the same machine.
    """
    async with aiohttp.ClientSession() as agent:
        first: dict[str, list[float]] = {direct: [], through: []}
        for number in range(WARM_UP + calls):
            for url, times in first.items():
                seconds, _ = await _call(agent, url, token, 1, 1)
                if number >= WARM_UP:
                    times.append(seconds * 1e3)
        before, after = median(first[direct]), median(first[through])
        found = {"first direct": before, "first later": after - before}
        for name, shape in {"events": EVENTS, "blocks": BLOCKS}.items():
            rates: dict[str, list[float]] = {direct: [], through: []}
            for _ in range(STREAMS):
                for url, each in rates.items():
                    each.append((await _call(agent, url, token, *shape))[1])
            found |= {f"{name} direct": median(rates[direct]), f"{name} through": median(rates[through])}
        return found


async def _call(agent: aiohttp.ClientSession, url: str, token: str, pieces: int, events: int) -> tuple[float, float]:
    """Return the seconds to the first byte, and the MB/s from there on."""
    body = {"model": "gpt-x", "stream": True, "pieces": pieces, "events": events, "messages": [PROMPT]}
    begun, first, got = time.perf_counter(), 0.0, 0
    async with agent.post(url + PATH, json=body, headers={"Authorization": f"Bearer {token}"}) as answer:
        answer.raise_for_status()
        async for chunk in answer.content.iter_any():
            first = first or time.perf_counter()
            got += len(chunk)
    return first - begun, got / (time.perf_counter() - first) / 1e6


def main() -> None:
    role, *given = sys.argv[1:]
    match role:
        case "model":
            asyncio.run(serve_model(int(given[0])))
        case "gateway":
            asyncio.run(serve_gateway(given[0]))
        case "agent":
            direct, through, token, calls = given
            print(json.dumps(asyncio.run(compare(direct, through, token, int(calls)))))


if __name__ == "__main__":
    main()
