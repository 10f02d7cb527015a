"""One call of an agent, as it is passed on to a model server."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from runner.agents.base import Wire
from runner.gateway import wires
from runner.gateway.account import Upstream

LARGEST = 64 << 20
_HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
_OURS = {"host", "content-length", "expect", "accept-encoding", *wires.CREDENTIALS}


class Refused(Exception):
    """The gateway answers a call itself, with this status and sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True, slots=True)
class Call:
    """One call; `path` is as the agent wrote it, `headers` and `url` as the server gets them, but for the key."""

    method: str
    path: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def wire(self) -> Wire | None:
        """The wire of a model call; None: it is another call."""
        return wires.spoken(self.path) if self.method == "POST" else None

    @property
    def takes_tokens(self) -> bool:
        return wires.takes_tokens(self.method, self.path)

    @property
    def model(self) -> str | None:
        """The model that is asked for, in the body or, with Gemini, in the path."""
        named = _json(self.body).get("model")
        return named if isinstance(named, str) else wires.model_of(self.path)

    def asking_for_usage(self) -> bytes | None:
        """Return the body that asks for the usage of a stream as well: OpenAI's chat tells it to nobody else.

        None: the call asks for it already, or it needs no asking.
        """
        if self.wire is not Wire.OPENAI_CHAT or any(name.lower() == "content-encoding" for name, _ in self.headers):
            return None
        asked = _json(self.body)
        options = asked.get("stream_options") or {}
        if asked.get("stream") is not True or not isinstance(options, dict) or options.get("include_usage") is True:
            return None
        if "stream_options" in asked:
            return json.dumps({**asked, "stream_options": {**options, "include_usage": True}}).encode()
        return b'{"stream_options":{"include_usage":true},' + self.body.partition(b"{")[2]


async def read_call(request: web.BaseRequest, upstream: Upstream) -> Call:
    """Read a call whole; raises Refused if it does not stay below the server's address, or is too large."""
    path, _, query = request.raw_path.partition("?")
    prefix = wires.prefix(upstream.wire)
    if not path.startswith(f"{prefix}/") or not wires.is_straight(path) or not query.isascii():
        raise Refused(404, "There is nothing at this path.")
    body = await _read(request)
    rest = wires.without_credentials(query)
    target = upstream.url.rstrip("/") + path.removeprefix(prefix) + (f"?{rest}" if rest else "")
    kept = ((name, value) for name, value in end_to_end(request.headers) if name.lower() not in _OURS)
    identity = ("Accept-Encoding", "identity")  # or nothing can be counted
    return Call(request.method, path, target, (*kept, identity), body)


def end_to_end(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the headers that are meant for more than the next server (RFC 9110, section 7.6.1)."""
    named = {name.strip().lower() for name in headers.get("Connection", "").split(",")}
    return [(name, value) for name, value in headers.items() if name.lower() not in _HOP_BY_HOP | named]


async def _read(request: web.BaseRequest) -> bytes:
    too_large = Refused(413, f"The request is larger than {LARGEST >> 20} MB.")
    if (request.content_length or 0) > LARGEST:
        raise too_large
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > LARGEST:
            raise too_large
    return bytes(body)


def _json(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
